package org.nestorvm.devices;

import org.nestorvm.vmm.VmClock;

/** One timer of the {@link Hpet}, which locks it; only its callback comes from outside. */
final class HpetTimer {
    static final long LEVEL = 1 << 1,
            INTERRUPT = 1 << 2,
            PERIODIC = 1 << 3,
            PERIODIC_CAPABLE = 1 << 4,
            SIZE_64 = 1 << 5,
            SET_VALUE = 1 << 6,
            MODE_32 = 1 << 8;
    private static final int ROUTE_SHIFT = 9, ROUTE_MASK = 31;
    private static final long WRITABLE =
            LEVEL | INTERRUPT | PERIODIC | SET_VALUE | MODE_32 | (long) ROUTE_MASK << ROUTE_SHIFT;
    private static final long FIXED = PERIODIC_CAPABLE | SIZE_64 | (long) Hpet.ROUTES << 32;
    private static final long LOW_HALF = 0xffffffffL, NEVER = Long.MAX_VALUE;
    /** Farther deadlines are not armed for: the counter's 64 bits hold 5,800 years. */
    private static final long FARTHEST_TICKS = Long.MAX_VALUE / Hpet.PERIOD_NS / 4;

    private final Hpet hpet;
    private final int number;
    private final VmClock.Timer timer;
    private long configuration;
    private long comparator = -1, period;
    private long deadlineNs = NEVER;
    private IrqLine asserted; // the wire that a level is on, to be lowered there

    HpetTimer(Hpet hpet, int number) {
        this.hpet = hpet;
        this.number = number;
        timer = hpet.clock().newTimer(this::callback);
    }

    private boolean is(long bit) {
        return (configuration & bit) != 0;
    }

    private long range() {
        return is(MODE_32) ? LOW_HALF : -1L;
    }

    long read(int register) {
        return switch (register) {
            case Hpet.TIMER_CONFIGURATION -> configuration | FIXED;
            case Hpet.TIMER_COMPARATOR -> comparator & range();
            default -> 0;
        };
    }

    void write(int register, long value, long mask) {
        if (register == Hpet.TIMER_CONFIGURATION) {
            configuration = (configuration & ~mask | value) & WRITABLE;
            if (!is(LEVEL) || !is(INTERRUPT)) lower();
        } else if (register == Hpet.TIMER_COMPARATOR) {
            writeComparator(value, mask);
        }
        schedule();
    }

    /**
     * In periodic mode the register is the period, and the next match too when the guest has announced that
     * (2.3.9.2.2).
     */
    private void writeComparator(long value, long mask) {
        if (!is(PERIODIC) || is(SET_VALUE)) comparator = comparator & ~mask | value;
        if (is(PERIODIC)) period = (period & ~mask | value) & range();
        configuration &= ~SET_VALUE;
    }

    /**
     * Arms for the tick at which the counter shows the comparator; one that is behind waits for the counter to come
     * around.
     */
    void schedule() {
        long now = hpet.clock().nowNs();
        arm(now, comparator - hpet.counter(now) & range());
    }

    private void arm(long now, long ticks) {
        boolean reachable = hpet.enabled() && is(INTERRUPT) && ticks >= 0 && ticks <= FARTHEST_TICKS;
        if (!reachable && deadlineNs == NEVER)
            return; // Linux writes a comparator that is off 100,000 times to time the chip
        deadlineNs = reachable ? hpet.deadlineNs(now, ticks) : NEVER;
        if (reachable) timer.arm(deadlineNs);
        else timer.disarm();
    }

    /** Fires if it is time. */
    void callback() {
        synchronized (hpet) {
            if (deadlineNs == NEVER) return;
            long now = hpet.clock().nowNs();
            if (now < deadlineNs) return; // programmed anew while this callback was on its way
            IrqLine line = hpet.output(number, (int) (configuration >> ROUTE_SHIFT) & ROUTE_MASK);
            if (is(LEVEL)) asserted = line;
            hpet.fire(number, line, is(LEVEL));
            next(now);
        }
    }

    private void next(long now) {
        long counter = hpet.counter(now);
        if (is(PERIODIC) && period != 0) {
            comparator += period * ticksToSkip(counter);
            arm(now, comparator - counter & range());
        } else {
            arm(now, is(MODE_32) ? (comparator - counter - 1 & LOW_HALF) + 1 : -1); // once around
        }
    }

    /** How many periods to the next match that is ahead, and not nearer than any guest needs it. */
    private long ticksToSkip(long counter) {
        long late = counter - comparator & range();
        long least = Ticking.MIN_PERIOD_NS / Hpet.PERIOD_NS;
        if (Long.compareUnsigned(period, least) >= 0) return Long.divideUnsigned(late, period) + 1;
        return Long.divideUnsigned(late + least, period) + 1;
    }

    void lower() {
        if (asserted != null) asserted.set(false);
        asserted = null;
    }
}
