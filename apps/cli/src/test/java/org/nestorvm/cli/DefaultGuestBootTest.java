package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.nestorvm.boot.guest.DefaultGuest;

/**
 * Boots the default guest from the user's cache to its shell and off again, on the processor in Java: a billion
 * instructions each time.
 */
class DefaultGuestBootTest {
    private static final Pattern INSTRUCTIONS = Pattern.compile("guest powered off after .*, ([0-9]+) instructions");
    private static final int LIMIT_S = 600;

    private record Run(String console, String instructions) {}

    /**
     * Time counted in instructions makes a run repeat itself; the nested table's format is nothing that a guest can
     * see.
     */
    @Test
    void guestDoesTheSameUnderEitherNestedPageTable() throws Exception {
        assumeTrue(Boolean.getBoolean("nestor.test.boot"), "skipped: takes minutes; -Dnestor.test.boot=true runs it");
        assumeTrue(
                Files.exists(DefaultGuest.cacheFolder(System.getenv(), System.getProperty("user.home"))),
                "skipped: the default guest has not been fetched; ./nestor run does");
        Run ept = boot("ept"), npt = boot("npt");
        assertThat(ept.console).contains(DefaultGuest.READY, "Linux nestor", "Power down");
        assertThat(npt).isEqualTo(ept);
    }

    /** Its programs are asked to end, and a disk is unmounted, before the power goes off. */
    @Test
    void guestPowersOffWhenItsPowerButtonIsPressed() throws Exception {
        assumeTrue(
                Files.exists(DefaultGuest.cacheFolder(System.getenv(), System.getProperty("user.home"))),
                "skipped: the default guest has not been fetched; ./nestor run does");
        List<String> command = NestorProcess.command("run", "--engine", "soft", "-m", "256M");
        command.remove("-XX:TieredStopAtLevel=1");
        Process process = NestorProcess.start(new ProcessBuilder(command).redirectErrorStream(true), LIMIT_S);
        try (OutputStream keys = process.getOutputStream()) {
            InputStream out = process.getInputStream();
            StringBuilder seen = new StringBuilder();
            for (int next; seen.indexOf(DefaultGuest.READY) < 0 && (next = out.read()) >= 0; ) seen.append((char) next);
            keys.write(
                    "(trap 'echo program told; exit' TERM; echo going on; while :; do usleep 9000; done)\n".getBytes());
            keys.flush();
            for (int next; seen.indexOf("\ngoing on") < 0 && (next = out.read()) >= 0; ) seen.append((char) next);
            new ProcessBuilder("kill", Long.toString(process.pid())).start().waitFor();
            seen.append(new String(out.readAllBytes(), StandardCharsets.ISO_8859_1));
            assertThat(seen).contains("power button is pressed", "program told", "Power down", "guest powered off");
            assertThat(process.waitFor()).isEqualTo(128 + 15);
        } finally {
            process.destroyForcibly();
        }
    }

    private static Run boot(String format) throws IOException, InterruptedException {
        List<String> command = NestorProcess.command(
                "run",
                "--engine",
                "soft",
                "--clock",
                "instructions",
                "--nested-paging",
                format,
                "--append",
                "console=ttyS0");
        command.remove("-XX:TieredStopAtLevel=1");
        NestorProcess.Result result = NestorProcess.run("uname -a; poweroff\n", command, LIMIT_S);
        assertThat(result.status()).as(result.err()).isZero();
        Matcher instructions = INSTRUCTIONS.matcher(result.err());
        assertThat(instructions.find()).as(result.err()).isTrue();
        return new Run(result.out(), instructions.group(1));
    }
}
