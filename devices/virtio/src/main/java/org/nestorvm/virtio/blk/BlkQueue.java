package org.nestorvm.virtio.blk;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.queue.Virtqueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The requests of one queue, those at hand and those that are away: with {@link BlkWorkers}, from which they come back
 * on a list. All but {@link #done} is for who holds the queue's loop.
 *
 * <p>There are as many requests as were ever away at once, and one: at most one for each entry of the queue, so that
 * none is ever missing.
 */
final class BlkQueue implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BlkQueue.class);
    private static final long RETRY_NS = 1_000_000;

    final int event;
    private final BlkDevice device;
    private final EventLoop loop;
    private final Runnable giveBackHere;
    private final AtomicReference<BlkRequest> done = new AtomicReference<>();
    private BlkRequest vacant;
    private int away;
    private Throwable failure;

    /** @param giveBackHere {@link BlkDevice#giveBackHere}, for who has got the loop */
    BlkQueue(BlkDevice device, EventLoop loop, Runnable giveBackHere) throws IOException {
        this.device = device;
        this.loop = loop;
        this.giveBackHere = giveBackHere;
        event = Events.eventfd(device.name(), 0, Events.EFD_NONBLOCK);
    }

    /** A request to work with; the same again until it {@link #leaves}. */
    BlkRequest next() {
        if (vacant == null) vacant = new BlkRequest(device, this);
        return vacant;
    }

    /** The one that {@link #next} has answered goes away. */
    void leaves() {
        BlkRequest request = vacant;
        vacant = request.next;
        away++;
    }

    /** It was not taken. */
    void returns(BlkRequest request) {
        away--;
        recycle(request);
    }

    private void recycle(BlkRequest request) {
        request.next = vacant;
        vacant = request;
    }

    /**
     * On a worker's thread, which does not touch the request after this. Who puts the first one on the list gives all
     * of them back, if nobody has the loop, or else wakes the loop to do it.
     */
    void done(BlkRequest request) {
        BlkRequest before;
        do {
            before = done.get();
            request.next = before;
        } while (!done.compareAndSet(before, request));
        if (before == null && !loop.tryExclusive(giveBackHere)) wake();
    }

    /**
     * A wake-up that is lost would be a queue that stands still, so it is tried until it comes through, as when the
     * heap has room again.
     */
    private void wake() {
        for (boolean told = false; ; told = true) {
            try {
                Events.trySignal(event, 1);
                return;
            } catch (RuntimeException | Error e) {
                if (!told) LOG.error("{}: cannot tell the queue's thread yet", device.name(), e);
                LockSupport.parkNanos(RETRY_NS);
            }
        }
    }

    /**
     * Pushes what has come back.
     *
     * @return whether there was something
     * @throws IllegalStateException when a request has ended by something else than an error of the disk
     */
    boolean giveBack(Virtqueue queue) {
        BlkRequest request = inOrder(done.getAndSet(null));
        boolean some = request != null;
        while (request != null) {
            BlkRequest next = request.next;
            if (request.failure() == null) queue.push(request.chain(), request.written());
            else failure = request.failure();
            recycle(request);
            request = next;
        }
        if (failure == null) return some;
        Throwable cause = failure;
        failure = null;
        throw new IllegalStateException("a request has failed", cause);
    }

    /** The loop's own thread is to meet this: a worker cannot wait for the others. */
    void failsLater(Throwable cause) {
        failure = cause;
        wake();
    }

    /** The list has the last one first. All of them are here from now on, whatever becomes of the queue. */
    private BlkRequest inOrder(BlkRequest last) {
        BlkRequest first = null;
        while (last != null) {
            BlkRequest before = last.next;
            last.next = first;
            first = last;
            last = before;
            away--;
        }
        return first;
    }

    /**
     * Waits until no worker has a request of this queue, and gives all of them back, also when something fails
     * meanwhile: then that is thrown at the end.
     */
    void settle(Virtqueue queue) {
        IllegalStateException atTheEnd = null;
        for (; ; ) {
            try {
                giveBack(queue);
            } catch (RuntimeException | Error e) {
                atTheEnd = new IllegalStateException("not all requests were given back", e);
            }
            if (away == 0) break;
            Events.tryPoll(event, Events.POLLIN, -1);
            Events.tryDrain(event);
        }
        if (atTheEnd != null) throw atTheEnd;
    }

    @Override
    public void close() {
        Descriptors.close(event);
    }
}
