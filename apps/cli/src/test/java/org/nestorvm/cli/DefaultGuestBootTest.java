package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.nestorvm.boot.guest.DefaultGuest;

/**
 * Boots the default guest from the user's cache to its shell and off again, on the processor in Java: a billion
 * instructions, so not in the default run.
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
