package org.nestorvm.devices;

import org.nestorvm.vmm.VmClock;

/**
 * High precision event timers (Intel IA-PC HPET specification 1.0a): a 64-bit counter of 100 MHz and three timers, all
 * of them periodic or not, 32 or 64 bits. Each is routed to pins 20 to 23 of the I/O APIC; legacy replacement puts
 * timers 0 and 1 in the place of the 8254 and of the clock chip, whose lines therefore go through here. Left out:
 * messages (FSB routing), which the capability bits deny.
 */
public final class Hpet implements MmioDevice {
    public static final int SIZE_BYTES = 0x400, TIMERS = 3;
    /** I/O APIC pins that a timer may be routed to. */
    public static final int ROUTES = 0x00f00000;

    static final int CAPABILITIES = 0x000,
            CONFIGURATION = 0x010,
            STATUS = 0x020,
            COUNTER = 0x0f0,
            TIMER_BASE = 0x100,
            TIMER_STRIDE = 0x20,
            TIMER_END = 0x160;
    static final int TIMER_CONFIGURATION = 0x00, TIMER_COMPARATOR = 0x08;
    static final long PERIOD_NS = 10, PERIOD_FEMTOSECONDS = 10_000_000;
    static final long CAPABILITIES_VALUE =
            PERIOD_FEMTOSECONDS << 32 | 0x8086L << 16 | 1 << 15 | 1 << 13 | TIMERS - 1 << 8 | 0x01;
    static final int ENABLE = 1 << 0, LEGACY_REPLACEMENT = 1 << 1;

    private final VmClock clock;
    private final HpetTimer[] timers = new HpetTimer[TIMERS];
    private final IrqLine[] legacyOutputs;
    private final boolean[] displaced = new boolean[2]; // the levels of the 8254's and the clock chip's own lines
    private final IrqLine[][] routes = new IrqLine[TIMERS][32]; // by timer and pin; a wire that is not there swallows
    private long configuration, status;
    private long counterOffset; // counter less clock while enabled, the counter itself while not

    /**
     * @param router gives pins 20 to 23
     * @param irq0 where the 8254's line, or timer 0 in its place, goes
     * @param irq8 where the clock chip's line, or timer 1 in its place, goes
     */
    public Hpet(VmClock clock, InterruptRouter router, IrqLine irq0, IrqLine irq8) {
        this.clock = clock;
        legacyOutputs = new IrqLine[] {irq0, irq8};
        for (int pin = 0; pin < 32; pin++) {
            SharedLine wire = new SharedLine((ROUTES >>> pin & 1) != 0 ? router.gsi(pin) : level -> {});
            for (IrqLine[] ofTimer : routes) ofTimer[pin] = wire.join();
        }
        for (int i = 0; i < TIMERS; i++) timers[i] = new HpetTimer(this, i);
    }

    /** What the 8254 drives instead of IRQ 0. */
    public IrqLine timerInput() {
        return level -> displace(0, level);
    }

    /** What the clock chip drives instead of IRQ 8. */
    public IrqLine clockInput() {
        return level -> displace(1, level);
    }

    private synchronized void displace(int which, boolean level) {
        displaced[which] = level;
        if (!legacy()) legacyOutputs[which].set(level);
    }

    private boolean legacy() {
        return (configuration & LEGACY_REPLACEMENT) != 0;
    }

    boolean enabled() {
        return (configuration & ENABLE) != 0;
    }

    VmClock clock() {
        return clock;
    }

    long counter(long nowNs) {
        return enabled() ? nowNs / PERIOD_NS + counterOffset : counterOffset;
    }

    /** The first nanosecond at which the counter shows {@code ticks} more than now. */
    long deadlineNs(long nowNs, long ticks) {
        return (nowNs / PERIOD_NS + ticks) * PERIOD_NS;
    }

    /** Where a timer's interrupt goes now. */
    IrqLine output(int timer, int route) {
        return legacy() && timer < legacyOutputs.length ? legacyOutputs[timer] : routes[timer][route];
    }

    /** A timer fires: a level stays until its status bit is cleared, an edge falls and rises. */
    void fire(int timer, IrqLine line, boolean level) {
        if (level) status |= 1L << timer;
        else line.set(false);
        line.set(true);
    }

    @Override
    public synchronized long read(long offset, int size) {
        if (offset % size != 0) return 0;
        return readRegister((int) offset & ~7) >>> 8 * (offset & 7);
    }

    private long readRegister(int register) {
        if (register >= TIMER_BASE && register < TIMER_END)
            return timers[register - TIMER_BASE >> 5].read(register & TIMER_STRIDE - 1);
        return switch (register) {
            case CAPABILITIES -> CAPABILITIES_VALUE;
            case CONFIGURATION -> configuration;
            case STATUS -> status;
            case COUNTER -> counter(clock.nowNs());
            default -> 0;
        };
    }

    @Override
    public synchronized void write(long offset, int size, long value) {
        if (size < 4 || offset % size != 0) return; // registers are written in halves or whole
        for (HpetTimer timer : timers) timer.callback(); // what is due happens before what the guest changes
        int register = (int) offset & ~7;
        int shift = 8 * ((int) offset & 7);
        long mask = (size == 8 ? -1L : 0xffffffffL) << shift;
        long whole = value << shift & mask;
        if (register >= TIMER_BASE && register < TIMER_END)
            timers[register - TIMER_BASE >> 5].write(register & TIMER_STRIDE - 1, whole, mask);
        else writeRegister(register, whole, mask);
    }

    private void writeRegister(int register, long value, long mask) {
        switch (register) {
            case CONFIGURATION -> configure(configuration & ~mask | value);
            case STATUS -> clearStatus(value);
            case COUNTER -> {
                long now = clock.nowNs();
                long counter = counter(now) & ~mask | value;
                counterOffset = enabled() ? counter - now / PERIOD_NS : counter;
                for (HpetTimer timer : timers) timer.schedule();
            }
            default -> {}
        }
    }

    private void configure(long value) {
        long now = clock.nowNs();
        long counter = counter(now);
        boolean wasLegacy = legacy();
        configuration = value & (ENABLE | LEGACY_REPLACEMENT);
        counterOffset = enabled() ? counter - now / PERIOD_NS : counter;
        if (legacy() != wasLegacy) {
            for (int i = 0; i < legacyOutputs.length; i++) legacyOutputs[i].set(!legacy() && displaced[i]);
        }
        for (HpetTimer timer : timers) timer.schedule();
    }

    private void clearStatus(long value) {
        for (int i = 0; i < TIMERS; i++) {
            if ((value & status & 1L << i) != 0) timers[i].lower();
        }
        status &= ~value;
    }
}
