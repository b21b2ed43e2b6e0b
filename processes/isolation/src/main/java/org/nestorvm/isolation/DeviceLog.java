package org.nestorvm.isolation;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import org.slf4j.Logger;
import org.slf4j.event.Level;

/**
 * What a device process prints, line by line into our log, with the device's name. The device may be an enemy: lines
 * are cut, control characters replaced, and after {@value #MOST_LINES} lines no more are taken. A level in front,
 * {@code <4>}, is understood; without it (the JVM itself) the line is a warning.
 */
final class DeviceLog {
    static final int MOST_LINES = 1000, MOST_BYTES = 1000;

    private final Logger log;
    private final String device;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private int lines;
    private volatile String last = "";

    DeviceLog(Logger log, String device) {
        this.log = log;
        this.device = device;
    }

    void add(byte[] bytes, int count) {
        for (int i = 0; i < count; i++) {
            if (bytes[i] == '\n') end();
            else if (line.size() < MOST_BYTES) line.write(bytes[i]);
        }
    }

    /** After the last byte. */
    void end() {
        if (line.size() == 0) return;
        String text = line.toString(StandardCharsets.UTF_8);
        line.reset();
        if (++lines > MOST_LINES) return;
        if (lines == MOST_LINES) log.warn("{}: prints too much; the rest is not shown", device);
        else show(text);
    }

    private void show(String text) {
        Level level = Level.WARN;
        if (text.matches("<[0-7]>.*")) {
            level = levels(text.charAt(1) - '0');
            text = text.substring(3);
        }
        last = text.replaceAll("\\p{Cntrl}", "?");
        log.atLevel(level).log("{}: {}", device, last);
    }

    private static Level levels(int number) {
        return number <= 3 ? Level.ERROR : number == 4 ? Level.WARN : number <= 6 ? Level.INFO : Level.DEBUG;
    }

    /** The line that came last, for the message about a process that did not come up; empty when there was none. */
    String last() {
        return last;
    }
}
