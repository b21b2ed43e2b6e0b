package org.nestorvm.vmm;

/**
 * Time that passes with executed instructions, and with exceptions: one nanosecond each. The same guest with the same
 * inputs then sees the same times. The virtual CPU's thread moves it forward and runs the callbacks; while the
 * processor is halted, time jumps to the next deadline.
 */
public final class InstructionClock implements VmClock {
    private final TimerQueue timers = new TimerQueue();
    private final long wallClockAtZeroNs;
    private volatile long nowNs;

    /** @param wallClockAtZeroNs what the guest's clock chips show at time 0, in nanoseconds since 1970 */
    public InstructionClock(long wallClockAtZeroNs) {
        this.wallClockAtZeroNs = wallClockAtZeroNs;
    }

    @Override
    public long nowNs() {
        return nowNs;
    }

    @Override
    public long wallClockAtZeroNs() {
        return wallClockAtZeroNs;
    }

    @Override
    public Timer newTimer(Runnable callback) {
        return timers.newTimer(callback, () -> {});
    }

    /** Long.MAX_VALUE when no timer is armed. */
    public long nextDeadlineNs() {
        return timers.nextDeadlineNs();
    }

    /** Sets the time, without running anything. Called by the one virtual CPU, never backwards. */
    public void setNowNs(long nowNs) {
        this.nowNs = nowNs;
    }

    public void runDue() {
        timers.runDue(nowNs);
    }
}
