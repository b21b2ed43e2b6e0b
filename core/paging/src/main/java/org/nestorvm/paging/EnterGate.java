package org.nestorvm.paging;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A lock that many threads pass at once without touching each other's cache lines, until one wants to be alone. A
 * thread that passes counts itself in a stripe of its own and then looks whether somebody is alone; one that wants to
 * be alone says so and then looks at all stripes. Both are full fences, so that at least one of the two sees the other.
 * Not reentrant.
 */
final class EnterGate {
    private static final int STRIPES = 16; // a power of two
    private static final int STRIDE = 32; // two cache lines of ints, for the prefetcher takes pairs
    private static final int SPINS = 200;

    private final AtomicIntegerArray inside = new AtomicIntegerArray(STRIPES * STRIDE + STRIDE);
    private final ReentrantLock alone = new ReentrantLock();
    private volatile boolean closed;

    /** @return the stripe, for {@link #leave} */
    int pass() {
        int stripe = STRIDE + ((int) Thread.currentThread().threadId() & STRIPES - 1) * STRIDE;
        for (; ; ) {
            inside.getAndIncrement(stripe);
            if (!closed) return stripe;
            inside.getAndDecrement(stripe);
            alone.lock(); // wait until the other is done
            alone.unlock();
        }
    }

    void leave(int stripe) {
        inside.getAndDecrement(stripe);
    }

    /** Waits until nobody is inside. Who is inside is in no call that waits for anything but memory. */
    void close() {
        alone.lock();
        closed = true;
        for (int stripe = 0; stripe < STRIPES; stripe++) {
            for (int spins = 0; inside.get(STRIDE + stripe * STRIDE) != 0; spins++) {
                if (spins < SPINS) Thread.onSpinWait();
                else LockSupport.parkNanos(1_000); // it was preempted inside
            }
        }
    }

    /** Somebody is alone, or waits to be. */
    boolean isClosed() {
        return closed;
    }

    void open() {
        closed = false;
        alone.unlock();
    }
}
