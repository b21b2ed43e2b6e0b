package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The launcher {@code ./nestor}, in a source tree made for the test, with a JDK and a Maven that only say what they
 * were asked for.
 */
class ScriptTest {
    private static final String[] MODULES = {
        "core/memory", "core/vmm", "engines/soft", "devices/chips", "apps/boot", "apps/cli"
    };

    @TempDir
    Path directory;

    private Path root, jdk;

    @BeforeEach
    void makeTree() throws IOException {
        root = Files.createDirectories(directory.resolve("a tree"));
        jdk = directory.resolve("jdk");
        Path source = Path.of("../..").toAbsolutePath().normalize();
        for (String file : new String[] {"nestor", ".mvn/find-jdk.sh", ".mvn/jvm-options.sh"}) {
            Files.createDirectories(root.resolve(file).getParent());
            Files.copy(source.resolve(file), root.resolve(file), StandardCopyOption.COPY_ATTRIBUTES);
        }
        Files.createFile(root.resolve("pom.xml"));
        for (String module : MODULES) {
            Files.createDirectories(root.resolve(module + "/src/main"));
            Files.createFile(root.resolve(module + "/pom.xml"));
        }
        program(jdk.resolve("bin/java"), """
            for word; do
              echo "<$word>"
              case $word in -XX:AOTCacheOutput=*) echo x >"${word#*=}"; echo x >>"${0%/*}/trained" ;; esac
            done""");
        program(jdk.resolve("bin/javac"), "");
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.1\"\n");
        program(root.resolve("mvnw"), "echo \"$@\" >>mvnw.calls; mkdir -p apps/cli/target/app/lib");
        age(root, 60);
    }

    private static void program(Path file, String script) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    /** As if everything had been written a while ago. */
    private static void age(Path tree, int seconds) throws IOException {
        try (var paths = Files.walk(tree)) {
            for (Path path : paths.toList())
                Files.setLastModifiedTime(path, FileTime.fromMillis(System.currentTimeMillis() - seconds * 1000L));
        }
    }

    private NestorProcess.Result start(Path script, String... arguments) throws IOException, InterruptedException {
        return start(List.of(), script, arguments);
    }

    /** @param environment of env(1): options and variables */
    private NestorProcess.Result start(List<String> environment, Path script, String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("env"));
        command.addAll(environment);
        command.addAll(List.of("JAVA_HOME=" + jdk, "sh", "-c", "cd / && exec \"$0\" \"$@\"", script.toString()));
        command.addAll(List.of(arguments));
        return NestorProcess.run("", command);
    }

    private List<String> builds() throws IOException {
        Path calls = root.resolve("mvnw.calls");
        return Files.exists(calls) ? Files.readAllLines(calls) : List.of();
    }

    @Test
    void firstStartBuildsAndNextDoesNot() throws Exception {
        NestorProcess.Result first = start(root.resolve("nestor"), "run", "--append", "a  b");
        assertThat(first.status()).as(first.err()).isZero();
        assertThat(first.out())
                .endsWith("<-p>\n<" + root
                        + "/apps/cli/target/app/lib>\n<-m>\n<org.nestorvm.cli/org.nestorvm.cli.Nestor>"
                        + "\n<run>\n<--append>\n<a  b>\n");
        assertThat(first.err()).contains("nestor: building");
        assertThat(builds()).singleElement().asString().contains("-pl :nestor-cli -am", "package");
        assertThat(start(root.resolve("nestor")).err()).isEmpty();
        assertThat(builds()).hasSize(1);
    }

    @Test
    void newerSourceBuildsAgain() throws Exception {
        start(root.resolve("nestor"));
        age(root, 30);
        Files.createFile(root.resolve("core/vmm/src/main/New.java"));
        start(root.resolve("nestor"));
        assertThat(builds()).hasSize(2);
    }

    @Test
    void isFoundThroughLinksFromAnyFolder() throws Exception {
        Files.createSymbolicLink(directory.resolve("one"), Path.of("a tree/nestor"));
        Path two = Files.createSymbolicLink(
                Files.createDirectory(directory.resolve("bin")).resolve("two"), Path.of("../one"));
        assertThat(start(two, "--version").out()).contains("<" + root + "/apps/cli/target/app/lib>", "<--version>");
    }

    @Test
    void failedBuildSaysWhyAndIsTriedAgain() throws Exception {
        program(root.resolve("mvnw"), "echo x >>mvnw.calls; echo '[ERROR] Gone wrong'; exit 1");
        for (int round = 1; round <= 2; round++) {
            NestorProcess.Result result = start(root.resolve("nestor"));
            assertThat(result.status()).isEqualTo(1);
            assertThat(result.err())
                    .contains("[ERROR] Gone wrong", "nestor: the build failed; ", "build.log has the rest");
            assertThat(builds()).hasSize(round);
        }
    }

    private long trained() throws IOException {
        Path calls = jdk.resolve("bin/trained");
        return Files.exists(calls) ? Files.readAllLines(calls).size() : 0;
    }

    @Test
    void cacheIsMadeAgainWhenTheFolderOrTheJdkHasChanged() throws Exception {
        start(root.resolve("nestor"));
        assertThat(start(root.resolve("nestor")).out())
                .startsWith("<-Xlog:disable>")
                .contains("<-XX:AOTCache=" + root + "/apps/cli/target/app/nestor.aot>\n");
        assertThat(trained()).isEqualTo(1);
        Path moved = Files.move(root, directory.resolve("another tree"));
        assertThat(start(moved.resolve("nestor")).out())
                .contains("<-XX:AOTCache=" + moved + "/apps/cli/target/app/nestor.aot>\n");
        assertThat(trained()).isEqualTo(2);
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.2\"\nJVM_VARIANT=\"Hotspot\"\n");
        assertThat(start(moved.resolve("nestor"), "--version").err()).isEqualTo("nestor: preparing a fast start\n");
        assertThat(start(moved.resolve("nestor"), "--version").err()).isEmpty();
        assertThat(trained()).isEqualTo(3);
        root = moved;
        assertThat(builds()).hasSize(1);
    }

    @Test
    void emptyEnvironmentIsEnough() throws Exception {
        NestorProcess.Result result = start(List.of("-i", "PATH=/usr/bin:/bin"), root.resolve("nestor"), "--version");
        assertThat(result.status()).as(result.err()).isZero();
        assertThat(result.out()).endsWith("<--version>\n");
        assertThat(result.err())
                .isEqualTo("nestor: building (once, and when sources change; log in " + root
                        + "/apps/cli/target/build.log)\nnestor: preparing a fast start\n");
    }

    @Test
    void colonInTheFoldersNameIsOneLine() throws Exception {
        root = Files.move(root, directory.resolve("a:b"));
        NestorProcess.Result result = start(root.resolve("nestor"));
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err().lines()).singleElement().asString().contains("/a:b, contains a colon", "; rename");
    }

    @Test
    void jvmThatDoesNotStartIsOneLine() throws Exception {
        start(root.resolve("nestor"));
        program(
                jdk.resolve("bin/java"),
                "echo 'Error occurred during initialization of VM'; echo 'Too small maximum heap'; exit 1");
        NestorProcess.Result result = start(List.of("NESTOR_JAVA_OPTIONS=-Xmx1m"), root.resolve("nestor"), "--version");
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.out()).isEmpty();
        assertThat(result.err().lines())
                .singleElement()
                .asString()
                .startsWith("nestor: the JVM does not start (Too small maximum heap) with the options in "
                        + "NESTOR_JAVA_OPTIONS")
                .contains("; change");
    }

    @Test
    void usersLimitOfTheHeapReplacesTheHeapAtTheStart() throws Exception {
        start(root.resolve("nestor"));
        assertThat(start(root.resolve("nestor")).out()).contains("<-Xms128m>");
        assertThat(start(List.of("NESTOR_JAVA_OPTIONS=-Xmx96m -Da=b"), root.resolve("nestor"))
                        .out())
                .contains("<-Xmx96m>\n<-Da=b>\n")
                .doesNotContain("-Xms");
    }

    /**
     * The real JVM, with a cache of another program's: standard output is the guest's alone, and standard error says
     * nothing of it.
     */
    @Test
    void cacheThatDoesNotFitIsNotTalkedAbout() throws Exception {
        Path cache = Files.writeString(directory.resolve("cache"), "no cache");
        List<String> command = List.of(
                "sh",
                "-c",
                ". ./.mvn/jvm-options.sh; nestor_jvm_options; set -f; exec \"$0\" $options \"$@\"",
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "-XX:AOTCache=" + cache,
                "-cp",
                System.getProperty("java.class.path"),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-Xint",
                Nestor.class.getName(),
                "--version");
        Process process = NestorProcess.start(
                new ProcessBuilder(command).directory(Path.of("../..").toFile()));
        assertThat(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .startsWith("nestor")
                .hasLineCount(1);
        assertThat(new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8))
                .isEmpty();
        assertThat(process.waitFor()).isZero();
    }

    @Test
    void lockOfADeadProcessIsTakenOver() throws Exception {
        Files.createDirectories(root.resolve("apps/cli/target"));
        Process gone = new ProcessBuilder("true").start();
        gone.waitFor();
        Files.createSymbolicLink(root.resolve("apps/cli/target/build.lock"), Path.of(Long.toString(gone.pid())));
        assertThat(start(root.resolve("nestor")).status()).isZero();
        assertThat(root.resolve("apps/cli/target/build.lock")).doesNotExist();
    }

    /** Not in the folder in which somebody happened to be. */
    @Test
    void crashesLeaveTheirFilesInTheStateFolder() throws Exception {
        Path home = Files.createDirectory(root.resolve("a home"));
        assertThat(started("HOME=" + home, "XDG_STATE_HOME="))
                .contains(
                        "<-XX:ErrorFile=" + home + "/.local/state/nestor/hs_err_pid%p.log>",
                        "<-XX:-CreateCoredumpOnCrash>");
        assertThat(home.resolve(".local/state/nestor")).isDirectory();
        assertThat(started("HOME=" + home, "XDG_STATE_HOME=" + home + "/state"))
                .contains("<-XX:ErrorFile=" + home + "/state/nestor/hs_err_pid%p.log>");
        assertThat(started("HOME=/proc/none", "XDG_STATE_HOME=", "TMPDIR=" + root))
                .contains("<-XX:ErrorFile=" + root + "/hs_err_pid%p.log>");
    }

    private String started(String... environment) throws Exception {
        List<String> command = new ArrayList<>(List.of("env", "JAVA_HOME=" + jdk));
        command.addAll(List.of(environment));
        command.addAll(List.of(root.resolve("nestor").toString(), "run"));
        NestorProcess.Result result = NestorProcess.run("", command);
        assertThat(result.status()).as(result.err()).isZero();
        return result.out();
    }

    /** scripts/make-disk with an mmdebstrap that fails as dpkg makes it fail. */
    @Test
    void failedDiskSaysWhatDpkgSaid() throws Exception {
        Path programs = Files.createDirectory(root.resolve("programs"));
        program(
                programs.resolve("mmdebstrap"),
                "echo 'I: installing packages...'; echo 'update-alternatives: error: error creating symbolic "
                        + "link /x' >&2; echo 'E: mmdebstrap failed to run' >&2; exit 25");
        for (String each : List.of("genext2fs", "resize2fs")) program(programs.resolve(each), "exit 1");
        Path script = Path.of("../../scripts/make-disk").toAbsolutePath();
        NestorProcess.Result result = NestorProcess.run(
                "",
                List.of(
                        "env",
                        "PATH=" + programs + ":/usr/bin:/bin",
                        "sh",
                        script.toString(),
                        root.resolve("disk.raw").toString()));
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err())
                .isEqualTo("make-disk: mmdebstrap failed:\n  update-alternatives: error: error creating symbolic "
                        + "link /x\n  E: mmdebstrap failed to run\n");
        assertThat(root.resolve("disk.raw")).doesNotExist();
    }

    @Test
    void missingJdkIsOneLine() throws Exception {
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"17.0.1\"\n");
        String script = Files.readString(root.resolve(".mvn/find-jdk.sh"))
                .replaceAll("for nestor_home in .*; do", "for nestor_home in; do")
                .replace("command -v java", "command -v no-such-java");
        Files.writeString(root.resolve(".mvn/find-jdk.sh"), script);
        NestorProcess.Result result = start(root.resolve("nestor"));
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err().lines()).singleElement().asString().contains("no JDK 25", "; install one");
    }
}
