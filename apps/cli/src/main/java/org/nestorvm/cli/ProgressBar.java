package org.nestorvm.cli;

import java.io.PrintStream;
import java.util.Locale;
import org.nestorvm.boot.guest.Progress;

/** One line that is drawn over and over on a terminal; on anything else a line for each step. */
final class ProgressBar implements Progress {
    private static final int WIDTH = 30;

    private final PrintStream out;
    private final boolean terminal;
    private final String title;
    private String lastStep = "";
    private int lastPercent = -1;

    ProgressBar(PrintStream out, boolean terminal, String title) {
        this.out = out;
        this.terminal = terminal;
        this.title = title;
    }

    @Override
    public void at(double done, String what) {
        int percent = (int) (done * 100);
        if (percent == lastPercent && what.equals(lastStep)) return;
        if (terminal) {
            int full = (int) (done * WIDTH);
            out.printf(
                    Locale.ROOT,
                    "\r%s [%s%s] %3d %% %-12s",
                    title,
                    "#".repeat(full),
                    ".".repeat(WIDTH - full),
                    percent,
                    what);
            if (done >= 1) out.println();
            out.flush();
        } else if (!what.equals(lastStep)) {
            out.println(title + ": " + what);
        }
        lastStep = what;
        lastPercent = percent;
    }

    /** Ends an unfinished line, before a message. */
    void end() {
        if (terminal && lastPercent >= 0 && lastPercent < 100) out.println();
    }
}
