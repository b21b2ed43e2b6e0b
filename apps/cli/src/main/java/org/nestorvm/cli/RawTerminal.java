package org.nestorvm.cli;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Ioctl;

/**
 * The user's terminal, switched so that every key reaches the guest as it is typed: no echo, no lines, no signals from
 * the keyboard. Output processing stays on, for the monitor's own lines. The old settings, to the byte, come back on
 * {@link #close} and, by a shutdown hook, on each way out of the process but SIGKILL.
 *
 * <p>The kernel's own struct termios of asm-generic/termbits.h: four words of flags, the line discipline, 19 control
 * characters. A library that rebuilds the words from the flags it knows loses the line's speed.
 *
 * <p>A process in the background of its terminal must not touch it: the kernel would stop the process (POSIX.1-2017,
 * 11.1.4). See {@link #inForeground}.
 */
final class RawTerminal implements AutoCloseable {
    private static final int TCGETS = 0x5401, TCSETSW = 0x5403, TIOCGPGRP = 0x540f;
    private static final Path STAT = Path.of("/proc/self/stat");
    /** Of the words after the command's name in proc(5)'s stat: state, parent, process group. */
    private static final int STAT_PGRP = 2;

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
            return Ioctl.tryIoctl(
                            descriptor,
                            TCGETS,
                            arena.allocate(BYTES, Integer.BYTES).address())
                    == 0;
        }
    }

    /**
     * Whether this process may change and read the terminal: its group is the one in the foreground, or the terminal
     * controls another session.
     */
    static boolean inForeground(int descriptor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment group = arena.allocate(ValueLayout.JAVA_INT);
            if (Ioctl.tryIoctl(descriptor, TIOCGPGRP, group.address()) != 0) return true;
            String stat = Files.readString(STAT, StandardCharsets.ISO_8859_1);
            String[] words = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            return Integer.parseInt(words[STAT_PGRP]) == group.get(ValueLayout.JAVA_INT, 0);
        } catch (IOException e) {
            return true; // without /proc nobody knows: as for most programs
        }
    }

    /** @param descriptor one that {@link #isTerminal} */
    static RawTerminal enter(int descriptor) throws ErrnoException {
        RawTerminal terminal = new RawTerminal(descriptor);
        Ioctl.ioctl("TCGETS", "terminal", descriptor, TCGETS, terminal.before.address());
        Runtime.getRuntime().addShutdownHook(terminal.hook);
        terminal.apply();
        return terminal;
    }

    /** Again, after the shell had the terminal meanwhile. */
    synchronized void apply() throws ErrnoException {
        if (restored) return;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment raw = arena.allocate(BYTES, Integer.BYTES).copyFrom(before);
            clear(raw, IFLAG, ISTRIP | INLCR | IGNCR | ICRNL | IXON | BRKINT);
            clear(raw, LFLAG, ISIG | ICANON | ECHO | IEXTEN);
            raw.set(ValueLayout.JAVA_BYTE, CC + VMIN, (byte) 1);
            raw.set(ValueLayout.JAVA_BYTE, CC + VTIME, (byte) 0);
            Ioctl.ioctl("TCSETSW", "terminal", descriptor, TCSETSW, raw.address());
        }
    }

    private static void clear(MemorySegment termios, int word, int flags) {
        termios.set(ValueLayout.JAVA_INT, word, termios.get(ValueLayout.JAVA_INT, word) & ~flags);
    }

    private synchronized void restore() {
        if (restored) return;
        restored = true;
        if (inForeground(descriptor))
            Ioctl.tryIoctl(descriptor, TCSETSW, before.address()); // a terminal that is gone needs no settings
        arena.close();
    }

    @Override
    public void close() {
        restore();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            return; // already shutting down: the hook does nothing twice
        }
    }
}
