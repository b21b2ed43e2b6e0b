package org.nestorvm.devices;

import java.util.function.IntConsumer;
import org.nestorvm.vmm.VmClock;

/**
 * The fixed hardware of ACPI (ACPI 6.5, 4.8.3): PM1a event block at offset 0, PM1a control block at 4, power management
 * timer at 8. There is no SMI command port: the machine is in ACPI mode from the start, and SCI_EN reads 1. Left out:
 * PM2 control, processor blocks, general-purpose events.
 */
public final class AcpiPm implements PortDevice {
    public static final int PORTS = 12;
    /** Offsets of the blocks, for the tables. */
    public static final int EVENT = 0, CONTROL = 4, TIMER = 8;

    public static final int TIMER_BITS = 32;

    static final int STATUS = 0, ENABLE = 2;
    static final int TMR_STS = 1 << 0, PWRBTN_STS = 1 << 8;
    static final int SCI_EN = 1 << 0, SLP_EN = 1 << 13;
    private static final int ENABLE_WRITABLE = TMR_STS | 1 << 5 | PWRBTN_STS | 1 << 9 | 1 << 10;
    private static final int CONTROL_WRITABLE = 1 << 1 | 7 << 10;
    private static final int SLP_TYP_SHIFT = 10;
    private static final TickRate CLOCK = new TickRate(3_579_545);
    private static final long NEVER = Long.MAX_VALUE;

    private final VmClock clock;
    private final IrqLine sci;
    private final IntConsumer sleep;
    private final VmClock.Timer carryTimer;
    private int status, enable, control;
    private long halfTurns; // changes of the timer's top bit that are in the status already
    private long deadlineNs = NEVER;

    /** @param sleep told the sleep type, 0..7, when the guest sets SLP_EN */
    public AcpiPm(VmClock clock, IrqLine sci, IntConsumer sleep) {
        this.clock = clock;
        this.sci = sci;
        this.sleep = sleep;
        carryTimer = clock.newTimer(this::carry);
    }

    /**
     * Somebody presses the power button: a guest that listens shuts down.
     *
     * @return whether the guest has enabled the button's interrupt
     */
    public synchronized boolean pressPowerButton() {
        status |= PWRBTN_STS;
        update();
        return (enable & PWRBTN_STS) != 0;
    }

    @Override
    public synchronized int read(int offset, int size) {
        collect();
        int block = offset & ~3;
        int value = switch (block) {
            case EVENT -> status | enable << 16;
            case CONTROL -> control | SCI_EN;
            default -> (int) CLOCK.ticksAt(clock.nowNs());
        };
        return value >>> 8 * (offset & 3);
    }

    @Override
    public void write(int offset, int size, int value) {
        int type = writeRegister(offset, size, value);
        if (type >= 0) sleep.accept(type);
    }

    /** @return the sleep type that the guest enters, or -1 */
    private synchronized int writeRegister(int offset, int size, int value) {
        collect();
        int shift = 8 * (offset & 3);
        int mask = -1 >>> 32 - 8 * size << shift;
        int bits = value << shift & mask;
        if ((offset & ~3) == EVENT) {
            status &= ~bits; // write one to clear
            enable = (enable << 16 & ~mask | bits) >>> 16 & ENABLE_WRITABLE;
            update();
        } else if ((offset & ~3) == CONTROL) {
            control = (control & ~mask | bits) & CONTROL_WRITABLE;
            if ((bits & SLP_EN) != 0) return control >> SLP_TYP_SHIFT & 7;
        }
        return -1;
    }

    /** TMR_STS: the top bit of the timer has changed since the last look. */
    private void collect() {
        long turns = CLOCK.ticksAt(clock.nowNs()) >> TIMER_BITS - 1;
        if (turns != halfTurns) status |= TMR_STS;
        halfTurns = turns;
    }

    private void update() {
        sci.set((status & enable) != 0);
        boolean waits = (enable & TMR_STS) != 0 && (status & TMR_STS) == 0;
        deadlineNs = waits ? CLOCK.nsOf(halfTurns + 1 << TIMER_BITS - 1) : NEVER;
        if (waits) carryTimer.arm(deadlineNs);
        else carryTimer.disarm();
    }

    private synchronized void carry() {
        if (clock.nowNs() < deadlineNs) return;
        collect();
        update();
    }
}
