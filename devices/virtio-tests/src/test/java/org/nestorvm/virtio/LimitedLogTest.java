package org.nestorvm.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.slf4j.Marker;
import org.slf4j.event.Level;
import org.slf4j.helpers.LegacyAbstractLogger;

class LimitedLogTest {
    private final List<String> lines = new ArrayList<>();
    private long nowNs;

    private final class Lines extends LegacyAbstractLogger {
        private static final long serialVersionUID = 1L;

        @Override
        protected void handleNormalizedLoggingCall(
                Level level, Marker marker, String message, Object[] arguments, Throwable throwable) {
            lines.add(level + " " + message);
        }

        @Override
        protected String getFullyQualifiedCallerName() {
            return null;
        }

        @Override
        public boolean isTraceEnabled() {
            return false;
        }

        @Override
        public boolean isDebugEnabled() {
            return false;
        }

        @Override
        public boolean isInfoEnabled() {
            return true;
        }

        @Override
        public boolean isWarnEnabled() {
            return true;
        }

        @Override
        public boolean isErrorEnabled() {
            return true;
        }
    }

    @Test
    void aPeerThatComesAndGoesWithoutEndFillsNoLog() {
        LimitedLog log = new LimitedLog(new Lines(), () -> nowNs);
        for (int i = 0; i < 10_000; i++) {
            log.info("{}: connected", i);
            log.warn("{}: gone", i);
        }
        assertThat(lines).hasSize(LimitedLog.MOST).startsWith("INFO 0: connected", "WARN 0: gone");
        nowNs += TimeUnit.MINUTES.toNanos(1) + 1;
        log.warn("later {}", "{}");
        assertThat(lines.getLast())
                .isEqualTo("WARN later {} (" + (20_000 - LimitedLog.MOST) + " lines like this one were left out)");
        log.warn("again");
        assertThat(lines.getLast()).isEqualTo("WARN again");
    }
}
