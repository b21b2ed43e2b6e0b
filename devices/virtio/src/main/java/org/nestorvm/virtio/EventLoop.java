package org.nestorvm.virtio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One thread that waits for descriptors and calls who asked for them. Handlers run one at a time under the loop's lock;
 * who holds the lock by {@link #exclusive} may do what a handler does, on its own thread. Nothing is allocated per
 * event.
 *
 * <p>The lock is fair, so that a stop gets its turn while the loop is busy; a handler does a bounded amount of work and
 * comes back.
 */
public final class EventLoop implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EventLoop.class);
    private static final int BATCH = 64;

    /** @see Events#EPOLLIN */
    @FunctionalInterface
    public interface Handler {
        void ready(int events);
    }

    private final String name;
    private final ReentrantLock lock = new ReentrantLock(true);
    private final int epoll, wakeUp;
    private final Thread thread;
    private Handler[] handlers = new Handler[64]; // by descriptor
    private final ArrayDeque<Handler> due = new ArrayDeque<>();
    private volatile boolean isDue, closed;

    /** Starts the thread. */
    public EventLoop(String name) throws IOException {
        this.name = name;
        epoll = Events.epollCreate(name);
        int event = -1;
        try {
            event = Events.eventfd(name, 0, Events.EFD_NONBLOCK);
            Events.epollControl(name, epoll, Events.EPOLL_CTL_ADD, event, Events.EPOLLIN, event);
        } catch (IOException e) {
            if (event >= 0) Descriptors.close(event);
            Descriptors.close(epoll);
            throw e;
        }
        wakeUp = event;
        handlers = Arrays.copyOf(handlers, Math.max(handlers.length, event + 1));
        handlers[event] = _ -> Events.tryDrain(wakeUp);
        thread = Thread.ofPlatform().name(name).daemon().start(this::run);
    }

    /**
     * From now on the handler is called when the descriptor has one of the events. The descriptor stays the caller's.
     */
    public void add(int descriptor, int events, Handler handler) throws IOException {
        lock.lock();
        try {
            if (descriptor >= handlers.length)
                handlers = Arrays.copyOf(handlers, Math.max(descriptor + 1, 2 * handlers.length));
            handlers[descriptor] = handler;
            try {
                Events.epollControl(name, epoll, Events.EPOLL_CTL_ADD, descriptor, events, descriptor);
            } catch (IOException e) {
                handlers[descriptor] = null;
                throw e;
            }
        } finally {
            lock.unlock();
        }
    }

    /** Waits for other events of a descriptor that was added; 0 for none but errors and hang-up. */
    public void change(int descriptor, int events) throws IOException {
        Events.epollControl(name, epoll, Events.EPOLL_CTL_MOD, descriptor, events, descriptor);
    }

    /**
     * When this returns the handler does not run and will not, unless it is the caller. To be called before the
     * descriptor is closed.
     */
    public void remove(int descriptor) {
        lock.lock();
        try {
            if (closed || descriptor >= handlers.length || handlers[descriptor] == null) return;
            handlers[descriptor] = null;
            Events.epollControl(name, epoll, Events.EPOLL_CTL_DEL, descriptor, 0, 0);
        } catch (IOException e) {
            throw new IllegalStateException(
                    "descriptor " + descriptor + " was closed before it was removed from " + name, e);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Calls the handler once more, with no event and on the loop's thread, after others had their turn. For who has
     * done its share and has more to do; the caller holds the loop.
     */
    public void again(Handler handler) {
        assert lock.isHeldByCurrentThread() : name;
        due.add(handler);
        isDue = true;
        if (Thread.currentThread() != thread) Events.trySignal(wakeUp, 1);
    }

    /** Whether somebody waits for the loop: then a handler had better come back soon. */
    public boolean isWanted() {
        return lock.hasQueuedThreads();
    }

    /** Runs something on this thread while no handler runs. */
    public void exclusive(Runnable action) {
        lock.lock();
        try {
            action.run();
        } finally {
            lock.unlock();
        }
    }

    /** {@link #exclusive} if that need not wait. @return false when another has the loop, and nothing was run */
    public boolean tryExclusive(Runnable action) {
        if (!lock.tryLock()) return false;
        try {
            action.run();
            return true;
        } finally {
            lock.unlock();
        }
    }

    private void run() {
        try (Arena arena = Arena.ofConfined()) {
            long events = arena.allocate((long) BATCH * Events.EPOLL_EVENT_BYTES, Long.BYTES)
                    .address();
            while (!closed) {
                int count = Events.tryEpollWait(epoll, events, BATCH, isDue ? 0 : -1);
                if (count < 0 && count != -Errno.EINTR)
                    throw new IllegalStateException("epoll_wait of " + name + ": " + Errno.name(-count));
                for (int i = 0; i < count && !closed; i++)
                    dispatch((int) Events.epollData(events, i), Events.epollEvents(events, i));
                if (isDue) goOn();
            }
        }
    }

    /** Those that are due now; who asks again meanwhile comes after the descriptors. */
    private void goOn() {
        for (int left = due(); left > 0 && !closed; left--) {
            lock.lock();
            try {
                due.remove().ready(0);
            } catch (RuntimeException | Error e) {
                failed("a handler failed", e);
            } finally {
                lock.unlock();
            }
        }
    }

    private int due() {
        lock.lock();
        try {
            isDue = false;
            return due.size();
        } finally {
            lock.unlock();
        }
    }

    private void dispatch(int descriptor, int events) {
        lock.lock();
        try {
            Handler handler = descriptor < handlers.length ? handlers[descriptor] : null;
            if (handler != null && !closed) handler.ready(events);
        } catch (RuntimeException | Error e) {
            failed("a handler failed; it is not called again", e);
            remove(descriptor);
        } finally {
            lock.unlock();
        }
    }

    private void failed(String what, Throwable e) {
        SharedMemoryGone.line(e)
                .ifPresentOrElse(line -> LOG.error("{}: {}", name, line), () -> LOG.error("{}: {}", name, what, e));
    }

    /** Ends the thread; no handler runs afterwards. Descriptors that were added stay their owners'. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (closed) return;
            closed = true;
        } finally {
            lock.unlock();
        }
        Events.trySignal(wakeUp, 1);
        if (Thread.currentThread() != thread) Threads.awaitEnd(thread);
        Descriptors.close(wakeUp);
        Descriptors.close(epoll);
    }
}
