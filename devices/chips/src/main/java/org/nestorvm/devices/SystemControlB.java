package org.nestorvm.devices;

import org.nestorvm.vmm.VmClock;

/**
 * System control port B, port 61h (ICH10 data sheet 13.7.1): the 8254's counter 2 and the NMI status bits, which never
 * report an error. No speaker.
 */
public final class SystemControlB implements PortDevice {
    static final int TIMER2_GATE = 1 << 0, REFRESH = 1 << 4, TIMER2_OUT = 1 << 5;
    private static final int WRITABLE = 0x0f;
    private static final long REFRESH_NS = 15_085; // counter 1 of a PC/AT: 18 ticks

    private final VmClock clock;
    private final Pit8254 pit;
    private int control;

    public SystemControlB(VmClock clock, Pit8254 pit) {
        this.clock = clock;
        this.pit = pit;
    }

    @Override
    public synchronized int read(int offset, int size) {
        int refresh = (clock.nowNs() / REFRESH_NS & 1) != 0 ? REFRESH : 0;
        return control | refresh | (pit.out2() ? TIMER2_OUT : 0);
    }

    @Override
    public synchronized void write(int offset, int size, int value) {
        control = value & WRITABLE;
        pit.setGate2((value & TIMER2_GATE) != 0);
    }
}
