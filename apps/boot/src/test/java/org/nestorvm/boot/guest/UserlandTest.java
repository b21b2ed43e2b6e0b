package org.nestorvm.boot.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.boot.BootException;

/** The fetch, with an apt of our own on the path: it resolves to two packages made here, and notes how it is called. */
class UserlandTest {
    @TempDir
    Path directory;

    private Path programs, cache, calls;

    @BeforeEach
    void makeApt() throws IOException {
        programs = Files.createDirectories(directory.resolve("programs"));
        cache = directory.resolve("cache/nestor");
        calls = directory.resolve("calls");
        Path repository = Files.createDirectories(directory.resolve("repository"));
        TestDeb.write(
                repository.resolve("bash_5.2-2_amd64.deb"),
                ".xz",
                Map.of("./bin/bash", "the bash", "./usr/share/doc/bash/README", "a text"));
        TestDeb.write(
                repository.resolve("libc6_1%3a2.36-9_amd64.deb"), ".xz", Map.of("./lib/libc.so.6", "the library"));
        apt("echo \"$@\" >>" + calls + "\ncase $1 in\n"
                + "install) echo 'Inst libc6 (1:2.36-9 Debian:12/oldstable [amd64]) []'; echo 'Inst bash (5.2-2 "
                + "Debian:12 [amd64])'; echo 'Conf bash (5.2-2 Debian:12 [amd64])' ;;\n"
                + "download) for p in bash_5.2-2 libc6_1%3a2.36-9; do case $* in *${p%%_*}=*) /bin/cp " + repository
                + "/${p}_amd64.deb . ;; esac; done ;;\nesac");
    }

    private void apt(String script) throws IOException {
        Path file = Files.writeString(programs.resolve("apt-get"), "#!/bin/sh\n" + script + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Initramfs make(Userland.Packages packages) throws BootException {
        return new Userland(cache, programs.toString()).make(packages, (done, what) -> {});
    }

    @Test
    void takesPackagesAndWhatTheyDependOnWithoutTheirTexts() throws IOException {
        String archive = new String(make(Userland.Packages.SMALL).toArray(), StandardCharsets.UTF_8);
        assertThat(archive)
                .contains("the bash", "the library", "run-checks", "/checks")
                .doesNotContain("a text");
    }

    @Test
    void asksAptOnce() throws IOException {
        make(Userland.Packages.SMALL);
        make(Userland.Packages.SMALL);
        assertThat(Files.readAllLines(calls)).hasSize(2);
        assertThat(Files.readAllLines(calls).getLast()).contains("libc6=1:2.36-9 bash=5.2-2");
    }

    @Test
    void anotherSetDownloadsOnlyWhatIsMissing() throws IOException {
        make(Userland.Packages.SMALL);
        Files.delete(cache.resolve("userland-1/bash_5.2-2_amd64.deb"));
        make(Userland.Packages.FULL);
        assertThat(Files.readAllLines(calls).getLast()).contains("bash=5.2-2").doesNotContain("libc6=");
    }

    @Test
    void refusalNamesCauseAndMendAndLeavesNoList() throws IOException {
        apt("echo 'E: Unable to locate package bash'; exit 100");
        assertThatThrownBy(() -> make(Userland.Packages.SMALL))
                .isInstanceOf(BootException.class)
                .hasMessageContaining("Unable to locate package bash")
                .hasMessageContaining("apt-get")
                .hasMessageStartingWith("userland:");
        assertThat(cache.resolve("userland-1/small.list")).doesNotExist();
    }

    @Test
    void unpacksFilesLinksAndPermissionsButNoDevices() throws IOException {
        Path tree = Files.createDirectory(directory.resolve("tree"));
        make(Userland.Packages.SMALL).unpack(tree);
        assertThat(tree.resolve("bin/bash")).hasContent("the bash");
        assertEquals("bash", Files.readSymbolicLink(tree.resolve("bin/sh")).toString());
        assertEquals(
                "rwxr-xr-x", PosixFilePermissions.toString(Files.getPosixFilePermissions(tree.resolve("run-checks"))));
        assertThat(tree.resolve("dev/console")).doesNotExist();
    }
}
