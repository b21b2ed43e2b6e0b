package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** A guest prints, and ends or goes on. */
class PanicWatchTest {
    private static final String FIRST = "[    1.2] Kernel panic - not syncing: sysrq triggered crash\r\n";
    private static final String LAST = "[    1.5] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---\r\n";

    private final ByteArrayOutputStream console = new ByteArrayOutputStream();
    private final List<Runnable> later = new ArrayList<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final PanicWatch watch = new PanicWatch(console, later::add);

    PanicWatchTest() {
        watch.connect(() -> ended.complete(null));
    }

    private void print(String text) throws IOException {
        for (byte each : text.getBytes(StandardCharsets.US_ASCII)) watch.write(each);
    }

    @Test
    void lastLineEndsTheGuestWithAllThatItPrinted() throws Exception {
        print("booting\n" + FIRST + "[    1.3] Call Trace:\r\n" + LAST);
        ended.get(30, TimeUnit.SECONDS);
        assertThat(console.toString()).endsWith(FIRST + "[    1.3] Call Trace:\r\n" + LAST);
    }

    @Test
    void firstLineEndsItAfterAWhile() throws Exception {
        print(FIRST.substring(0, FIRST.length() - 1));
        assertThat(watch.seen()).isTrue();
        assertThat(later).as("the line is not complete").isEmpty();
        print("\n[    1.3] Call Trace:\r\n");
        assertThat(later).hasSize(1);
        assertThat(ended).isNotDone();
        later.getFirst().run();
        assertThat(ended).isDone();
    }

    @Test
    void otherLinesAreNoPanic() throws Exception {
        print("Kernel panic - not sinking\nKernel\n panic - not syncing\nkernel panic - not syncing\n");
        assertThat(watch.seen()).isFalse();
        print("KKernel panic - not syncing");
        assertThat(watch.seen()).isTrue();
    }

    @Test
    void nextGuestBeginsAnew() throws Exception {
        print(FIRST + "Kernel panic");
        watch.connect(() -> {});
        assertThat(watch.seen()).isFalse();
        print(" - not syncing\n");
        assertThat(watch.seen()).isFalse();
    }
}
