package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs small guests by the command, with pipes and on a terminal, and looks at what the user gets. */
@Timeout(60)
class RunCommandTest {
    @TempDir
    Path directory;

    private Path guest(String print, int[]... actions) throws IOException {
        return TinyGuest.write(directory.resolve("guest"), print, actions);
    }

    private NestorProcess.Result run(String input, Path guest, Object... more)
            throws IOException, InterruptedException {
        List<String> command =
                NestorProcess.command("run", "--engine", NestorProcess.engine(), "-m", "16M", "--kernel", guest);
        for (Object argument : more) command.add(argument.toString());
        return NestorProcess.run(input, command);
    }

    @Test
    void powerOffEndsWithStatusZeroAndOutputIsTheGuestsAlone() throws Exception {
        NestorProcess.Result result = run("", guest("hello\r\n", TinyGuest.POWER_OFF), "--trace");
        assertThat(result.out()).isEqualTo("hello\r\n");
        assertThat(result.status()).isZero();
        assertThat(result.err())
                .contains("nestor: multiboot 1", "powered off after ", "nestor: nested faults ", "port writes ");
    }

    @Test
    void debugExitGivesItsStatus() throws Exception {
        NestorProcess.Result result = run("", guest("", TinyGuest.debugExit(0x21)), "--debug-exit", "--quiet");
        assertThat(result.status()).isEqualTo(0x21 << 1 | 1);
        assertThat(result.err()).isEmpty();
    }

    /** Over all its starts. */
    @Test
    void timeLimitEndsAGuestWithItsOwnStatus() throws Exception {
        NestorProcess.Result result = run("", guest("", TinyGuest.RESET), "--timeout", "0.5", "--on-reset", "reboot");
        assertThat(result.status()).as(result.err()).isEqualTo(124);
        assertThat(result.err().lines()).last().asString().startsWith("nestor: guest ended by --timeout after ");
    }

    @Test
    void panicOfAGuestHasItsOwnStatus() throws Exception {
        assertThat(run("", guest("", TinyGuest.PANIC, TinyGuest.POWER_OFF), "-q"))
                .isEqualTo(new NestorProcess.Result(122, "", ""));
    }

    /** Of Linux without the driver, which then resets. */
    @Test
    void panicIsSeenOnTheConsole() throws Exception {
        String line = "[    1.234567] Kernel panic - not syncing: sysrq triggered crash\r\n";
        assertThat(run("", guest(line, TinyGuest.RESET), "-q", "--panic", "console", "--on-reset", "reboot"))
                .isEqualTo(new NestorProcess.Result(122, line, ""));
    }

    @Test
    void testDeviceIsGivenWhenAskedFor() throws Exception {
        Path guest = guest("", TinyGuest.TEST_REGISTER);
        assertThat(run("", guest, "-q", "--debug-exit", "--device", "test").status())
                .isEqualTo(0x2a << 1 | 1);
    }

    /** A virtio console that is there for its ports takes nothing from a guest whose console is the serial port. */
    @Test
    void typingReachesTheSerialPortBesideAVirtioConsole() throws Exception {
        NestorProcess.Result result = run(
                "typed q",
                guest("", TinyGuest.ECHO, TinyGuest.POWER_OFF),
                "-q",
                "--virtio-console=port=agent:" + directory.resolve("agent"));
        assertThat(result).isEqualTo(new NestorProcess.Result(0, "typed q", ""));
    }

    @Test
    void tripleFaultAndResetEndWithStatusZero() throws Exception {
        for (int[] end : new int[][] {TinyGuest.TRIPLE_FAULT, TinyGuest.RESET}) {
            NestorProcess.Result result = run("", guest("x", end));
            assertThat(result.status()).isZero();
            assertThat(result.out()).isEqualTo("x");
        }
    }

    @Test
    void rebootStartsTheGuestAnew() throws Exception {
        Path guest = guest("again ", TinyGuest.ECHO, TinyGuest.POWER_OFF_OR_RESET);
        Process process = NestorProcess.start(new ProcessBuilder(NestorProcess.command(
                "run",
                "-q",
                "--engine",
                NestorProcess.engine(),
                "-m",
                "16M",
                "--kernel",
                guest,
                "--on-reset",
                "reboot")));
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

    @Test
    void inputFromAPipeReachesTheGuest() throws Exception {
        String text = "Ctrl-A is \1 no escape here, ".repeat(400);
        NestorProcess.Result result = run(text + "q", guest("", TinyGuest.ECHO, TinyGuest.POWER_OFF));
        assertThat(result.out()).isEqualTo(text + "q");
        assertThat(result.status()).isZero();
    }

    @Test
    void terminatedCommandRemovesItsSocket() throws Exception {
        Path socket = directory.resolve("console");
        Process process = NestorProcess.start(new ProcessBuilder(NestorProcess.command(
                        "run",
                        "--engine",
                        NestorProcess.engine(),
                        "-m",
                        "16M",
                        "--kernel",
                        guest("here", TinyGuest.ECHO),
                        "--console",
                        "unix=" + socket))
                .redirectErrorStream(true));
        try (BufferedReader lines = process.inputReader();
                SocketChannel client = connect(lines, socket)) {
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
    @Test
    void terminalIsRawDuringTheRunAndAsBeforeAfterwards() throws Exception {
        assumeTrue(
                Files.isExecutable(Path.of("/usr/bin/script")) && Files.isExecutable(Path.of("/usr/bin/stty")),
                "skipped: script(1) of util-linux and stty(1) are needed");
        String command = NestorProcess.command(
                        "run",
                        "--engine",
                        NestorProcess.engine(),
                        "-m",
                        "16M",
                        "--kernel",
                        guest("up\r\n", TinyGuest.ECHO))
                .stream()
                .map(word -> "'" + word + "'")
                .collect(Collectors.joining(" "));
        Process process = NestorProcess.start(
                new ProcessBuilder("script", "-qfec", "stty -g; " + command + "; echo status=$?; stty -g", "/dev/null")
                        .redirectErrorStream(true));
        try {
            String before = awaitOutput(process, "\n").strip();
            awaitOutput(process, "up");
            type(process, "\3\1a"); // Ctrl-C and Ctrl-A go to the guest
            awaitOutput(process, "\3\1");
            type(process, "\1x");
            awaitOutput(process, "status=0");
            awaitOutput(process, "\n");
            assertThat(awaitOutput(process, "\n").strip()).isEqualTo(before);
        } finally {
            process.destroyForcibly();
        }
    }

    /** A new process group that is not the terminal's: read and tcsetattr would stop it. */
    @Test
    void commandInTheBackgroundLeavesTheTerminalAloneAndEndsAtSigterm() throws Exception {
        assumeTrue(
                Files.isExecutable(Path.of("/usr/bin/script")) && Files.isExecutable(Path.of("/usr/bin/stty")),
                "skipped: script(1) of util-linux and stty(1) are needed");
        String command = NestorProcess.command(
                        "run",
                        "--engine",
                        NestorProcess.engine(),
                        "-m",
                        "16M",
                        "--kernel",
                        guest("up\r\n", TinyGuest.ECHO))
                .stream()
                .map(word -> "'" + word + "'")
                .collect(Collectors.joining(" "));
        String job = "set -m; stty -g; " + command + " & echo pid=$!; wait $!; echo status=$?; stty -g";
        Process process = started(new ProcessBuilder("script", "-qfec", "sh -c \"$JOB\"", "/dev/null"), job);
        try {
            String before = awaitOutput(process, "\n").strip();
            awaitOutput(process, "pid=");
            String pid = awaitOutput(process, "\n").strip();
            awaitOutput(process, "up");
            new ProcessBuilder("kill", pid).start().waitFor();
            awaitOutput(process, "status=143");
            awaitOutput(process, "\n");
            assertThat(awaitOutput(process, "\n").strip()).isEqualTo(before);
        } finally {
            process.destroyForcibly();
        }
    }

    private static Process started(ProcessBuilder builder, String job) throws IOException {
        builder.environment().put("JOB", job);
        return NestorProcess.start(builder.redirectErrorStream(true));
    }

    /** PM1a enable is port 602h, status 600h; the button is bit 8. */
    private static final int[] AWAIT_BUTTON = {
        0x66, 0xba, 0x02, 0x06, 0x66, 0xb8, 0x00, 0x01, 0x66, 0xef, // mov dx, 0x602; mov ax, 0x100; out dx, ax
        0xb0, '!', 0x66, 0xba, 0xf8, 0x03, 0xee, // mov al, '!'; mov dx, 0x3f8; out dx, al
        0x66, 0xba, 0x01, 0x06, 0xec, 0xa8, 0x01, 0x74, 0xfb
    }; // mov dx, 0x601; poll: in al, dx; test al, 1; jz poll

    @Test
    void sigtermPressesThePowerButtonOfAGuestThatListens() throws Exception {
        assertThat(terminated("TERM", guest("", AWAIT_BUTTON, TinyGuest.POWER_OFF)))
                .matches("(?s).*SIGTERM: the power button is pressed.*powered off after.*status=143");
        assertThat(terminated("HUP", guest("", AWAIT_BUTTON, TinyGuest.POWER_OFF)))
                .contains("SIGHUP: the power button", "powered off", "status=129");
    }

    @Test
    void guestThatListensAndDoesNothingIsStopped() throws Exception {
        assertThat(terminated("TERM", guest("", AWAIT_BUTTON), "--shutdown-timeout", "1"))
                .contains("the guest has 1 s", "stopped on request", "status=143");
        assertThat(terminated("TERM", guest("", AWAIT_BUTTON), "--shutdown-timeout", "0"))
                .doesNotContain("button")
                .contains("stopped on request", "status=143");
    }

    /** Sockets of devices, the folder of a share and a console are gone when the command has ended. */
    @ParameterizedTest
    @ValueSource(strings = {"TERM", "HUP", "INT"})
    void signalLeavesNothingInTheFileSystem(String signal) throws Exception {
        Path temporary = Files.createDirectories(directory.resolve("tmp")),
                sockets = Files.createDirectories(directory.resolve("sockets"));
        List<Object> devices = new ArrayList<>(List.of(
                "--vsock",
                sockets.resolve("v"),
                "--virtio-console=port=a:" + sockets.resolve("c"),
                "--console",
                "unix=" + sockets.resolve("s")));
        boolean share = Stream.of("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd")
                .anyMatch(each -> Files.isExecutable(Path.of(each)));
        if (share) devices.addAll(List.of("--share", sockets));
        else System.out.println("without --share: no virtiofsd here");
        Process process = started(temporary, guest("", TinyGuest.SPIN), devices.toArray());
        try (BufferedReader lines = process.inputReader()) {
            assertThat(lines.readLine()).contains("multiboot");
            try (Stream<Path> made = Files.list(sockets)) {
                assertThat(made).hasSize(3);
            }
            assertThat(temporary).as("what would stay after SIGKILL").isEmptyDirectory();
            new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid()))
                    .start()
                    .waitFor();
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        try (Stream<Path> left = Files.walk(directory)) {
            assertThat(left.filter(path -> !path.equals(directory.resolve("guest"))))
                    .containsExactlyInAnyOrder(directory, temporary, sockets);
        }
    }

    private Process started(Path temporary, Path guest, Object... more) throws IOException {
        List<String> command =
                NestorProcess.command("run", "--engine", NestorProcess.engine(), "-m", "16M", "--kernel", guest);
        for (Object argument : more) command.add(argument.toString());
        if (temporary != null) command.add(1, "-Djava.io.tmpdir=" + temporary);
        return NestorProcess.start(new ProcessBuilder(command).redirectErrorStream(true));
    }

    /** @return all output of a guest that gets the signal once it has printed an exclamation mark, and its status */
    private String terminated(String signal, Path guest, Object... more) throws IOException, InterruptedException {
        Process process = started(null, guest, more);
        try {
            StringBuilder seen = new StringBuilder(awaitOutput(process, "!"));
            new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid()))
                    .start()
                    .waitFor();
            seen.append(new String(process.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1));
            return seen + "status=" + process.waitFor();
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void heapThatIsTooSmallIsOneLine() throws Exception {
        Path large = directory.resolve("large");
        Files.write(large, Files.readAllBytes(guest("", TinyGuest.POWER_OFF)));
        try (var file = FileChannel.open(large, StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.allocate(1), 64 << 20);
        }
        List<String> command =
                NestorProcess.command("run", "--engine", NestorProcess.engine(), "-m", "128M", "--kernel", large);
        command.add(1, "-Xmx24m");
        NestorProcess.Result result = NestorProcess.run("", command);
        assertThat(result.status()).as(result.err()).isEqualTo(1);
        assertThat(result.out()).isEmpty();
        assertThat(result.err().lines())
                .singleElement()
                .asString()
                .startsWith("nestor: the Java heap of ")
                .contains("; raise it with NESTOR_JAVA_OPTIONS=-Xmx512m");
    }

    @Test
    void trainingRunEndsByItself() throws Exception {
        assertThat(NestorProcess.run("", "train")).isEqualTo(new NestorProcess.Result(0, "", ""));
    }

    @Test
    void eachErrorIsOneLineWithCauseAndMend() throws Exception {
        String engine = NestorProcess.engine();
        Path text = Files.writeString(directory.resolve("text"), "no kernel");
        assertError(1, "no such file", "run", "--engine", engine, "--kernel", directory.resolve("missing"));
        assertError(1, "not a kernel", "run", "--engine", engine, "--kernel", text);
        assertError(2, "without a kernel", "run", "--engine", engine, "--initrd", text);
        assertError(
                1,
                "no socket is there",
                "run",
                "--engine",
                engine,
                "--kernel",
                guest("", TinyGuest.POWER_OFF),
                "--console",
                "unix=" + text);
        assertError(
                1, "pass --memory", "run", "--engine", engine, "-m", "1M", "--kernel", guest("", TinyGuest.POWER_OFF));
    }

    private static void assertError(int status, String part, Object... arguments)
            throws IOException, InterruptedException {
        NestorProcess.Result result = NestorProcess.run("", arguments);
        assertThat(result.status()).as(result.err()).isEqualTo(status);
        assertThat(result.err().lines())
                .as(result.err())
                .singleElement()
                .asString()
                .startsWith("nestor: ")
                .contains(part, "; ");
        assertThat(result.out()).isEmpty();
    }
}
