package org.nestorvm.sandbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.sys.Primitive;
import org.nestorvm.memory.sys.Privileges;

/** Each test confines a process and plays the intruder in it. */
class SandboxTest {
    private static final boolean ROOT = Privileges.geteuid() == 0;
    private static final int SIGSYS = 31;

    /** Those with sockets of their own take connections, and are in all else as the others. */
    @ParameterizedTest
    @ValueSource(strings = {"plain", "sockets"})
    void aConfinedProcessOpensConnectsAndStartsNothing(String policy) throws Exception {
        assumeTrue(Primitive.SECCOMP.present(), "skipped: no seccomp here");
        Map<String, String> told = run("-Dpolicy=" + policy).told;
        List<String> allowed = List.of("eventfd", "classes", policy.equals("sockets") ? "accept" : "");
        assertThat(told)
                .containsKeys(
                        "open",
                        "socket",
                        "connect",
                        "accept",
                        "a process by clone",
                        "executable memory",
                        "java file",
                        "java process",
                        "java socket",
                        "end");
        told.forEach((what, answer) -> {
            if (allowed.contains(what)) assertEquals("ok", answer, what);
            else if (what.startsWith("java ")) assertThat(answer).as(what).contains("refused");
            else if (what.equals("4 GiB of memory")) assertEquals("ENOMEM", answer, what);
            else if (what.equals("clone3")) assertEquals("ENOSYS", answer, what);
            else if (!what.matches("done|missing|confined|end")) assertEquals("EPERM", answer, what);
        });
    }

    @Test
    void everyThreadIsConfined() throws Exception {
        assumeTrue(Primitive.SECCOMP.present(), "skipped: no seccomp here");
        List<String> statuses = run("").threads;
        assertThat(statuses)
                .hasSizeGreaterThan(3)
                .allMatch(status -> status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"));
        if (ROOT)
            assertThat(statuses).allMatch(status -> status.matches("(?s).*Uid:\t(19\\d{8}|65534)\t.*CapEff:\t0+\n.*"));
    }

    /** execve, fork, ptrace, and getpid with x32's number. */
    @ParameterizedTest
    @CsvSource({"59", "57", "101", "0x40000027"})
    void whatOnlyAnIntruderCallsEndsTheProcess(String number) throws Exception {
        assumeTrue(Primitive.SECCOMP.present(), "skipped: no seccomp here");
        Run run = run("", number);
        assertThat(run.told).containsKey("confined").doesNotContainKey("alive");
        assertEquals(128 + SIGSYS, run.status);
    }

    @Test
    void withoutSeccompLandlockRefusesFilesAndConnections() throws Exception {
        assumeTrue(Primitive.LANDLOCK.present(), "skipped: no Landlock here");
        Map<String, String> told = run("-Dnestor.without=seccomp").told;
        assertThat(told.get("missing")).contains("seccomp: " + Primitive.SECCOMP.fallback());
        assertThat(told.get("open")).isIn("EACCES", "ENOENT");
        assertThat(told.get("creat")).isIn("EACCES", "ENOENT");
        assertThat(told.get("java file")).contains("refused");
        if (ROOT) assertEquals("EPERM", told.get("root again"));
        if (ROOT) assertEquals("EPERM", told.get("kill"));
        assertThat(told).containsEntry("4 GiB of memory", "ENOMEM").containsKey("end");
    }

    @Test
    void withoutLandlockTheFilterRefuses() throws Exception {
        assumeTrue(Primitive.SECCOMP.present(), "skipped: no seccomp here");
        Map<String, String> told = run("-Dnestor.without=landlock").told;
        assertThat(told.get("missing")).contains("Landlock: " + Primitive.LANDLOCK.fallback());
        assertThat(told.get("done")).doesNotContain("Landlock");
        assertEquals("EPERM", told.get("open"));
        assertEquals("EPERM", told.get("socket"));
    }

    @Test
    void withoutBothItSaysSo() throws Exception {
        Map<String, String> told = run("-Dnestor.without=landlock,seccomp").told;
        assertThat(told.get("missing")).contains("seccomp", "Landlock");
        assertThat(told.get("done")).contains("no new privileges");
        if (ROOT)
            assertThat(told.get("open"))
                    .as("the root directory is empty, and not to be searched")
                    .isIn("ENOENT", "EACCES");
    }

    /** @param status as a shell tells it */
    private record Run(Map<String, String> told, List<String> threads, int status) {}

    private static Run run(String option, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-Xmx64m",
                "-XX:ReservedCodeCacheSize=16m",
                "-XX:InitialCodeCacheSize=16m",
                "-XX:-UsePerfData",
                "--enable-native-access=ALL-UNNAMED",
                option.isEmpty() ? "-Dnestor.with=all" : option,
                "-cp",
                System.getProperty("java.class.path"),
                Confined.class.getName()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        Map<String, String> told = new LinkedHashMap<>();
        List<String> threads = new ArrayList<>();
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                int colon = line.indexOf(": ");
                told.put(colon < 0 ? line : line.substring(0, colon), colon < 0 ? "" : line.substring(colon + 2));
                if (!line.equals("confined")) continue;
                threads = threadsOf(process.pid());
                process.getOutputStream().write('\n');
                process.getOutputStream().close();
            }
        }
        return new Run(told, threads, process.waitFor());
    }

    private static List<String> threadsOf(long pid) throws IOException {
        List<String> statuses = new ArrayList<>();
        try (Stream<Path> tasks = Files.list(Path.of("/proc/" + pid + "/task"))) {
            for (Path task : (Iterable<Path>) tasks::iterator) statuses.add(Files.readString(task.resolve("status")));
        }
        return statuses;
    }
}
