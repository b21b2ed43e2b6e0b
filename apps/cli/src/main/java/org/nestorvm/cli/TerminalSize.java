package org.nestorvm.cli;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Consumer;
import org.nestorvm.memory.sys.Ioctl;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * A terminal's size, and news of it: TIOCGWINSZ and SIGWINCH, tty_ioctl(4). @param cols 0, as rows, where it is not
 * known
 */
record TerminalSize(int cols, int rows) {
    private static final int TIOCGWINSZ = 0x5413, WINSIZE_BYTES = 8, WS_ROW = 0, WS_COL = 2;
    private static final Signal SIGWINCH = new Signal("WINCH");
    static final TerminalSize UNKNOWN = new TerminalSize(0, 0);

    static TerminalSize of(int descriptor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(WINSIZE_BYTES, Short.BYTES);
            if (Ioctl.tryIoctl(descriptor, TIOCGWINSZ, size.address()) != 0) return UNKNOWN;
            int rows = size.get(ValueLayout.JAVA_SHORT, WS_ROW) & 0xffff,
                    cols = size.get(ValueLayout.JAVA_SHORT, WS_COL) & 0xffff;
            return rows == 0 || cols == 0 ? UNKNOWN : new TerminalSize(cols, rows);
        }
    }

    boolean isKnown() {
        return cols != 0;
    }

    /** From now on each new size is told, until {@link #ignoreChanges}. */
    static void onChange(int descriptor, Consumer<TerminalSize> listener) {
        Signal.handle(SIGWINCH, _ -> listener.accept(of(descriptor)));
    }

    static void ignoreChanges() {
        Signal.handle(SIGWINCH, SignalHandler.SIG_DFL);
    }
}
