package org.nestorvm.virtio;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.event.Level;
import org.slf4j.helpers.MessageFormatter;

/**
 * Lines of a log that a guest or a peer can cause as often as it likes: the first {@value #MOST} within a minute are
 * logged, the others are counted, and the next line that is logged says how many they were. From any thread.
 */
public final class LimitedLog {
    static final int MOST = 10;
    private static final long WITHIN_NS = TimeUnit.MINUTES.toNanos(1);

    private final Logger log;
    private final LongSupplier clock;
    private final RestartBudget budget = new RestartBudget(MOST, WITHIN_NS);
    private long leftOut;

    public LimitedLog(Logger log) {
        this(log, System::nanoTime);
    }

    LimitedLog(Logger log, LongSupplier clock) {
        this.log = log;
        this.clock = clock;
    }

    public void warn(String format, Object... arguments) {
        log(Level.WARN, format, arguments);
    }

    public void info(String format, Object... arguments) {
        log(Level.INFO, format, arguments);
    }

    private void log(Level level, String format, Object... arguments) {
        if (!log.isEnabledForLevel(level)) return;
        long before;
        synchronized (this) {
            if (!budget.take(clock.getAsLong())) {
                leftOut++;
                return;
            }
            before = leftOut;
            leftOut = 0;
        }
        String line = MessageFormatter.basicArrayFormat(format, arguments);
        if (before > 0) line += " (" + before + " lines like this one were left out)";
        log.atLevel(level).log(line);
    }
}
