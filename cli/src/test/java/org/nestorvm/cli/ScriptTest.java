package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
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

/** The launcher {@code ./nestor}, in a source tree made for the test, with a JDK and a Maven that only say what they were asked for. */
class ScriptTest {
    private static final String[] MODULES = {"memory", "paging", "vmm", "engine-soft", "engine-kvm", "devices", "boot", "machine", "cli"};
    @TempDir Path directory;
    private Path root, jdk;

    @BeforeEach void makeTree() throws IOException {
        root = Files.createDirectories(directory.resolve("a tree"));
        jdk = directory.resolve("jdk");
        Path source = Path.of("..").toAbsolutePath().normalize();
        for (String file : new String[] {"nestor", ".mvn/find-jdk.sh", ".mvn/jvm-options.sh"}) {
            Files.createDirectories(root.resolve(file).getParent());
            Files.copy(source.resolve(file), root.resolve(file), StandardCopyOption.COPY_ATTRIBUTES);
        }
        Files.createFile(root.resolve("pom.xml"));
        for (String module : MODULES) {
            Files.createDirectories(root.resolve(module + "/src/main"));
            Files.createFile(root.resolve(module + "/pom.xml"));
        }
        program(jdk.resolve("bin/java"), "for word; do echo \"<$word>\"; done");
        program(jdk.resolve("bin/javac"), "");
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.1\"\n");
        program(root.resolve("mvnw"), "echo \"$@\" >>mvnw.calls; mkdir -p cli/target/app/lib");
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
            for (Path path : paths.toList()) Files.setLastModifiedTime(path, FileTime.fromMillis(System.currentTimeMillis() - seconds * 1000L));
        }
    }

    private NestorProcess.Result start(Path script, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("env", "JAVA_HOME=" + jdk, "sh", "-c", "cd / && exec \"$0\" \"$@\"", script.toString()));
        command.addAll(List.of(arguments));
        return NestorProcess.run("", command);
    }

    private List<String> builds() throws IOException {
        Path calls = root.resolve("mvnw.calls");
        return Files.exists(calls) ? Files.readAllLines(calls) : List.of();
    }

    @Test void firstStartBuildsAndNextDoesNot() throws Exception {
        NestorProcess.Result first = start(root.resolve("nestor"), "run", "--append", "a  b");
        assertThat(first.status()).as(first.err()).isZero();
        assertThat(first.out()).endsWith("<-p>\n<" + root + "/cli/target/app/lib>\n<-m>\n<org.nestorvm.cli/org.nestorvm.cli.Nestor>\n<run>\n<--append>\n<a  b>\n");
        assertThat(first.err()).contains("nestor: building");
        assertThat(builds()).singleElement().asString().contains("-pl cli -am", "package");
        assertThat(start(root.resolve("nestor")).err()).isEmpty();
        assertThat(builds()).hasSize(1);
    }

    @Test void newerSourceBuildsAgain() throws Exception {
        start(root.resolve("nestor"));
        age(root, 30);
        Files.createFile(root.resolve("vmm/src/main/New.java"));
        start(root.resolve("nestor"));
        assertThat(builds()).hasSize(2);
    }

    @Test void isFoundThroughLinksFromAnyFolder() throws Exception {
        Files.createSymbolicLink(directory.resolve("one"), Path.of("a tree/nestor"));
        Path two = Files.createSymbolicLink(Files.createDirectory(directory.resolve("bin")).resolve("two"), Path.of("../one"));
        assertThat(start(two, "--version").out()).contains("<" + root + "/cli/target/app/lib>", "<--version>");
    }

    @Test void failedBuildSaysWhyAndIsTriedAgain() throws Exception {
        program(root.resolve("mvnw"), "echo x >>mvnw.calls; echo '[ERROR] Gone wrong'; exit 1");
        for (int round = 1; round <= 2; round++) {
            NestorProcess.Result result = start(root.resolve("nestor"));
            assertThat(result.status()).isEqualTo(1);
            assertThat(result.err()).contains("[ERROR] Gone wrong", "nestor: the build failed; ", "build.log has the rest");
            assertThat(builds()).hasSize(round);
        }
    }

    @Test void lockOfADeadProcessIsTakenOver() throws Exception {
        Files.createDirectories(root.resolve("cli/target"));
        Process gone = new ProcessBuilder("true").start();
        gone.waitFor();
        Files.createSymbolicLink(root.resolve("cli/target/build.lock"), Path.of(Long.toString(gone.pid())));
        assertThat(start(root.resolve("nestor")).status()).isZero();
        assertThat(root.resolve("cli/target/build.lock")).doesNotExist();
    }

    @Test void missingJdkIsOneLine() throws Exception {
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"17.0.1\"\n");
        String script = Files.readString(root.resolve(".mvn/find-jdk.sh")).replaceAll("for nestor_home in .*; do", "for nestor_home in; do").replace("command -v java", "command -v no-such-java");
        Files.writeString(root.resolve(".mvn/find-jdk.sh"), script);
        NestorProcess.Result result = start(root.resolve("nestor"));
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err().lines()).singleElement().asString().contains("no JDK 25", "; install one");
    }
}
