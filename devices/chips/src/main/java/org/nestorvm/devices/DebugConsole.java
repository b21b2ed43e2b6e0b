package org.nestorvm.devices;

import java.util.function.IntConsumer;

/** Port E9h as Bochs and QEMU have it: what is written is printed, what is read says that it is there. */
public final class DebugConsole implements PortDevice {
    private static final int PRESENT = 0xe9;
    private final IntConsumer print;

    /** @param print takes each byte, 0..255, on the virtual CPU's thread */
    public DebugConsole(IntConsumer print) {
        this.print = print;
    }

    @Override
    public int read(int offset, int size) {
        return PRESENT;
    }

    @Override
    public void write(int offset, int size, int value) {
        print.accept(value & 0xff);
    }
}
