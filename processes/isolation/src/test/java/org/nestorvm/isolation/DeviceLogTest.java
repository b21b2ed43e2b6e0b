package org.nestorvm.isolation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class DeviceLogTest {
    private final ListAppender<ILoggingEvent> shown = new ListAppender<>();
    private DeviceLog log;

    @BeforeEach
    void listen() {
        Logger logger = new LoggerContext().getLogger("device");
        logger.setLevel(Level.DEBUG);
        shown.start();
        logger.addAppender(shown);
        log = new DeviceLog(logger, "disk0");
    }

    @Test
    void levelsAreUnderstoodAndTheDeviceNamed() {
        print("<3>broken\n<4>odd\n<6>fine\n<7>detail\nOpenJDK warning\n");
        assertThat(shown.list)
                .extracting(ILoggingEvent::getLevel)
                .containsExactly(Level.ERROR, Level.WARN, Level.INFO, Level.DEBUG, Level.WARN);
        assertThat(shown.list)
                .extracting(ILoggingEvent::getFormattedMessage)
                .contains("disk0: broken", "disk0: OpenJDK warning");
        assertEquals("OpenJDK warning", log.last());
    }

    @Test
    void piecesBecomeALine() {
        print("<4>half");
        assertThat(shown.list).isEmpty();
        print(" and half\nrest");
        log.end();
        assertThat(shown.list)
                .extracting(ILoggingEvent::getFormattedMessage)
                .containsExactly("disk0: half and half", "disk0: rest");
    }

    @Test
    void anEnemyCanNeitherFloodTheLogNorDriveTheTerminal() {
        print("\u001b[2Jgone\u0007\n");
        assertEquals("disk0: ?[2Jgone?", shown.list.getFirst().getFormattedMessage());
        print("x".repeat(1_000_000) + "\n");
        assertThat(shown.list.getLast().getFormattedMessage().length()).isLessThan(DeviceLog.MOST_BYTES + 10);
        for (int i = 0; i < 5000; i++) print("again {} %s\n");
        assertThat(shown.list).hasSize(DeviceLog.MOST_LINES);
        assertThat(shown.list.getLast().getFormattedMessage()).contains("prints too much");
    }

    private void print(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        log.add(bytes, bytes.length);
    }
}
