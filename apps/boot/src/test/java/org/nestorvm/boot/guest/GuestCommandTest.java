package org.nestorvm.boot.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.commons.compress.archivers.cpio.CpioArchiveEntry;
import org.apache.commons.compress.archivers.cpio.CpioArchiveInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.boot.guest.GuestCommand.Access;
import org.nestorvm.boot.guest.GuestCommand.Stream;

/** The launcher and the script before it are Linux programs, so the host runs them. */
class GuestCommandTest {
    private static final String[] BUSYBOX = {"/bin/busybox", "/usr/bin/busybox"};

    @TempDir
    Path folder;

    private Path launcher() throws Exception {
        return Files.setPosixFilePermissions(
                Files.write(folder.resolve("exec"), Launcher.elf()), PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private record Result(int status, byte[] out, String err) {}

    private Result run(List<String> command) throws Exception {
        Path err = folder.resolve("err");
        Process process = new ProcessBuilder(command)
                .redirectError(err.toFile())
                .redirectInput(Path.of("/dev/null").toFile())
                .start();
        byte[] out = process.getInputStream().readAllBytes();
        return new Result(process.waitFor(), out, Files.readString(err, StandardCharsets.ISO_8859_1));
    }

    @Test
    void launcherTurnsIntoTheProgramWithAnotherName() throws Exception {
        Result result = run(
                List.of(launcher().toString(), "/bin/sh", "another", "-c", "echo $0 $1; exit 9", "name", "argument"));
        assertEquals("name argument\n", new String(result.out, StandardCharsets.US_ASCII));
        assertEquals(9, result.status);
        result = run(List.of(launcher().toString(), "/bin/cat", "another", "/proc/self/cmdline"));
        assertEquals("another\0/proc/self/cmdline\0", new String(result.out, StandardCharsets.US_ASCII));
    }

    /** As bit masks, proc(5); a shell's background job has 2 and 3 ignored. */
    @Test
    void launcherPutsInterruptsBackAndLeadsASession() throws Exception {
        Result result =
                run(List.of("/bin/sh", "-c", launcher() + " /bin/cat cat /proc/self/status /proc/self/stat & wait $!"));
        String out = new String(result.out, StandardCharsets.US_ASCII);
        long ignored = Long.parseUnsignedLong(
                out.lines()
                        .filter(line -> line.startsWith("SigIgn:"))
                        .findFirst()
                        .orElseThrow()
                        .substring(7)
                        .strip(),
                16);
        assertEquals(0, ignored & (1 << 1 | 1 << 2));
        String[] stat = out.lines()
                .filter(line -> line.contains(" (cat) "))
                .findFirst()
                .orElseThrow()
                .split(" ");
        assertEquals(stat[0], stat[5], "process and session");
    }

    @Test
    void launcherGivesAFileWithoutAHeaderToTheShellAndTellsOfOneThatIsNone() throws Exception {
        Path script = Files.setPosixFilePermissions(
                Files.writeString(folder.resolve("script"), "echo $1; exit 3\n"),
                PosixFilePermissions.fromString("rwxr-xr-x"));
        Result result = run(List.of(launcher().toString(), script.toString(), "script", "text"));
        assertEquals("text\n", new String(result.out, StandardCharsets.US_ASCII));
        assertEquals(3, result.status);
        result = run(List.of(launcher().toString(), folder.toString(), "x"));
        assertEquals(126, result.status);
        assertEquals("nestor: the command cannot be executed\n", result.err);
    }

    private Map<String, byte[]> files(GuestCommand command) throws Exception {
        Map<String, byte[]> files = new HashMap<>();
        try (CpioArchiveInputStream archive =
                new CpioArchiveInputStream(new ByteArrayInputStream(command.initramfs()))) {
            for (CpioArchiveEntry entry = archive.getNextEntry(); entry != null; entry = archive.getNextEntry())
                files.put(entry.getName(), archive.readAllBytes());
        }
        return files;
    }

    private static byte[] everyByte(String before) {
        byte[] bytes = new byte[before.length() + 255];
        System.arraycopy(before.getBytes(StandardCharsets.US_ASCII), 0, bytes, 0, before.length());
        for (int i = 1; i < 256; i++) bytes[before.length() + i - 1] = (byte) i;
        return bytes;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private GuestCommand command(Path folder, byte[]... arguments) {
        return new GuestCommand(
                List.of(arguments),
                List.of(ascii("PATH=/nowhere:/usr/bin:/bin"), everyByte("EVERY="), ascii("odd%%=1")),
                folder.toString().getBytes(StandardCharsets.UTF_8),
                false,
                Access.NOT_SHARED,
                false,
                Stream.PORT,
                Stream.PORT,
                Stream.PORT);
    }

    /** The guest's shell reads the script: busybox, where this host has it. */
    private Result start(GuestCommand command) throws Exception {
        Path busybox = Arrays.stream(BUSYBOX)
                .map(Path::of)
                .filter(Files::isExecutable)
                .findFirst()
                .orElse(null);
        assumeTrue(busybox != null, "skipped: busybox is not here (apt-get install busybox-static)");
        Files.createDirectories(folder.resolve("command"));
        Files.copy(launcher(), folder.resolve("command/exec"), StandardCopyOption.REPLACE_EXISTING);
        String script = new String(files(command).get("command/start"), StandardCharsets.ISO_8859_1)
                .replace("\nbase=\n", "\nbase=" + folder + "\n");
        Path file = Files.writeString(folder.resolve("command/start"), script, StandardCharsets.ISO_8859_1);
        return run(List.of(busybox.toString(), "sh", file.toString()));
    }

    @Test
    void everyByteOfArgumentsAndEnvironmentArrives() throws Exception {
        Result result = start(
                command(folder, ascii("cat"), ascii("/proc/self/cmdline"), ascii("/proc/self/environ"), ascii("--")));
        assertThat(new String(result.out, StandardCharsets.ISO_8859_1))
                .isEqualTo("cat\0/proc/self/cmdline\0/proc/self/environ\0--\0PATH=/nowhere:/usr/bin:/bin\0"
                        + new String(everyByte("EVERY="), StandardCharsets.ISO_8859_1) + "\0odd%%=1\0");
        result = start(command(folder, ascii("printf"), ascii("%s"), everyByte("")));
        assertArrayEquals(everyByte(""), result.out);
    }

    @Test
    void programsAreLookedForAsShellsDo() throws Exception {
        Result result = start(command(folder, ascii("no-such-program")));
        assertEquals(127, result.status);
        assertThat(result.err).contains("no-such-program: not found in the guest");
        Files.writeString(folder.resolve("text"), "no program");
        result = start(command(folder, ascii("./text")));
        assertEquals(126, result.status);
    }

    @Test
    void settingsSayWhatIsShared() throws Exception {
        byte[] odd = ascii("/it's 'odd'");
        GuestCommand command = new GuestCommand(
                List.of(odd),
                List.of(),
                odd,
                true,
                Access.READ_ONLY,
                true,
                Stream.TERMINAL,
                Stream.PORT,
                Stream.TERMINAL);
        assertThat(new String(files(command).get("command/settings"), StandardCharsets.US_ASCII))
                .isEqualTo("""
            root=shared
            share=yes
            folder='/it'\\''s '\\''odd'\\'''
            folder_mode=ro
            terminal_in=yes
            terminal_out=
            terminal_err=yes
            """);
    }
}
