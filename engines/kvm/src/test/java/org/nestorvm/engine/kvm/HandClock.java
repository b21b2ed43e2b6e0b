package org.nestorvm.engine.kvm;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.vmm.VmClock;

/** Time that a test moves by hand: timers ring on the thread that moves it. */
final class HandClock implements VmClock {
    private final List<HandTimer> timers = new ArrayList<>();
    private volatile long nowNs;

    private final class HandTimer implements Timer {
        private final Runnable callback;
        private long deadlineNs = Long.MAX_VALUE;

        HandTimer(Runnable callback) {
            this.callback = callback;
        }

        @Override
        public synchronized void arm(long newDeadlineNs) {
            deadlineNs = newDeadlineNs;
        }

        @Override
        public synchronized void disarm() {
            deadlineNs = Long.MAX_VALUE;
        }

        private synchronized boolean takeDue() {
            if (deadlineNs > nowNs) return false;
            deadlineNs = Long.MAX_VALUE;
            return true;
        }
    }

    @Override
    public long nowNs() {
        return nowNs;
    }

    @Override
    public long wallClockAtZeroNs() {
        return 0;
    }

    @Override
    public synchronized Timer newTimer(Runnable callback) {
        HandTimer timer = new HandTimer(callback);
        timers.add(timer);
        return timer;
    }

    /** One thread at a time. */
    void advance(long ns) {
        nowNs += ns;
        List<HandTimer> all;
        synchronized (this) {
            all = List.copyOf(timers);
        }
        for (HandTimer timer : all) if (timer.takeDue()) timer.callback.run();
    }
}
