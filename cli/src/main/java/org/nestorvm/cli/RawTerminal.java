package org.nestorvm.cli;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Ioctl;

/**
 * The user's terminal, switched so that every key reaches the guest as it is typed: no echo, no lines, no signals from the keyboard. Output processing stays
 * on, for the monitor's own lines. The old settings, to the byte, come back on {@link #close} and, by a shutdown hook, on each way out of the process but SIGKILL.
 *
 * <p>The kernel's own struct termios of asm-generic/termbits.h: four words of flags, the line discipline, 19 control characters. A library that rebuilds the
 * words from the flags it knows loses the line's speed.
 */
final class RawTerminal implements AutoCloseable {
    private static final int TCGETS = 0x5401, TCSETSW = 0x5403;
    private static final int BYTES = 36, IFLAG = 0, LFLAG = 12, CC = 17, VTIME = 5, VMIN = 6;
    private static final int ISTRIP = 0x20, INLCR = 0x40, IGNCR = 0x80, ICRNL = 0x100, IXON = 0x400, BRKINT = 0x2;
    private static final int ISIG = 0x1, ICANON = 0x2, ECHO = 0x8, IEXTEN = 0x8000;

    private final int descriptor;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment before = arena.allocate(BYTES, Integer.BYTES);
    private final Thread hook = new Thread(this::restore, "terminal-restore");
    private boolean restored;

    private RawTerminal(int descriptor) {
        this.descriptor = descriptor;
    }

    static boolean isTerminal(int descriptor) {
        try (Arena arena = Arena.ofConfined()) {
            return Ioctl.tryIoctl(descriptor, TCGETS, arena.allocate(BYTES, Integer.BYTES).address()) == 0;
        }
    }

    /** @param descriptor one that {@link #isTerminal} */
    static RawTerminal enter(int descriptor) throws ErrnoException {
        RawTerminal terminal = new RawTerminal(descriptor);
        Ioctl.ioctl("TCGETS", "terminal", descriptor, TCGETS, terminal.before.address());
        Runtime.getRuntime().addShutdownHook(terminal.hook);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment raw = arena.allocate(BYTES, Integer.BYTES).copyFrom(terminal.before);
            clear(raw, IFLAG, ISTRIP | INLCR | IGNCR | ICRNL | IXON | BRKINT);
            clear(raw, LFLAG, ISIG | ICANON | ECHO | IEXTEN);
            raw.set(ValueLayout.JAVA_BYTE, CC + VMIN, (byte) 1);
            raw.set(ValueLayout.JAVA_BYTE, CC + VTIME, (byte) 0);
            Ioctl.ioctl("TCSETSW", "terminal", descriptor, TCSETSW, raw.address());
        }
        return terminal;
    }

    private static void clear(MemorySegment termios, int word, int flags) {
        termios.set(ValueLayout.JAVA_INT, word, termios.get(ValueLayout.JAVA_INT, word) & ~flags);
    }

    private synchronized void restore() {
        if (restored) return;
        restored = true;
        Ioctl.tryIoctl(descriptor, TCSETSW, before.address());       // a terminal that is gone needs no settings
        arena.close();
    }

    @Override
    public void close() {
        restore();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            return;                                                // already shutting down: the hook does nothing twice
        }
    }
}
