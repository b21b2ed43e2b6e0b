package org.nestorvm.vhost;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.LimitedLog;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps a front end connected: has the first connection, and looks for another one when it ends. Everything happens
 * under the front end's lock, except for the search itself. A thread of the event loop never takes that lock: what the
 * loop hears is done by a thread of its own.
 */
final class LinkKeeper {
    /** What the front end knows and does; all under its lock. */
    interface Owner {
        /** Whether the device has done something at the present back end. */
        boolean hasMoved();

        /** Tells a new back end everything. */
        void replay(Link link) throws IOException;

        void gaveUp(String why);

        void configChanged(Link link) throws IOException;
    }

    /** Something to say to a back end. */
    @FunctionalInterface
    interface Saying {
        void to(Link link) throws IOException;
    }

    private static final Logger LOG = LoggerFactory.getLogger(LinkKeeper.class);
    private static final int CONFIG_CHANGE = 2, NET = 1;
    /** A connection that lasts longer than this is no failure, though the device had nothing to do. */
    private static final long LASTING_NS = 2_000_000_000L;

    private static final int CLOSE_MS = 1000;
    /**
     * For the rest of what a back end has begun to ask: the event loop waits, and so does a virtual CPU that starts a
     * queue.
     */
    private static final int ASKED_MS = 200;
    /** That a front end takes over from a back end unasked. */
    private static final int MOST_QUEUES = 256;

    private final LimitedLog log = new LimitedLog(LOG);
    private final FrontEndOptions options;
    private final EventLoop loop;
    private final ReentrantLock lock;
    private final Owner owner;
    private final AtomicBoolean refreshing = new AtomicBoolean();
    private volatile Link link; // null when there is no back end
    private volatile DescriptorChannel beginning; // a connection on which nothing is agreed yet
    private volatile boolean closed;
    private volatile Thread searching;
    private volatile int failures;
    private long connectedNs;
    private int queues; // that a back end must have

    LinkKeeper(FrontEndOptions options, EventLoop loop, ReentrantLock lock, Owner owner) {
        this.options = options;
        this.loop = loop;
        this.lock = lock;
        this.owner = owner;
        queues = options.queues();
    }

    /** What the front end has asked for, or what the first back end has. */
    int queues() {
        return queues;
    }

    /** The first connection. @throws IOException when there is none, or the wrong device is at its other end */
    Link first() throws IOException {
        try {
            use(open());
            if (queues == FrontEndOptions.ALL_QUEUES) queues = link.queueLimit();
            return link;
        } catch (Throwable t) {
            drop();
            throw t;
        } finally {
            beginning = null;
        }
    }

    /**
     * Says something to the back end, if there is one; the next one is told everything. @throws IOException when the
     * back end is alive and refuses, or this process fails
     */
    void tell(Saying saying) throws IOException {
        if (link == null) return;
        try {
            saying.to(link);
        } catch (ProtocolException | ErrnoException e) {
            lose(e.getMessage());
        }
    }

    /** {@link #tell} what can be refused without harm. */
    void attempt(Saying saying) {
        try {
            tell(saying);
        } catch (IOException e) {
            log.warn("{}: {}", options.name(), e.getMessage());
        }
    }

    private Link open() throws IOException {
        try {
            beginning = options.connector().connect(failures);
            if (closed) beginning.end();
            Link opened = new Link(beginning, options.answerMs());
            try {
                check(opened);
                return opened;
            } catch (Throwable t) {
                opened.close();
                throw t;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while a back end was looked for", e);
        }
    }

    /** A network device counts pairs. */
    private void check(Link opened) throws IOException {
        String name = options.name();
        if ((opened.features() & Features.VERSION_1) == 0)
            throw new IOException(name + ": the back end offers no device of virtio 1.0 or later: features 0x"
                    + Long.toHexString(opened.features()));
        int limit = opened.queueLimit();
        if (queues == FrontEndOptions.ALL_QUEUES && (limit < 1 || limit > MOST_QUEUES))
            throw new IOException(name + ": the back end "
                    + (limit == Integer.MAX_VALUE ? "does not say how many queues it has" : "has " + limit + " queues")
                    + "; say how many to use");
        int needed = options.type() == NET ? queues / 2 : queues;
        if (limit < needed) throw new IOException(name + ": the back end has " + limit + " queues, not " + needed);
    }

    /** Listens to it from now on. */
    private void use(Link opened) throws IOException {
        link = opened;
        connectedNs = System.nanoTime();
        loop.add(opened.channel().descriptor(), 0, _ -> hungUp(opened));
        if (opened.requests() == null) return;
        MessageChannel asked = new MessageChannel(opened.requests());
        loop.add(asked.descriptor(), Events.EPOLLIN, _ -> hear(asked));
    }

    /** Nobody listens to it any more. */
    private void drop() {
        Link old = link;
        if (old == null) return;
        link = null;
        loop.remove(old.channel().descriptor());
        if (old.requests() != null) loop.remove(old.requests().descriptor());
        old.close();
    }

    private void hungUp(Link from) {
        loop.remove(from.channel().descriptor());
        work(() -> {
            if (link == from) lose("the back end has closed the connection");
        });
    }

    /** On a thread of its own, under the lock. */
    private void work(Runnable work) {
        Thread.ofPlatform().name(options.name() + "-link").daemon().start(() -> {
            lock.lock();
            try {
                if (!closed) work.run();
            } finally {
                lock.unlock();
            }
        });
    }

    /** What the back end asks by itself: only whether we have heard that its configuration changed. */
    private void hear(MessageChannel asked) {
        try (Message message = asked.receive(0, ASKED_MS, Request::limitBytes)) {
            if (message == null) {
                loop.remove(asked.descriptor());
                return;
            }
            boolean known = message.request() == CONFIG_CHANGE && !message.isReply();
            if (message.needsReply()) asked.trySend(message.request(), Message.REPLY, Message.u64(known ? 0 : 1));
            if (known) refreshConfig();
        } catch (IOException e) {
            log.warn("{}: the back end is not listened to any more: {}", options.name(), e.getMessage());
            loop.remove(asked.descriptor());
        }
    }

    /** Soon, and once for all who ask for it until then. */
    void refreshConfig() {
        if (!refreshing.compareAndSet(false, true)) return;
        work(() -> {
            refreshing.set(false);
            attempt(owner::configChanged);
        });
    }

    /** The connection is of no use any more. */
    private void lose(String why) {
        log.info("{}: {}; looking for another one", options.name(), why);
        failures = owner.hasMoved() || System.nanoTime() - connectedNs > LASTING_NS ? 0 : failures + 1;
        drop();
        options.listener().disconnected(why);
        search();
    }

    /** Looks for a back end where there is none, and nobody looks for one yet. */
    void search() {
        if (link == null && searching == null && !closed)
            searching = Thread.ofPlatform()
                    .name(options.name() + "-connect")
                    .daemon()
                    .start(this::connectAgain);
    }

    private void connectAgain() {
        try {
            while (!closed && !isTaken(openNext())) failures++;
        } catch (IOException | RuntimeException e) {
            lock.lock();
            try {
                searching = null;
                failures = 0; // who asks again means it
                if (!closed) giveUp(e.toString());
            } finally {
                lock.unlock();
            }
        }
    }

    private void giveUp(String why) {
        LOG.error("{}: there is no back end any more: {}", options.name(), why);
        options.listener().gaveUp(why);
        owner.gaveUp(why);
    }

    /**
     * Null when there was one that does not know the protocol, or has ended at once. @throws IOException when none is
     * to be had
     */
    private Link openNext() throws IOException {
        try {
            return open();
        } catch (ProtocolException | ErrnoException e) {
            if (beginning == null) throw e; // of the connector
            log.warn("{}: {}", options.name(), e.getMessage());
            return null;
        } finally {
            beginning = null;
        }
    }

    /** Tells a new back end everything. @return false when it was not up to it */
    private boolean isTaken(Link next) throws IOException {
        if (next == null) return false;
        lock.lock();
        try {
            if (closed) {
                next.close();
                return true;
            }
            use(next);
            owner.replay(next);
            searching = null;
            options.listener().reconnected();
            return true;
        } catch (ProtocolException | ErrnoException e) {
            log.warn("{}: {}", options.name(), e.getMessage());
            drop();
            return false;
        } catch (Throwable t) {
            drop();
            throw t;
        } finally {
            lock.unlock();
        }
    }

    /** Without the lock: nothing new begins, and whoever waits for an answer or for a back end does so no longer. */
    void end() {
        closed = true;
        Link current = link;
        if (current != null) current.channel().end();
        DescriptorChannel first = beginning;
        if (first != null) first.end();
        Thread waiting = searching;
        if (waiting != null) waiting.interrupt();
    }

    /** Under the lock, after {@link #end}. @return who still looks for a back end, or null */
    Thread close() {
        end();
        drop();
        return searching;
    }

    /** Without the lock. A connector that does not heed its interruption ends later. */
    static void awaitEnd(Thread search) {
        if (search == null || search == Thread.currentThread()) return;
        try {
            search.join(CLOSE_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
