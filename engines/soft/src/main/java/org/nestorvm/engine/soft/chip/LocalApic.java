package org.nestorvm.engine.soft.chip;

import java.util.concurrent.atomic.AtomicLongArray;
import org.nestorvm.vmm.VmClock;

/**
 * The local APIC of one processor, xAPIC and x2APIC (SDM vol. 3A, chapter 11). Requests arrive from any thread in the
 * interrupt request register, which is atomic; everything else belongs to the processor's own thread. The timer is an
 * {@link ApicTimer}. Left out: the thermal and performance-counter entries deliver nothing, the error register stays 0
 * but for illegal vectors.
 */
public final class LocalApic {
    /** What a local APIC asks of its processor. All but {@code attendSoon} may be called by any thread. */
    public interface Processor {
        /** Looks at interrupts before the next block, also out of HLT. */
        void wake();

        /** The same, from the processor's own thread. */
        void attendSoon();

        /** The machine's time, exact on the processor's own thread. */
        long nowNs();

        /** The clock's time at which the TSC has, or had, this value. */
        long timeOfTsc(long tsc);

        void nmi();

        void initSignal();

        /** @param vector of a start-up message: the page at which the processor starts */
        void startup(int vector);
    }

    /** What travels between the processors of a machine. */
    public interface Bus {
        /** The register page of a local APIC has moved: TLB entries may cover what is memory now, or was. */
        void apicMoved();

        /** A level-triggered interrupt has ended. */
        void endOfInterrupt(int vector);

        /** Delivers a message that {@code from} sends by its interrupt command register. */
        void deliver(
                LocalApic from, int shorthand, int destination, boolean logical, int mode, int vector, boolean level);
    }

    private static final int ID = 0x02,
            VERSION = 0x03,
            TPR = 0x08,
            APR = 0x09,
            PPR = 0x0a,
            EOI = 0x0b,
            RRD = 0x0c,
            LDR = 0x0d,
            DFR = 0x0e,
            SVR = 0x0f,
            ISR = 0x10,
            TMR = 0x18,
            IRR = 0x20,
            ESR = 0x28,
            LVT_CMCI = 0x2f,
            ICR_LOW = 0x30,
            ICR_HIGH = 0x31,
            LVT_TIMER = 0x32,
            LVT_THERMAL = 0x33,
            LVT_PERF = 0x34,
            LVT_LINT0 = 0x35,
            LVT_LINT1 = 0x36,
            LVT_ERROR = 0x37,
            TIMER_INITIAL = 0x38,
            TIMER_CURRENT = 0x39,
            TIMER_DIVIDE = 0x3e,
            SELF_IPI = 0x3f;
    static final int LVT_MASKED = 1 << 16;
    private static final int SVR_ENABLED = 1 << 8;
    private static final int MODE_FIXED = 0,
            MODE_LOWEST = 1,
            MODE_NMI = 4,
            MODE_INIT = 5,
            MODE_STARTUP = 6,
            MODE_EXTINT = 7;
    private static final int ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVE_ILLEGAL = 1 << 6;
    public static final long BASE_BSP = 1 << 8, BASE_X2APIC = 1 << 10, BASE_ENABLE = 1 << 11;
    /** Seven LVT entries less one, so that CMCI is there; version 14h, no EOI-broadcast suppression. */
    private static final int VERSION_VALUE = 6 << 16 | 0x14;
    /** Vector, delivery mode, delivery status (read only), mask. */
    private static final int LVT_CMCI_DEFINED = 0x117ff;
    /** What each entry from {@link #LVT_TIMER} on defines (SDM vol. 3A, figure 10-8), read-only bits included. */
    private static final int[] LVT_DEFINED = {0x710ff, 0x117ff, 0x117ff, 0x1f7ff, 0x1f7ff, 0x110ff};
    /** Delivery status, and Remote IRR of LINT0 and LINT1. */
    private static final int LVT_READ_ONLY = 1 << 12 | 1 << 14;
    /** What WRMSR must leave clear: there is no delivery status in x2APIC mode, but its bit is ignored. */
    private static final int ICR_RESERVED = 0xfff00000 | 3 << 16 | 1 << 13;

    private static final int SVR_DEFINED = 0x3ff;

    private final Processor processor;
    private final Bus bus;
    public final ApicTimer timer;
    final int id;

    private final AtomicLongArray irr = new AtomicLongArray(4), tmr = new AtomicLongArray(4);
    private final long[] isr = new long[4];
    private volatile long base;
    private volatile int tpr, ldr, dfr, svr;
    private int esr, esrPending, icrHigh, icrLow;
    /** The entries from {@link #LVT_TIMER} on; the first one is the timer's own. */
    private final int[] lvt = new int[6];

    private int lvtCmci;

    public LocalApic(Processor processor, Bus bus, VmClock clock, int id) {
        this.processor = processor;
        this.bus = bus;
        this.id = id;
        timer = new ApicTimer(processor, this, clock);
        base = 0xfee00000L | BASE_ENABLE | (id == 0 ? BASE_BSP : 0);
        reset();
    }

    /** INIT and RESET: everything but the base register and the identity. */
    public void reset() {
        for (int i = 0; i < 4; i++) {
            irr.set(i, 0);
            tmr.set(i, 0);
            isr[i] = 0;
        }
        tpr = ldr = esr = icrHigh = icrLow = 0;
        dfr = -1;
        svr = 0xff;
        java.util.Arrays.fill(lvt, LVT_MASKED);
        lvtCmci = LVT_MASKED;
        if (id == 0) lvt[LVT_LINT0 - LVT_TIMER] = MODE_EXTINT << 8; // virtual wire, as firmware leaves it
        timer.reset();
    }

    public void close() {
        timer.close();
    }

    // ---- base register ----

    public long base() {
        return base;
    }

    boolean x2apic() {
        return (base & BASE_X2APIC) != 0;
    }

    private boolean hardwareEnabled() {
        return (base & BASE_ENABLE) != 0;
    }

    /** IA32_APIC_BASE. False for a transition that is #GP. */
    public boolean setBase(long value) {
        if ((value & ~(0x3ffffffff000L | BASE_BSP | BASE_X2APIC | BASE_ENABLE)) != 0) return false;
        boolean on = (value & BASE_ENABLE) != 0, x2 = (value & BASE_X2APIC) != 0;
        if (x2 && !on || x2apic() && on && !x2 || !hardwareEnabled() && x2) return false;
        boolean wasOn = hardwareEnabled();
        base = value & ~BASE_BSP | base & BASE_BSP;
        if (wasOn && !on) reset();
        bus.apicMoved();
        return true;
    }

    /** The register page answers at this guest-physical address. */
    public boolean claims(long gpa) {
        return (gpa & ~0xfffL) == (base & 0x3ffffffff000L) && (base & (BASE_ENABLE | BASE_X2APIC)) == BASE_ENABLE;
    }

    // ---- requests ----

    /** Makes a vector pending; any thread. */
    void request(int vector, boolean level) {
        if ((svr & SVR_ENABLED) == 0) return;
        if (vector < 16) {
            esrPending |= ESR_RECEIVE_ILLEGAL;
            return;
        }
        long bit = 1L << vector;
        if (level) or(tmr, vector >>> 6, bit);
        else tmr.getAndAccumulate(vector >>> 6, ~bit, (a, b) -> a & b);
        or(irr, vector >>> 6, bit);
        processor.wake();
    }

    private static void or(AtomicLongArray array, int index, long bits) {
        array.getAndAccumulate(index, bits, (a, b) -> a | b);
    }

    /** Does a message with this destination concern this processor? */
    public boolean matches(int destination, boolean logical) {
        if (!hardwareEnabled()) return false;
        if (x2apic()) {
            if (destination == 0xffffffff || destination == 0xff && !logical) return true;
            return logical ? destination >>> 16 == id >>> 4 && (destination & 1 << (id & 15)) != 0 : destination == id;
        }
        destination &= 0xff;
        if (destination == 0xff) return true;
        if (!logical) return destination == id;
        int mine = ldr >>> 24;
        if (dfr >>> 28 == 0xf) return (mine & destination) != 0;
        return mine >>> 4 == destination >>> 4 && (mine & destination & 15) != 0;
    }

    public int priority() {
        return tpr;
    }

    private static int highest(AtomicLongArray bits) {
        for (int i = 3; i >= 0; i--) if (bits.get(i) != 0) return 64 * i + 63 - Long.numberOfLeadingZeros(bits.get(i));
        return -1;
    }

    private int highestInService() {
        for (int i = 3; i >= 0; i--) if (isr[i] != 0) return 64 * i + 63 - Long.numberOfLeadingZeros(isr[i]);
        return -1;
    }

    private int processorPriority() {
        int service = highestInService();
        int s = service < 0 ? 0 : service & 0xf0;
        return (tpr & 0xf0) >= s ? tpr : s;
    }

    /** The vector that would interrupt now, or -1. */
    public int pending() {
        int vector = highest(irr);
        if (vector < 0 || (svr & SVR_ENABLED) == 0 || (vector & 0xf0) <= (processorPriority() & 0xf0)) return -1;
        return vector;
    }

    /** Moves the vector from requested to in service. */
    public void accept(int vector) {
        irr.getAndAccumulate(vector >>> 6, ~(1L << vector), (a, b) -> a & b);
        isr[vector >>> 6] |= 1L << vector;
    }

    /** The 8259s reach the processor through LINT0. */
    public boolean acceptsExternal() {
        int entry = lvt[LVT_LINT0 - LVT_TIMER];
        return !hardwareEnabled() || (entry & LVT_MASKED) == 0 && (entry >>> 8 & 7) == MODE_EXTINT;
    }

    private void endOfInterrupt() {
        int vector = highestInService();
        if (vector < 0) return;
        isr[vector >>> 6] &= ~(1L << vector);
        if ((tmr.get(vector >>> 6) >>> vector & 1) != 0) bus.endOfInterrupt(vector);
        processor.attendSoon();
    }

    // ---- registers ----

    public int taskPriority() {
        return tpr;
    }

    public void setTaskPriority(int value) {
        tpr = value & 0xff;
        processor.attendSoon();
    }

    public long mmioRead(int offset) {
        return (offset & 15) >= 4 ? 0 : (read(offset >>> 4) & 0xffffffffL) >>> 8 * (offset & 3);
    }

    public void mmioWrite(int offset, int value) {
        if ((offset & 15) != 0) return;
        int reg = offset >>> 4;
        switch (reg) {
            case ICR_HIGH -> icrHigh = value;
            case ICR_LOW -> sendIpi(value, icrHigh >>> 24 & 0xff);
            case LDR -> ldr = value & 0xff000000;
            case DFR -> dfr = value | 0x0fffffff;
            case ID, SELF_IPI -> {}
            default -> write(reg, value);
        }
    }

    private int read(int reg) {
        if (reg >= ISR && reg < ISR + 8) return (int) (isr[reg - ISR >>> 1] >>> 32 * (reg & 1));
        if (reg >= TMR && reg < TMR + 8) return (int) (tmr.get(reg - TMR >>> 1) >>> 32 * (reg & 1));
        if (reg >= IRR && reg < IRR + 8) return (int) (irr.get(reg - IRR >>> 1) >>> 32 * (reg & 1));
        if (reg > LVT_TIMER && reg <= LVT_ERROR) return lvt[reg - LVT_TIMER];
        return switch (reg) {
            case ID -> x2apic() ? id : id << 24;
            case VERSION -> VERSION_VALUE;
            case TPR -> tpr;
            case APR, RRD -> 0;
            case LVT_CMCI -> lvtCmci;
            case PPR -> processorPriority();
            case LDR -> x2apic() ? id >>> 4 << 16 | 1 << (id & 15) : ldr;
            case DFR -> dfr;
            case SVR -> svr;
            case ESR -> esr;
            case ICR_LOW -> icrLow;
            case ICR_HIGH -> icrHigh;
            case LVT_TIMER -> timer.entry();
            case TIMER_INITIAL -> timer.initial();
            case TIMER_CURRENT -> timer.current();
            case TIMER_DIVIDE -> timer.divide();
            default -> 0;
        };
    }

    private void write(int reg, int value) {
        if (reg >= LVT_TIMER && reg <= LVT_ERROR) {
            writeLvt(reg - LVT_TIMER, value);
            return;
        }
        switch (reg) {
            case TPR -> setTaskPriority(value);
            case EOI -> endOfInterrupt();
            case SVR -> {
                svr = value & 0x1ff;
                if ((value & SVR_ENABLED) == 0) maskAll();
                processor.attendSoon();
            }
            case ESR -> {
                esr = esrPending;
                esrPending = 0;
            }
            case TIMER_INITIAL -> timer.setInitial(value);
            case TIMER_DIVIDE -> timer.setDivide(value & ApicTimer.DIVIDE_DEFINED);
            case LVT_CMCI -> lvtCmci = value & LVT_CMCI_DEFINED & ~LVT_READ_ONLY | maskedByForce();
            default -> {}
        }
    }

    private void maskAll() {
        for (int i = 0; i < lvt.length; i++) lvt[i] |= LVT_MASKED;
        lvtCmci |= LVT_MASKED;
        timer.setEntry(timer.entry() | LVT_MASKED);
    }

    /** The mask bit, which is stuck at 1 while software has the APIC disabled. */
    private int maskedByForce() {
        return (svr & SVR_ENABLED) == 0 ? LVT_MASKED : 0;
    }

    private void writeLvt(int index, int value) {
        int entry = value & LVT_DEFINED[index] & ~LVT_READ_ONLY | maskedByForce();
        if (index == 0) timer.setEntry(entry);
        else lvt[index] = entry;
        processor.attendSoon();
    }

    // ---- x2APIC and TSC-deadline MSRs ----

    /**
     * RDMSR of 800h + reg; -1 on registers that are #GP is not possible as a value, so that {@link #readable} asks
     * first.
     */
    public long msrRead(int reg) {
        if (reg == ICR_LOW) return (long) icrHigh << 32 | icrLow & 0xffffffffL;
        return read(reg) & 0xffffffffL;
    }

    public boolean readable(int reg) {
        return x2apic()
                && (reg == ID
                        || reg == VERSION
                        || reg == TPR
                        || reg == PPR
                        || reg == LDR
                        || reg == SVR
                        || reg >= ISR && reg <= ESR
                        || reg == LVT_CMCI
                        || reg == ICR_LOW
                        || reg >= LVT_TIMER && reg <= TIMER_CURRENT
                        || reg == TIMER_DIVIDE);
    }

    /**
     * WRMSR. False: #GP, for a register that is not there or cannot be written, and for reserved bits (SDM vol. 3A,
     * 10.12.1.2).
     */
    public boolean msrWrite(int reg, long value) {
        if (!x2apic() || !writable(reg) || (value & ~msrDefined(reg)) != 0) return false;
        switch (reg) {
            case ICR_LOW -> {
                icrHigh = (int) (value >>> 32);
                sendIpi((int) value, icrHigh);
            }
            case SELF_IPI -> request((int) value, false);
            default -> write(reg, (int) value);
        }
        return true;
    }

    private static boolean writable(int reg) {
        return reg == TPR
                || reg == EOI
                || reg == SVR
                || reg == ESR
                || reg == LVT_CMCI
                || reg == ICR_LOW
                || reg >= LVT_TIMER && reg <= TIMER_INITIAL
                || reg == TIMER_DIVIDE
                || reg == SELF_IPI;
    }

    /** The bits that may be set in a write to an x2APIC register. */
    private static long msrDefined(int reg) {
        return switch (reg) {
            case TPR, SELF_IPI -> 0xff;
            case SVR -> SVR_DEFINED;
            case LVT_CMCI -> LVT_CMCI_DEFINED;
            case ICR_LOW -> ~(ICR_RESERVED & 0xffffffffL);
            case LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR -> LVT_DEFINED[reg - LVT_TIMER];
            case TIMER_INITIAL -> 0xffffffffL;
            case TIMER_DIVIDE -> ApicTimer.DIVIDE_DEFINED;
            default -> 0; // EOI, ESR
        };
    }

    // ---- interprocessor interrupts ----

    private void sendIpi(int low, int destination) {
        icrLow = low & ~(1 << 12);
        int vector = low & 0xff, mode = low >>> 8 & 7, shorthand = low >>> 18 & 3;
        boolean logical = (low & 1 << 11) != 0, assertLevel = (low & 1 << 14) != 0, level = (low & 1 << 15) != 0;
        if (mode == MODE_INIT && level && !assertLevel) return; // INIT level de-assert
        if ((mode == MODE_FIXED || mode == MODE_LOWEST) && vector < 16) {
            esrPending |= ESR_SEND_ILLEGAL;
            return;
        }
        bus.deliver(this, shorthand, destination, logical, mode, vector, level);
    }

    /** Takes a message that concerns this processor; any thread. */
    public void receive(int mode, int vector, boolean level) {
        switch (mode) {
            case MODE_FIXED, MODE_LOWEST -> request(vector, level);
            case MODE_NMI -> processor.nmi();
            case MODE_INIT -> processor.initSignal();
            case MODE_STARTUP -> processor.startup(vector);
            case MODE_EXTINT -> processor.wake();
            default -> {} // SMI: there is no system management mode
        }
    }
}
