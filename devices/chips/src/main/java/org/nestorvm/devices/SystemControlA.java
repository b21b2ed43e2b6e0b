package org.nestorvm.devices;

/**
 * System control port A, port 92h (IBM PS/2 technical reference): fast reset, and a gate for A20, which is kept and has
 * no effect: A20 is always on.
 */
public final class SystemControlA implements PortDevice {
    static final int FAST_RESET = 1 << 0, A20 = 1 << 1;
    private final Runnable reset;
    private volatile int control = A20;

    public SystemControlA(Runnable reset) {
        this.reset = reset;
    }

    @Override
    public int read(int offset, int size) {
        return control;
    }

    @Override
    public void write(int offset, int size, int value) {
        boolean rises = (value & ~control & FAST_RESET) != 0;
        control = value & (FAST_RESET | A20);
        if (rises) reset.run();
    }
}
