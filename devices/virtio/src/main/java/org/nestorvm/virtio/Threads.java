package org.nestorvm.virtio;

import java.time.Duration;

/** For who must not leave before a thread of its own has ended: an interrupt is kept until then. */
public final class Threads {
    private static final long FOR_EVER = Long.MAX_VALUE / 2;

    private Threads() {}

    public static void awaitEnd(Thread thread) {
        awaitEnd(thread, FOR_EVER);
    }

    /** @return whether it has ended in that time */
    public static boolean awaitEnd(Thread thread, long timeoutNs) {
        boolean interrupted = false;
        long deadlineNs = System.nanoTime() + timeoutNs;
        try {
            for (; ; ) {
                try {
                    return thread.join(Duration.ofNanos(Math.max(0, deadlineNs - System.nanoTime())));
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) Thread.currentThread().interrupt();
        }
    }
}
