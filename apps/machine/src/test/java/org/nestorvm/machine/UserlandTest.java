package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.boot.BootException;
import org.nestorvm.boot.guest.DefaultGuest;
import org.nestorvm.boot.guest.Initramfs;
import org.nestorvm.boot.guest.Userland;
import org.nestorvm.vmm.Engine;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Debian's programs print in a guest on the soft engine, under Debian's kernel, what they print on the host: the same
 * files, on the host in a changed root. Where the host runs no 32-bit programs, a record stands in for it: see
 * {@link #takeRecords}. With {@code -Dnestor.userland=full} also the large set of packages, with a compiler;
 * {@code -Dnestor.userland=none} leaves both out.
 */
class UserlandTest {
    private static final Logger LOG = LoggerFactory.getLogger(UserlandTest.class);
    private static final Pattern CHECK = Pattern.compile("(?ms)^@@ begin (\\S+)\\n(.*?)^@@ end \\1 (\\d+) (\\S+)$");
    private static final int SHOWN = 6;
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    /** @param status of the program, in decimal */
    private record Result(String output, int status) {}

    @TempDir
    Path directory;

    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void smallSetPrintsWhatTheHostPrints() throws Exception {
        assumeTrue(!wanted().equals("none"), "left out: -Dnestor.userland=none");
        compare(Userland.Packages.SMALL, "small", 512L << 20);
    }

    @Test
    @Timeout(value = 60, unit = TimeUnit.MINUTES)
    void fullSetPrintsWhatTheHostPrints() throws Exception {
        assumeTrue(wanted().equals("full"), "takes minutes: run with -Dnestor.userland=full");
        compare(Userland.Packages.FULL, "full", 2L << 30);
    }

    private static String wanted() {
        return System.getProperty("nestor.userland", "small");
    }

    private void compare(Userland.Packages packages, String checks, long memoryBytes) throws Exception {
        Path cache = DefaultGuest.cacheFolder(System.getenv(), System.getProperty("user.home"));
        Initramfs root;
        DefaultGuest.GuestFiles guest;
        try {
            guest = new DefaultGuest(cache, System.getenv("PATH")).get((done, what) -> {});
            root = new Userland(cache, System.getenv("PATH")).make(packages, (done, what) -> {});
        } catch (BootException e) {
            assumeTrue(false, "packages cannot be had: " + e.getMessage());
            return;
        }
        addChecks(root, checks);
        Map<String, Result> expected = results(onHost(root), false);
        Path image = directory.resolve("initramfs");
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(image))) {
            root.writeTo(out);
        }
        Map<String, Result> actual = results(inGuest(guest.kernel(), image, memoryBytes), true);
        assertThat(actual.keySet()).containsExactlyElementsOf(expected.keySet()).isNotEmpty();
        if (!HostPrograms.run32Bit(directory)) takeRecords(expected, actual);
        List<String> differences = new ArrayList<>();
        for (Map.Entry<String, Result> each : expected.entrySet())
            differ(each.getKey(), each.getValue(), actual.get(each.getKey()), differences);
        assertThat(differences).isEmpty();
    }

    /**
     * A host whose kernel runs no 32-bit programs is no oracle for them. A record of what such a host printed stands in
     * for it where the guest has the record's version of glibc; else the program's output is not compared.
     */
    private static void takeRecords(Map<String, Result> expected, Map<String, Result> actual) throws IOException {
        for (String name : List.copyOf(expected.keySet())) {
            if (!name.contains("i386")) continue;
            Result record = record(name);
            boolean fits = record != null && firstLine(record).equals(firstLine(actual.get(name)));
            LOG.warn(
                    "{}: this host runs no 32-bit programs; the guest's output is {}",
                    name,
                    fits
                            ? "compared with the recorded one"
                            : "not compared, since no record is from its version of glibc");
            if (fits) expected.put(name, record);
            else expected.remove(name);
            Files.writeString(kept().resolve(name + ".guest"), actual.get(name).output);
        }
    }

    /** What a host printed and its status, recorded; null if there is none. */
    private static Result record(String name) throws IOException {
        try (InputStream in = UserlandTest.class.getResourceAsStream("/userland/recorded/" + name + ".txt")) {
            if (in == null) return null;
            Matcher check = CHECK.matcher(new String(in.readAllBytes(), StandardCharsets.UTF_8));
            assertThat(check.find()).as("record of %s", name).isTrue();
            return new Result(check.group(2), Integer.parseInt(check.group(3)));
        }
    }

    private static String firstLine(Result result) {
        return result.output.lines().findFirst().orElse("");
    }

    private static void addChecks(Initramfs root, String name) throws Exception {
        String only = System.getProperty("nestor.userland.check", "");
        try (Stream<Path> files = Files.list(
                Path.of(UserlandTest.class.getResource("/userland/" + name).toURI()))) {
            for (Path file :
                    files.filter(each -> each.toString().contains(only)).toList())
                root.file("checks/" + file.getFileName(), 0755, Files.readAllBytes(file));
        }
    }

    /** The first lines that are not the same; the whole outputs are kept beside the build's reports, for diff. */
    private static void differ(String name, Result expected, Result actual, List<String> differences)
            throws IOException {
        Files.writeString(kept().resolve(name + ".host"), expected.output);
        Files.writeString(kept().resolve(name + ".guest"), actual.output);
        if (expected.status != actual.status)
            differences.add(name + " ended with status " + actual.status + ", on the host " + expected.status);
        List<String> wanted = expected.output.lines().toList(),
                got = actual.output.lines().toList();
        int limit = differences.size() + SHOWN;
        for (int i = 0; i < Math.max(wanted.size(), got.size()) && differences.size() < limit; i++) {
            String want = i < wanted.size() ? wanted.get(i) : "(nothing)",
                    have = i < got.size() ? got.get(i) : "(nothing)";
            if (!want.equals(have))
                differences.add(name + " line " + (i + 1) + "\n  host  " + want + "\n  guest " + have);
        }
    }

    private static Path kept() throws IOException {
        return Files.createDirectories(Path.of("target/userland"));
    }

    private static Map<String, Result> results(String console, boolean guest) {
        Map<String, Result> results = new LinkedHashMap<>();
        Matcher check = CHECK.matcher(console);
        while (check.find()) {
            results.put(check.group(1), new Result(check.group(2), Integer.parseInt(check.group(3))));
            if (guest)
                LOG.info(
                        "{}: {} lines, ended at {} s of the guest's time, which is as many G instructions",
                        check.group(1),
                        check.group(2).lines().count(),
                        check.group(4));
        }
        assertThat(results)
                .as("output: %s", console.substring(Math.max(0, console.length() - 2000)))
                .isNotEmpty();
        return results;
    }

    private String onHost(Initramfs root) throws Exception {
        Path tree = Files.createDirectory(directory.resolve("tree"));
        root.unpack(tree);
        boolean privileged = Files.getOwner(tree).getName().equals("root");
        String enter = "mount --rbind /proc \"$1/proc\" && mount --rbind /dev \"$1/dev\" && exec chroot \"$1\" "
                + "/usr/bin/env -i /run-checks";
        Path output = directory.resolve("host-output"), errors = directory.resolve("host-errors");
        Process process;
        try {
            process = new ProcessBuilder(
                            "unshare", privileged ? "-m" : "-rm", "/bin/sh", "-c", enter, "enter", tree.toString())
                    .redirectInput(Path.of("/dev/null").toFile())
                    .redirectOutput(output.toFile())
                    .redirectError(errors.toFile())
                    .start();
        } catch (IOException e) {
            assumeTrue(false, "this host has no unshare to change the root with: " + e.getMessage());
            throw e;
        }
        int status = process.waitFor();
        delete(tree);
        assumeTrue(
                status == 0,
                "this host lets nobody change the root: "
                        + Files.readString(errors).strip());
        return Files.readString(output);
    }

    /** Its links lead to the host's files until it is entered; they are deleted as links. */
    private static void delete(Path tree) throws IOException {
        try (Stream<Path> paths = Files.walk(tree)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) Files.delete(path);
        }
    }

    private static String inGuest(Path kernel, Path image, long memoryBytes) throws Exception {
        ByteArrayOutputStream console = new ByteArrayOutputStream();
        MachineConfig config = MachineConfig.kernel(
                        "userland",
                        engine(),
                        kernel,
                        image.toString(),
                        "console=ttyS0 quiet loglevel=1 mitigations=off")
                .withMemory(memoryBytes)
                .withConsole(console)
                .withInstructionTime(START);
        long startNs = System.nanoTime();
        try (Machine machine = Machine.create(config)) {
            Outcome outcome = machine.run();
            LOG.info(
                    "{} after {} s, {} M instructions",
                    outcome.detail(),
                    TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - startNs),
                    machine.counters().instructions() / 1_000_000);
            String text = console.toString(StandardCharsets.UTF_8).replace("\r\n", "\n");
            assertEquals(Outcome.Kind.POWERED_OFF, outcome.kind(), outcome.detail() + "\n" + text);
            return text;
        }
    }

    private static Engine engine() {
        return Engines.all().stream()
                .filter(engine -> engine.name().equals("soft"))
                .findAny()
                .orElseThrow();
    }
}
