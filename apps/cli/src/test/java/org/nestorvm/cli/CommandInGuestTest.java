package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.boot.guest.DefaultGuest;
import org.nestorvm.memory.sys.Privileges;

/** {@code nestor run -- COMMAND} as its users type it: a Linux guest each, so as few as may be. */
@Timeout(600)
class CommandInGuestTest {
    private static final int SIGINT_STATUS = 33;
    /**
     * A guest boots in ten seconds on a quiet machine. Reading from a process cannot be interrupted, so it is killed.
     */
    private static final int LIMIT_S = 300;

    @TempDir
    Path directory;

    @BeforeEach
    void prerequisites() {
        boolean virtiofsd = Stream.of(
                        "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd", "/usr/bin/virtiofsd")
                .anyMatch(each -> Files.isExecutable(Path.of(each)));
        assumeTrue(virtiofsd, "skipped: virtiofsd is not here (Debian 12: apt-get install qemu-system-common)");
        assumeTrue(Privileges.geteuid() == 0, "skipped: virtiofsd takes root to confine itself");
        assumeTrue(
                Files.exists(DefaultGuest.cacheFolder(System.getenv(), System.getProperty("user.home"))),
                "skipped: the default guest has not been fetched; ./nestor run does");
    }

    private ProcessBuilder command(Object... arguments) {
        List<String> command = new ArrayList<>(NestorProcess.command("run", "--engine", NestorProcess.engine()));
        command.remove("-XX:TieredStopAtLevel=1");
        for (Object each : arguments) command.add(each.toString());
        return new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectError(directory.resolve("err").toFile());
    }

    private String errors() throws IOException {
        return Files.readString(directory.resolve("err"), StandardCharsets.ISO_8859_1);
    }

    private static byte[] everyByte() {
        byte[] bytes = new byte[256 * 500];
        for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) i;
        return bytes;
    }

    /** And the host's files are as they were, though the command is root and mounts them anew. */
    @Test
    void streamsFolderAndStatusAreTheCommands() throws Exception {
        Path outside = Files.createTempDirectory(Path.of("/var/tmp"), "nestor-outside");
        try {
            Files.writeString(outside.resolve("file"), "host");
            String script = "cat; pwd >&2; echo changed >" + outside + "/file; cat " + outside
                    + "/file >/dev/stderr; mount -t virtiofs nestor-root /mnt; for each in 'rm file' 'chmod 777 "
                    + "file' 'mkdir new'; do (cd /mnt"
                    + outside
                    + " && $each) && echo \"$each was allowed\" >&2; done; echo kept >kept; (sleep 1000; echo "
                    + "late) & exit 42";
            Process process = NestorProcess.start(command("--cpus", 2, "--", "sh", "-c", script), LIMIT_S);
            try (OutputStream to = process.getOutputStream()) {
                to.write(everyByte());
            }
            byte[] out = process.getInputStream().readAllBytes();
            assertEquals(42, process.waitFor(), errors());
            assertArrayEquals(everyByte(), out);
            assertThat(errors())
                    .startsWith(directory + "\nchanged\n")
                    .doesNotContain("was allowed")
                    .contains("Read-only file system");
            assertEquals("kept\n", Files.readString(directory.resolve("kept")));
            assertEquals("host", Files.readString(outside.resolve("file")));
        } finally {
            Files.deleteIfExists(outside.resolve("file"));
            Files.delete(outside);
        }
    }

    @Test
    void interruptReachesTheCommand() throws Exception {
        Process process = NestorProcess.start(
                command(
                        "--read-only",
                        "--",
                        "sh",
                        "-c",
                        "trap 'echo interrupted; exit " + SIGINT_STATUS
                                + "' INT; touch file; echo ready; while :; do sleep 0.1; done"),
                LIMIT_S);
        try (BufferedReader lines = process.inputReader()) {
            assertEquals("ready", lines.readLine(), errors());
            new ProcessBuilder("kill", "-INT", Long.toString(process.pid()))
                    .start()
                    .waitFor();
            assertEquals("interrupted", lines.readLine());
            assertEquals(SIGINT_STATUS, process.waitFor());
            assertThat(errors()).contains("Read-only file system");
        } finally {
            process.destroyForcibly();
        }
    }

    /** The machine is being made as long as the back end of a device does not answer. */
    @Test
    void signalWhileTheMachineIsMadeLeavesNoSocket() throws Exception {
        Path backEnd = directory.resolve("back-end"), net = directory.resolve("net");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(backEnd));
            Process process = NestorProcess.start(
                    command(
                            "--no-host-root",
                            "--net",
                            "unix=" + net + ",server",
                            "--vhost-user",
                            "rng,path=" + backEnd,
                            "--",
                            "true"),
                    LIMIT_S);
            try (SocketChannel connection = server.accept()) {
                assertThat(net).exists();
                new ProcessBuilder("kill", Long.toString(process.pid())).start().waitFor();
                assertFalse(process.waitFor(1, TimeUnit.SECONDS), "it waits for the machine, to take it apart");
                connection.close();
                process.waitFor();
                assertThat(net).doesNotExist();
            } finally {
                process.destroyForcibly();
            }
        }
    }

    /** script(1) of util-linux is the terminal. */
    @Test
    void terminalIsTheCommandsTerminal() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/script")), "skipped: script(1) of util-linux is needed");
        StringBuilder line = new StringBuilder("stty rows 41 cols 97; ");
        for (String each : command(
                        "--",
                        "sh",
                        "-c",
                        "until [ \"$(stty size)\" = '41 97' ]; do sleep 0.1; done; stty size; tty; test -t 1 && "
                                + "cat; exit 5")
                .command()) line.append('\'').append(each.replace("'", "'\\''")).append("' ");
        Process process = NestorProcess.start(
                new ProcessBuilder("script", "-qfec", line.toString(), "/dev/null")
                        .directory(directory.toFile())
                        .redirectErrorStream(true),
                LIMIT_S);
        try (BufferedReader lines = process.inputReader();
                OutputStream keys = process.getOutputStream()) {
            assertEquals("41 97", line(lines));
            assertEquals("/dev/hvc0", line(lines));
            keys.write("typed\r\4".getBytes(StandardCharsets.US_ASCII));
            keys.flush();
            assertEquals("typed", line(lines), "the echo");
            assertEquals("typed", line(lines));
            assertEquals(5, process.waitFor());
        } finally {
            process.destroyForcibly();
        }
    }

    /** Both terminals end a line with a carriage return. */
    private static String line(BufferedReader lines) throws IOException {
        for (String line = lines.readLine(); line != null; line = lines.readLine())
            if (!line.isBlank()) return line.strip();
        return null;
    }

    @Test
    void errorsAreOneLine() throws Exception {
        assertError(Nestor.USAGE, "'make' is no option", "make", "test");
        assertError(Nestor.USAGE, "pass --kernel FILE too", "--initrd", "x", "--", "true");
        assertError(Nestor.USAGE, "leave one or the other out", "--kernel", "x", "--initrd", "x", "--", "true");
        assertError(Nestor.USAGE, "a command cannot do", "--clock", "instructions", "--", "true");
    }

    private void assertError(int status, String part, Object... arguments) throws Exception {
        Process process = NestorProcess.start(command(arguments), LIMIT_S);
        process.getOutputStream().close();
        assertEquals(status, process.waitFor(), errors());
        assertThat(errors().lines())
                .singleElement()
                .asString()
                .startsWith("nestor: ")
                .contains(part);
    }

    /**
     * An own kernel that cannot do what is needed, here one that powers off at once: the user sees why nothing came.
     */
    @Test
    void guestThatEndsEarlyIsTold() throws Exception {
        Path kernel = TinyGuest.write(directory.resolve("kernel"), "no such driver\r\n", TinyGuest.POWER_OFF);
        Process process = NestorProcess.start(command("--no-host-root", "--kernel", kernel, "--", "true"), LIMIT_S);
        process.getOutputStream().close();
        assertEquals(CommandRun.NO_STATUS, process.waitFor(), errors());
        assertThat(errors()).contains("no such driver\n", "nestor: the guest has ended before the command has begun");
    }
}
