package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A standard output that takes nothing. Lost output is never a success. */
@Timeout(60)
class OutputTest {
    @TempDir
    Path directory;

    /** @param redirection in the shell's words, after the command */
    private static NestorProcess.Result shell(String redirection, Object... arguments) throws Exception {
        List<String> command = NestorProcess.command(arguments);
        command.addAll(0, List.of("sh", "-c", "\"$@\" " + redirection, "sh"));
        return NestorProcess.run("", command);
    }

    private Path guest(int[]... actions) throws Exception {
        return TinyGuest.write(directory.resolve("guest"), "lost", actions);
    }

    private NestorProcess.Result run(String redirection, int[]... actions) throws Exception {
        return shell(
                redirection,
                "run",
                "-q",
                "--debug-exit",
                "--engine",
                NestorProcess.engine(),
                "-m",
                "16M",
                "--kernel",
                guest(actions));
    }

    @ParameterizedTest
    @ValueSource(strings = {"image info", "image map", "image create", "help", "man run", "--version", "run --help"})
    void whatCannotBeWrittenIsAnErrorInOneLine(String words) throws Exception {
        String image = directory.resolve("image").toString();
        if (words.startsWith("image ")) words += " " + image + (words.endsWith("create") ? " 1M" : "");
        assertThat(Nestor.commandLine().execute("image", "create", "-q", image, "1M"))
                .isZero();
        assertThat(shell(">/dev/full", (Object[]) words.split(" ")))
                .isEqualTo(new NestorProcess.Result(
                        1,
                        "",
                        "nestor: write of standard output: ENOSPC (28), no space left; make room on that disk\n"));
    }

    @ParameterizedTest
    @CsvSource({"help,0", "image --nonsense,2"})
    void otherStatusesStayAndOneWithoutOutputHasNothingToLose(String words, int status) throws Exception {
        assertThat(shell("", (Object[]) words.split(" ")).status()).isEqualTo(status);
        if (status != 0)
            assertThat(shell(">/dev/full", (Object[]) words.split(" ")).status())
                    .isEqualTo(status);
    }

    @Test
    void readerThatHasEnoughIsNoError() throws Exception {
        List<String> command = NestorProcess.command("man", "run");
        command.addAll(0, List.of("sh", "-c", "{ \"$@\"; echo $? >&2; } | true", "sh"));
        assertThat(NestorProcess.run("", command).err()).isEqualTo("0\n");
    }

    /** The guest goes on, as QEMU's does; the command tells of the loss at once and by its status. */
    @Test
    void guestGoesOnWhenItsOutputIsLostAndTheStatusTells() throws Exception {
        NestorProcess.Result result = run(">/dev/full", TinyGuest.POWER_OFF);
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err().lines())
                .singleElement()
                .asString()
                .startsWith("nestor: ")
                .contains("the guest goes on", "lost", "standard output: ENOSPC (28), no space left");
        assertThat(run(">/dev/full", TinyGuest.debugExit(3)).status()).isEqualTo(3 << 1 | 1);
    }
}
