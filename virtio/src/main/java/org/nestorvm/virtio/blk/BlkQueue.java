package org.nestorvm.virtio.blk;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.queue.Virtqueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The requests of one queue, those at hand and those that are away: with {@link BlkWorkers}, which give them back to the queue's loop through a list and an eventfd. All but {@link #done} is for who holds that loop.
 *
 * <p>There are as many requests as were ever away at once, and one: at most one for each entry of the queue, so that none is ever missing.
 */
final class BlkQueue implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BlkQueue.class);
    private static final long RETRY_NS = 1_000_000;

    final int event;
    private final BlkDevice device;
    private final AtomicReference<BlkRequest> done = new AtomicReference<>();
    private BlkRequest vacant;
    private int away;

    BlkQueue(BlkDevice device) throws IOException {
        this.device = device;
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

    /** On a worker's thread, whose last touch of the request and of the guest's memory this is. Who puts the first one on the list wakes the loop, and that takes all. */
    void done(BlkRequest request) {
        BlkRequest before;
        do {
            before = done.get();
            request.next = before;
        } while (!done.compareAndSet(before, request));
        if (before == null) wake();
    }

    /** A wake-up that is lost would be a queue that stands still, so it is tried until it comes through, as when the heap has room again. */
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
        if (request == null) return false;
        Throwable failure = null;
        while (request != null) {
            BlkRequest next = request.next;
            if (request.failure() == null) queue.push(request.chain(), request.written());
            else failure = request.failure();
            recycle(request);
            request = next;
        }
        if (failure != null) throw new IllegalStateException("a request has failed", failure);
        return true;
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

    /** Waits until no worker has a request of this queue, and gives all of them back, also when something fails meanwhile: then that is thrown at the end. */
    void settle(Virtqueue queue) {
        IllegalStateException failure = null;
        for (;;) {
            try {
                giveBack(queue);
            } catch (RuntimeException | Error e) {
                failure = new IllegalStateException("not all requests were given back", e);
            }
            if (away == 0) break;
            Events.tryPoll(event, Events.POLLIN, -1);
            Events.tryDrain(event);
        }
        if (failure != null) throw failure;
    }

    @Override
    public void close() {
        Descriptors.close(event);
    }
}
