package org.nestorvm.devices;

import org.nestorvm.vmm.VmClock;

/**
 * 8254 timer, ports 40h to 43h (Intel data sheet, order 231164): counter 0 drives IRQ 0, counter 1 drives nothing,
 * counter 2 belongs to {@link SystemControlB}. Only counter 0 needs callbacks: one for each rising edge of its OUT,
 * armed from the tick and never from the previous callback, so that it does not drift.
 */
public final class Pit8254 implements PortDevice {
    public static final int PORTS = 4;
    static final int CONTROL = 3;
    static final int READ_BACK = 3, READ_BACK_NO_COUNT = 1 << 5, READ_BACK_NO_STATUS = 1 << 4;
    static final TickRate CLOCK = new TickRate(1_193_182);

    private final VmClock clock;
    private final IrqLine irq;
    private final VmClock.Timer timer;
    private final PitCounter[] counters = {new PitCounter(), new PitCounter(), new PitCounter()};
    private long nextEdge = PitCounter.NEVER;

    /** @param irq counter 0's OUT: rises where the chip's rises, and is only shortly low in the periodic modes */
    public Pit8254(VmClock clock, IrqLine irq) {
        this.clock = clock;
        this.irq = irq;
        timer = clock.newTimer(this::edge);
        counters[2].setGate(false, 0);
    }

    private long now() {
        return CLOCK.ticksAt(clock.nowNs());
    }

    @Override
    public synchronized int read(int offset, int size) {
        return offset == CONTROL ? 0xff : counters[offset].read(now());
    }

    @Override
    public synchronized void write(int offset, int size, int value) {
        if (offset != CONTROL) {
            counters[offset].write(value, now());
            if (offset == 0) restart();
        } else {
            int select = value >> 6 & 3;
            if (select == READ_BACK) readBack(value);
            else if ((value & 0x30) == 0) counters[select].latchCount(now());
            else control(select, value);
        }
    }

    private void readBack(int value) {
        for (int i = 0; i < counters.length; i++) {
            if ((value >> 1 + i & 1) == 0) continue;
            if ((value & READ_BACK_NO_COUNT) == 0) counters[i].latchCount(now());
            if ((value & READ_BACK_NO_STATUS) == 0) counters[i].latchStatus(now());
        }
    }

    private void control(int select, int value) {
        counters[select].control(value);
        if (select == 0) restart();
    }

    private void restart() {
        long now = now();
        irq.set(counters[0].out(now));
        arm(counters[0].nextRise(now));
    }

    private void arm(long edge) {
        nextEdge = edge;
        if (edge == PitCounter.NEVER) timer.disarm();
        else timer.arm(CLOCK.nsOf(edge));
    }

    private synchronized void edge() {
        long nowNs = clock.nowNs();
        long now = CLOCK.ticksAt(nowNs);
        if (now < nextEdge) return; // programmed anew while this callback was on its way
        irq.set(false);
        irq.set(true);
        // Edges that were missed, and those of a period too short for any guest, become one.
        long from = counters[0].periodic() ? CLOCK.ticksAt(nowNs + Ticking.MIN_PERIOD_NS) - 1 : now;
        arm(counters[0].nextRise(Math.max(from, now)));
    }

    synchronized void setGate2(boolean level) {
        counters[2].setGate(level, now());
    }

    synchronized boolean out2() {
        return counters[2].out(now());
    }
}
