package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Runs small guests by the command, with pipes and on a terminal, and looks at what the user gets. */
@Timeout(60)
class RunCommandTest {
    @TempDir Path directory;

    private Path guest(String print, int[]... actions) throws IOException {
        return TinyGuest.write(directory.resolve("guest"), print, actions);
    }

    private NestorProcess.Result run(String input, Path guest, Object... more) throws IOException, InterruptedException {
        List<String> command = NestorProcess.command("run", "--engine", NestorProcess.engine(), "-m", "16M", "--kernel", guest);
        for (Object argument : more) command.add(argument.toString());
        return NestorProcess.run(input, command);
    }

    @Test void powerOffEndsWithStatusZeroAndOutputIsTheGuestsAlone() throws Exception {
        NestorProcess.Result result = run("", guest("hello\r\n", TinyGuest.POWER_OFF), "--trace");
        assertThat(result.out()).isEqualTo("hello\r\n");
        assertThat(result.status()).isZero();
        assertThat(result.err()).contains("nestor: multiboot 1", "powered off after ", "nestor: nested faults ", "port writes ");
    }

    @Test void debugExitGivesItsStatus() throws Exception {
        NestorProcess.Result result = run("", guest("", TinyGuest.debugExit(0x21)), "--debug-exit", "--quiet");
        assertThat(result.status()).isEqualTo(0x21 << 1 | 1);
        assertThat(result.err()).isEmpty();
    }

    /** Over all its starts. */
    @Test void timeLimitEndsAGuestWithItsOwnStatus() throws Exception {
        NestorProcess.Result result = run("", guest("", TinyGuest.RESET), "--timeout", "0.5", "--on-reset", "reboot");
        assertThat(result.status()).as(result.err()).isEqualTo(124);
        assertThat(result.err().lines()).last().asString().startsWith("nestor: guest ended by --timeout after ");
    }

    @Test void panicOfAGuestHasItsOwnStatus() throws Exception {
        assertThat(run("", guest("", TinyGuest.PANIC, TinyGuest.POWER_OFF), "-q")).isEqualTo(new NestorProcess.Result(122, "", ""));
    }

    /** Of Linux without the driver, which then resets. */
    @Test void panicIsSeenOnTheConsole() throws Exception {
        String line = "[    1.234567] Kernel panic - not syncing: sysrq triggered crash\r\n";
        assertThat(run("", guest(line, TinyGuest.RESET), "-q", "--panic", "console", "--on-reset", "reboot")).isEqualTo(new NestorProcess.Result(122, line, ""));
    }

    @Test void testDeviceIsGivenWhenAskedFor() throws Exception {
        Path guest = guest("", TinyGuest.TEST_REGISTER);
        assertThat(run("", guest, "-q", "--debug-exit", "--device", "test").status()).isEqualTo(0x2a << 1 | 1);
    }

    /** A virtio console that is there for its ports takes nothing from a guest whose console is the serial port. */
    @Test void typingReachesTheSerialPortBesideAVirtioConsole() throws Exception {
        NestorProcess.Result result = run("typed q", guest("", TinyGuest.ECHO, TinyGuest.POWER_OFF), "-q", "--virtio-console=port=agent:" + directory.resolve("agent"));
        assertThat(result).isEqualTo(new NestorProcess.Result(0, "typed q", ""));
    }

    @Test void tripleFaultAndResetEndWithStatusZero() throws Exception {
        for (int[] end : new int[][] {TinyGuest.TRIPLE_FAULT, TinyGuest.RESET}) {
            NestorProcess.Result result = run("", guest("x", end));
            assertThat(result.status()).isZero();
            assertThat(result.out()).isEqualTo("x");
        }
    }

    @Test void rebootStartsTheGuestAnew() throws Exception {
        Path guest = guest("again ", TinyGuest.ECHO, TinyGuest.POWER_OFF_OR_RESET);
        Process process = NestorProcess.start(new ProcessBuilder(NestorProcess.command("run", "-q", "--engine", NestorProcess.engine(), "-m", "16M", "--kernel", guest, "--on-reset", "reboot")));
        try {
            for (String typed : new String[] {"1qr", "2qr", "3qp"}) {
                awaitOutput(process, "again ");
                type(process, typed);
                awaitOutput(process, typed.substring(0, 2));
            }
            assertThat(process.waitFor()).isZero();
        } finally {
            process.destroyForcibly();
        }
    }

    /** Reads exactly as far as the end of the text, which must come. */
    private static String awaitOutput(Process process, String text) throws IOException {
        StringBuilder seen = new StringBuilder();
        while (seen.indexOf(text) < 0) {
            int value = process.getInputStream().read();
            assertThat(value).as("end of output after " + seen).isNotNegative();
            seen.append((char) value);
        }
        return seen.toString();
    }

    private static void type(Process process, String text) throws IOException {
        process.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
        process.getOutputStream().flush();
    }

    @Test void inputFromAPipeReachesTheGuest() throws Exception {
        String text = "Ctrl-A is \1 no escape here, ".repeat(400);
        NestorProcess.Result result = run(text + "q", guest("", TinyGuest.ECHO, TinyGuest.POWER_OFF));
        assertThat(result.out()).isEqualTo(text + "q");
        assertThat(result.status()).isZero();
    }

    @Test void terminatedCommandRemovesItsSocket() throws Exception {
        Path socket = directory.resolve("console");
        Process process = NestorProcess.start(new ProcessBuilder(NestorProcess.command("run", "--engine", NestorProcess.engine(), "-m", "16M", "--kernel", guest("here", TinyGuest.ECHO),
            "--console", "unix=" + socket)).redirectErrorStream(true));
        try (BufferedReader lines = process.inputReader(); SocketChannel client = connect(lines, socket)) {
            ByteBuffer bytes = ByteBuffer.allocate(5);
            client.write(ByteBuffer.wrap(new byte[] {'!'}));
            while (bytes.hasRemaining() && client.read(bytes) >= 0) continue;
            assertThat(new String(bytes.array(), StandardCharsets.US_ASCII)).isEqualTo("here!");
            process.destroy();
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isEqualTo(128 + 15);
            assertThat(Files.exists(socket)).isFalse();
        } finally {
            process.destroyForcibly();
        }
    }

    /** The line at the start comes when the socket is there. */
    private static SocketChannel connect(BufferedReader lines, Path socket) throws IOException {
        String line = lines.readLine();
        assertThat(line).contains("multiboot");
        return SocketChannel.open(UnixDomainSocketAddress.of(socket));
    }

    /** util-linux's script(1) is the terminal; stty(1) tells the settings before, during and after. */
    @Test void terminalIsRawDuringTheRunAndAsBeforeAfterwards() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/script")) && Files.isExecutable(Path.of("/usr/bin/stty")), "skipped: script(1) of util-linux and stty(1) are needed");
        String command = NestorProcess.command("run", "--engine", NestorProcess.engine(), "-m", "16M", "--kernel", guest("up\r\n", TinyGuest.ECHO)).stream()
            .map(word -> "'" + word + "'").collect(Collectors.joining(" "));
        Process process = NestorProcess.start(new ProcessBuilder("script", "-qfec", "stty -g; " + command + "; echo status=$?; stty -g", "/dev/null").redirectErrorStream(true));
        try {
            String before = awaitOutput(process, "\n").strip();
            awaitOutput(process, "up");
            type(process, "\3\1a");                                // Ctrl-C and Ctrl-A go to the guest
            awaitOutput(process, "\3\1");
            type(process, "\1x");
            awaitOutput(process, "status=0");
            awaitOutput(process, "\n");
            assertThat(awaitOutput(process, "\n").strip()).isEqualTo(before);
        } finally {
            process.destroyForcibly();
        }
    }

    @Test void trainingRunEndsByItself() throws Exception {
        assertThat(NestorProcess.run("", "train")).isEqualTo(new NestorProcess.Result(0, "", ""));
    }

    @Test void eachErrorIsOneLineWithCauseAndMend() throws Exception {
        String engine = NestorProcess.engine();
        Path text = Files.writeString(directory.resolve("text"), "no kernel");
        assertError(1, "no such file", "run", "--engine", engine, "--kernel", directory.resolve("missing"));
        assertError(1, "not a kernel", "run", "--engine", engine, "--kernel", text);
        assertError(1, "without a kernel", "run", "--engine", engine, "--initrd", text);
        assertError(1, "no socket is there", "run", "--engine", engine, "--kernel", guest("", TinyGuest.POWER_OFF), "--console", "unix=" + text);
        assertError(1, "pass --memory", "run", "--engine", engine, "-m", "1M", "--kernel", guest("", TinyGuest.POWER_OFF));
    }

    private static void assertError(int status, String part, Object... arguments) throws IOException, InterruptedException {
        NestorProcess.Result result = NestorProcess.run("", arguments);
        assertThat(result.status()).as(result.err()).isEqualTo(status);
        assertThat(result.err().lines()).as(result.err()).singleElement().asString().startsWith("nestor: ").contains(part, "; ");
        assertThat(result.out()).isEmpty();
    }
}
