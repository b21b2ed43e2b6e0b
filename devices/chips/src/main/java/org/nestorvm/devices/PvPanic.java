package org.nestorvm.devices;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * QEMU's pvpanic on its ISA port (QEMU, docs/specs/pvpanic): reading tells which events the device takes, writing their
 * bits tells that one has happened. Linux's driver finds it by the ACPI identifier QEMU0001. Each event is told on
 * once: a guest cannot fill a log with them.
 */
public final class PvPanic implements PortDevice {
    public static final int PORTS = 1;
    /** The guest has panicked; or it has, and starts its crash kernel, which writes the dump. */
    static final int PANICKED = 1 << 0, CRASH_LOADED = 1 << 1;

    private final Runnable panicked, crashLoaded;
    private final AtomicInteger told = new AtomicInteger();

    public PvPanic(Runnable panicked, Runnable crashLoaded) {
        this.panicked = panicked;
        this.crashLoaded = crashLoaded;
    }

    @Override
    public int read(int offset, int size) {
        return PANICKED | CRASH_LOADED;
    }

    @Override
    public void write(int offset, int size, int value) {
        int event = (value & PANICKED) != 0 ? PANICKED : value & CRASH_LOADED;
        if (event == 0 || (told.getAndUpdate(before -> before | event) & event) != 0) return;
        (event == PANICKED ? panicked : crashLoaded).run();
    }
}
