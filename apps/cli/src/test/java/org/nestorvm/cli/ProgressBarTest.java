package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProgressBarTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    private ProgressBar bar(boolean terminal) {
        return new ProgressBar(new PrintStream(out, true, StandardCharsets.UTF_8), terminal, "nestor: guest");
    }

    @Test
    void terminalGetsOneLineThatIsDrawnOver() {
        ProgressBar bar = bar(true);
        bar.at(0.5, "downloading");
        bar.at(0.5, "downloading");
        bar.at(1, "ready");
        assertThat(out.toString(StandardCharsets.UTF_8))
                .isEqualTo("\rnestor: guest [###############...............]  50 % downloading \rnestor: guest "
                        + "[##############################] 100 % ready       \n");
    }

    @Test
    void pipeGetsALineForEachStep() {
        ProgressBar bar = bar(false);
        for (int i = 0; i < 10; i++) bar.at(i / 20.0, "downloading");
        bar.at(0.8, "unpacking");
        bar.end();
        assertThat(out.toString(StandardCharsets.UTF_8))
                .isEqualTo("nestor: guest: downloading\nnestor: guest: unpacking\n");
    }

    @Test
    void unfinishedLineIsEndedBeforeAMessage() {
        ProgressBar bar = bar(true);
        bar.at(0.1, "asking");
        bar.end();
        assertThat(out.toString(StandardCharsets.UTF_8)).endsWith("\n");
    }
}
