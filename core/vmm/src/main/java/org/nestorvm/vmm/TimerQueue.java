package org.nestorvm.vmm;

import java.util.Comparator;
import java.util.PriorityQueue;

/**
 * Deadlines in order; equal ones in the order in which they were armed, so that a deterministic clock stays so. Thread
 * safe.
 */
final class TimerQueue {
    private final PriorityQueue<Entry> queue = new PriorityQueue<>(
            Comparator.comparingLong((Entry e) -> e.deadlineNs).thenComparingLong(e -> e.order));
    private long order;
    private volatile long nextDeadlineNs = Long.MAX_VALUE;

    final class Entry implements VmClock.Timer {
        private final Runnable callback;
        private final Runnable onEarlier;
        private long deadlineNs;
        private long order;
        private boolean armed;

        private Entry(Runnable callback, Runnable onEarlier) {
            this.callback = callback;
            this.onEarlier = onEarlier;
        }

        @Override
        public void arm(long deadlineNs) {
            boolean earlier;
            synchronized (TimerQueue.this) {
                if (armed) queue.remove(this);
                this.deadlineNs = deadlineNs;
                this.order = TimerQueue.this.order++;
                armed = true;
                queue.add(this);
                earlier = queue.peek() == this;
                publish();
            }
            if (earlier) onEarlier.run();
        }

        @Override
        public void disarm() {
            synchronized (TimerQueue.this) {
                if (!armed) return;
                armed = false;
                queue.remove(this);
                publish();
            }
        }
    }

    /** @param onEarlier called, without a lock held, when an armed deadline became the first */
    Entry newTimer(Runnable callback, Runnable onEarlier) {
        return new Entry(callback, onEarlier);
    }

    /** Long.MAX_VALUE when nothing is armed. */
    long nextDeadlineNs() {
        return nextDeadlineNs;
    }

    /** Runs every callback that is due, each without a lock held. */
    void runDue(long nowNs) {
        while (nextDeadlineNs <= nowNs) {
            Entry due;
            synchronized (this) {
                due = queue.peek();
                if (due == null || due.deadlineNs > nowNs) return;
                queue.poll();
                due.armed = false;
                publish();
            }
            due.callback.run();
        }
    }

    private void publish() {
        Entry first = queue.peek();
        nextDeadlineNs = first == null ? Long.MAX_VALUE : first.deadlineNs;
    }
}
