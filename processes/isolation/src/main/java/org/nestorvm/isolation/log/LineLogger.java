package org.nestorvm.isolation.log;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import org.slf4j.Marker;
import org.slf4j.event.Level;
import org.slf4j.helpers.LegacyAbstractLogger;
import org.slf4j.helpers.MessageFormatter;

/**
 * A logger of a device process: one write to standard error for each message, each line with its level in front as
 * sd-daemon(3) has it, for {@code DeviceLog} in the parent.
 */
final class LineLogger extends LegacyAbstractLogger {
    private static final long serialVersionUID = 1L;
    private static final Level LOWEST = Level.valueOf(System.getProperty("nestor.device.log", "WARN"));
    /** For people, who need no level. */
    private static final boolean FOREGROUND = Boolean.getBoolean("nestor.device.foreground");

    private static final FileOutputStream ERR = new FileOutputStream(FileDescriptor.err);

    LineLogger(String name) {
        this.name = name.substring(name.lastIndexOf('.') + 1);
    }

    @Override
    protected void handleNormalizedLoggingCall(
            Level level, Marker marker, String message, Object[] arguments, Throwable throwable) {
        StringBuilder text = new StringBuilder();
        line(
                text,
                level,
                (FOREGROUND && name.equals("DeviceMain") ? "" : name + ": ")
                        + MessageFormatter.basicArrayFormat(message, arguments));
        if (throwable != null) {
            StringWriter trace = new StringWriter();
            throwable.printStackTrace(new PrintWriter(trace));
            trace.toString().lines().forEach(line -> line(text, level, line));
        }
        try {
            ERR.write(text.toString().getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            // The parent is gone, and this process with it in a moment.
        }
    }

    private static void line(StringBuilder text, Level level, String line) {
        int number = switch (level) {
            case ERROR -> 3;
            case WARN -> 4;
            case INFO -> 6;
            case DEBUG, TRACE -> 7;
        };
        text.append(FOREGROUND ? "nestor: " : "<" + number + ">")
                .append(line.replace('\n', ' '))
                .append('\n');
    }

    private static boolean shows(Level level) {
        return level.toInt() >= LOWEST.toInt();
    }

    @Override
    protected String getFullyQualifiedCallerName() {
        return null;
    }

    @Override
    public boolean isTraceEnabled() {
        return shows(Level.TRACE);
    }

    @Override
    public boolean isDebugEnabled() {
        return shows(Level.DEBUG);
    }

    @Override
    public boolean isInfoEnabled() {
        return shows(Level.INFO);
    }

    @Override
    public boolean isWarnEnabled() {
        return shows(Level.WARN);
    }

    @Override
    public boolean isErrorEnabled() {
        return true;
    }
}
