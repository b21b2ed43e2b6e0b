package org.nestorvm.engine.soft.chip;

import org.nestorvm.vmm.VmClock;

/**
 * The timer of a local APIC (SDM vol. 3A, 10.5.4): counts at 1 GHz divided, once or again and again; in TSC-deadline
 * mode it compares with the TSC. The processor writes the registers while the clock's thread takes an expiry, so that a
 * lock guards them.
 */
public final class ApicTimer {
    private static final int ONESHOT = 0, PERIODIC = 1, DEADLINE = 2;
    static final int DIVIDE_DEFINED = 0xb;
    /** Shorter periods become this long, so that a guest cannot keep the clock's thread busy. KVM has 200 us. */
    private static final long MIN_PERIOD_NS = 100_000;

    private final LocalApic.Processor processor;
    private final LocalApic apic;
    private final VmClock.Timer timer;
    /** The LVT entry: vector, mask, mode. */
    private volatile int entry;

    private int divide;
    private long startNs;
    private long initial, deadline;
    /** A one-shot count that has ended stays at 0 when the timer becomes periodic, until the next initial count. */
    private boolean stopped;

    private boolean closed;

    ApicTimer(LocalApic.Processor processor, LocalApic apic, VmClock clock) {
        this.processor = processor;
        this.apic = apic;
        timer = clock.newTimer(this::expired);
    }

    synchronized void reset() {
        entry = LocalApic.LVT_MASKED;
        divide = 0;
        stop();
    }

    /** The clock may outlive the machine. */
    synchronized void close() {
        closed = true;
        timer.disarm();
    }

    // ---- registers ----

    int entry() {
        return entry;
    }

    /**
     * One-shot and periodic share a count, which a change between them leaves alone. The TSC-deadline mode has its own:
     * a change from or to it disarms the timer.
     */
    synchronized void setEntry(int value) {
        int before = mode(entry), now = mode(value);
        if (before == ONESHOT && now == PERIODIC && count() == 0) stopped = true;
        entry = value;
        if (before != now && (before == DEADLINE || now == DEADLINE)) stop();
    }

    synchronized int initial() {
        return (int) initial;
    }

    synchronized void setInitial(int value) {
        if (mode(entry) == DEADLINE) return;
        initial = value & 0xffffffffL;
        stopped = false;
        startNs = processor.nowNs();
        if (initial == 0) timer.disarm();
        else arm(startNs + initial * countNs());
    }

    synchronized int current() {
        return (int) count();
    }

    synchronized int divide() {
        return divide;
    }

    /** The count goes on from where it is, at the new speed. */
    synchronized void setDivide(int value) {
        if (value == divide) return;
        long left = count();
        divide = value;
        if (left == 0) return;
        startNs = processor.nowNs() - (initial - left) * countNs();
        arm(startNs + initial * countNs());
    }

    public synchronized long deadline() {
        return mode(entry) == DEADLINE ? deadline : 0;
    }

    public synchronized void setDeadline(long tsc) {
        if (mode(entry) != DEADLINE) return;
        deadline = tsc;
        if (tsc == 0) timer.disarm();
        else arm(processor.timeOfTsc(tsc));
    }

    /** The TSC was written: the deadline is a value of the TSC and comes sooner or later now. */
    public synchronized void tscMoved() {
        if (deadline != 0) arm(processor.timeOfTsc(deadline));
    }

    // ---- counting ----

    private static int mode(int entry) {
        return entry >>> 17 & 3;
    }

    /** Nanoseconds a count: 1 GHz divided by 2, 4 .. 128 or 1. */
    private long countNs() {
        int d = divide & 3 | divide >>> 1 & 4;
        return d == 7 ? 1 : 2L << d;
    }

    private long count() {
        if (initial == 0 || stopped || mode(entry) == DEADLINE) return 0;
        long passed = (processor.nowNs() - startNs) / countNs();
        if (mode(entry) == PERIODIC) return initial - passed % initial;
        return Math.max(0, initial - passed);
    }

    private void arm(long deadlineNs) {
        if (!closed) timer.arm(deadlineNs);
    }

    private void stop() {
        timer.disarm();
        initial = deadline = 0;
        stopped = false;
    }

    /** On the clock's thread. */
    private void expired() {
        int now;
        synchronized (this) {
            now = entry;
            switch (mode(now)) {
                case ONESHOT -> {}
                case PERIODIC -> {
                    if (initial != 0 && !stopped) nextPeriod();
                }
                case DEADLINE -> {
                    // another one was written meanwhile
                    if (deadline == 0 || processor.timeOfTsc(deadline) > processor.nowNs()) return;
                    deadline = 0;
                }
                default -> {
                    return;
                }
            }
        }
        if ((now & LocalApic.LVT_MASKED) == 0) apic.request(now & 0xff, false);
    }

    private void nextPeriod() {
        long period = Math.max(MIN_PERIOD_NS, initial * countNs());
        long next = startNs + period, now = processor.nowNs();
        // missed periods become one
        if (next + period <= now) next = now - (now - startNs) % period;
        startNs = next;
        arm(next + period);
    }
}
