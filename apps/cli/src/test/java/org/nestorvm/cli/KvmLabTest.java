package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nestorvm.boot.guest.DefaultGuest;

/**
 * The engine kvm on a KVM that has hardware behind it, whatever this host has: {@code scripts/kvm-lab} boots a kernel
 * on an AMD processor with SVM and nested paging that QEMU emulates, and runs the command there.
 */
class KvmLabTest {
    private static final Path SCRIPT =
            Path.of("../../scripts/kvm-lab").toAbsolutePath().normalize();
    private static final int MISSING = 77;
    private static final int FLAT_LIMIT_S = 600, LINUX_LIMIT_S = 1500;

    @TempDir
    Path directory;

    /** Runs a line of shell in the lab, on one processor: see scripts/kvm-lab-tests. */
    private static NestorProcess.Result lab(int limitS, String line) throws IOException, InterruptedException {
        List<String> command = List.of(SCRIPT.toString(), "-m", "2G", "-t", Integer.toString(limitS), "sh", "-c", line);
        NestorProcess.Result result = NestorProcess.run("", command, limitS + 30);
        String said = result.err().strip();
        assumeTrue(result.status() != MISSING, () -> "skipped: " + said.substring(said.lastIndexOf('\n') + 1));
        return result;
    }

    private static String run(Object... arguments) {
        List<Object> all = new ArrayList<>(List.of("run", "--engine", "kvm", "--quiet"));
        all.addAll(List.of(arguments));
        List<String> command = NestorProcess.command(all.toArray());
        command.addAll(1, List.of("-XX:+UseSerialGC", "-Xmx256m"));
        return command.stream().map(word -> "'" + word + "'").collect(Collectors.joining(" "));
    }

    @Test
    void flatGuestRunsWithBothInterruptChips() throws Exception {
        Path guest = TinyGuest.write(directory.resolve("guest"), "hello\r\n", TinyGuest.debugExit(0x21));
        String split = run("-m", "16M", "--debug-exit", "--kernel", guest),
                kernel = run("-m", "16M", "--debug-exit", "--irqchip", "kernel", "--kernel", guest);
        NestorProcess.Result result = lab(FLAT_LIMIT_S, split + "; echo split $?; " + kernel + "; echo kernel $?");
        assertThat(result.out()).as(result.err()).isEqualTo("hello\r\nsplit 67\nhello\r\nkernel 67\n");
        assertThat(result.status()).isZero();
    }

    /**
     * Debian's kernel complains about nothing, up to its last words: of registers that CPUID promises, say. Without
     * XSAVE, since XSETBV does not leave the guest in QEMU 7.2, so that KVM does not know XCR0.
     */
    @CsvSource({
        "1, split, poweroff, Power down",
        "1, kernel, reboot, Restarting system",
        "2, split, reboot, Restarting system",
        "2, kernel, poweroff, Power down"
    })
    @ParameterizedTest(name = "{0} processors, {1}, {2}")
    void defaultGuestBootsToItsShellAndEnds(int cpus, String irqchip, String end, String lastWords) throws Exception {
        assumeTrue(
                "full".equals(System.getProperty("nestor.kvmlab")),
                "skipped: takes minutes; -Dnestor.kvmlab=full runs it");
        DefaultGuest.GuestFiles files = new DefaultGuest(
                        DefaultGuest.cacheFolder(System.getenv(), System.getProperty("user.home")),
                        System.getenv("PATH"))
                .get((done, what) -> {});
        Path input = Files.writeString(
                directory.resolve("input"),
                "grep -c ^processor /proc/cpuinfo; grep -c svm /proc/cpuinfo; grep -e timer -e i8042 /proc/interrupts; "
                        + end + "\n");
        String nestor = run(
                "--cpus",
                cpus,
                "--irqchip",
                irqchip,
                "-m",
                "256M",
                "--kernel",
                files.kernel(),
                "--initrd",
                files.initrd(),
                "--append",
                "console=ttyS0 noxsave");
        NestorProcess.Result result = lab(LINUX_LIMIT_S, "cat " + input + " | " + nestor);
        assertThat(result.out())
                .as(result.err())
                .contains(DefaultGuest.READY, "\n" + cpus + "\r\n0\r\n", lastWords)
                .doesNotContain("Call Trace", "WARNING:", "unchecked MSR", "BUG:");
        assertThat(result.status()).isZero();
    }
}
