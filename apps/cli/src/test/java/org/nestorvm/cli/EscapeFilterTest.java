package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class EscapeFilterTest {
    private final List<String> asked = new ArrayList<>();
    private final EscapeFilter filter = new EscapeFilter(new EscapeFilter.Actions() {
        @Override
        public void leave() {
            asked.add("leave");
        }

        @Override
        public void help() {
            asked.add("help");
        }
    });

    private String type(String keys) {
        byte[] bytes = keys.getBytes(StandardCharsets.ISO_8859_1);
        return new String(bytes, 0, filter.filter(bytes, bytes.length), StandardCharsets.ISO_8859_1);
    }

    @Test
    void ordinaryKeysPassUnchanged() {
        assertThat(type("ls\r\3\4\33[A\377")).isEqualTo("ls\r\3\4\33[A\377");
        assertThat(asked).isEmpty();
    }

    @Test
    void leavingAndHelpDoNotReachTheGuest() {
        assertThat(type("a\1hb\1xc")).isEqualTo("abc");
        assertThat(asked).containsExactly("help", "leave");
    }

    @Test
    void controlAIsSentOnDemand() {
        assertThat(type("\1a\1\1")).isEqualTo("\1\1");
    }

    @Test
    void escapeSpansReads() {
        assertThat(type("x\1")).isEqualTo("x");
        assertThat(type("xy")).isEqualTo("y");
        assertThat(asked).containsExactly("leave");
    }

    @Test
    void unknownEscapeIsDropped() {
        assertThat(type("\1zq")).isEqualTo("q");
        assertThat(asked).isEmpty();
    }
}
