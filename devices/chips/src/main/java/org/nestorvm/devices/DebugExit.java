package org.nestorvm.devices;

import java.util.function.IntConsumer;

/**
 * QEMU's isa-debug-exit, four ports: a guest that writes to it ends the machine with a status of its own, which is
 * always odd.
 */
public final class DebugExit implements PortDevice {
    public static final int PORTS = 4;
    private final IntConsumer exit;

    /** @param exit takes {@code value << 1 | 1} */
    public DebugExit(IntConsumer exit) {
        this.exit = exit;
    }

    @Override
    public int read(int offset, int size) {
        return 0;
    }

    @Override
    public void write(int offset, int size, int value) {
        exit.accept(value << 1 | 1);
    }
}
