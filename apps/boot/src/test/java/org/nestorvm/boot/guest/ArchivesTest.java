package org.nestorvm.boot.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.commons.compress.archivers.cpio.CpioArchiveEntry;
import org.apache.commons.compress.archivers.cpio.CpioArchiveInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ArchivesTest {
    @TempDir
    Path directory;

    /** Each name with {@code mode major:minor content}. */
    private static Map<String, String> list(byte[] cpio) throws IOException {
        Map<String, String> all = new LinkedHashMap<>();
        try (CpioArchiveInputStream in = new CpioArchiveInputStream(new ByteArrayInputStream(cpio))) {
            for (CpioArchiveEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                String content = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                all.put(
                        entry.getName(),
                        Long.toOctalString(entry.getMode()) + " " + entry.getRemoteDeviceMaj() + ":"
                                + entry.getRemoteDeviceMin() + " " + content);
            }
        }
        return all;
    }

    @Test
    void initramfsHoldsFilesLinksAndDevicesInOrderOfNames() throws IOException {
        byte[] cpio = new Initramfs()
                .file("sbin/init", 0755, "#!")
                .link("bin/sh", "busybox")
                .characterDevice("dev/console", 0600, 5, 1)
                .blockDevice("dev/vda", 0660, 254, 0)
                .directory("/tmp/", 01777)
                .toArray();
        assertThat(new String(cpio, 0, 6, StandardCharsets.US_ASCII)).isEqualTo("070701");
        assertThat(list(cpio))
                .containsExactly(
                        Map.entry("bin", "40755 0:0 "),
                        Map.entry("bin/sh", "120777 0:0 busybox"),
                        Map.entry("dev", "40755 0:0 "),
                        Map.entry("dev/console", "20600 5:1 "),
                        Map.entry("dev/vda", "60660 254:0 "),
                        Map.entry("sbin", "40755 0:0 "),
                        Map.entry("sbin/init", "100755 0:0 #!"),
                        Map.entry("tmp", "41777 0:0 "));
    }

    @Test
    void nameCannotLeaveTheRoot() throws IOException {
        assertThat(list(new Initramfs().file("../../etc/passwd", 0644, "x").toArray()))
                .containsOnlyKeys("etc", "etc/passwd");
    }

    @Test
    void folderOfTheHostKeepsPermissionsAndLinks() throws IOException {
        Path program = Files.writeString(
                Files.createDirectories(directory.resolve("usr/bin")).resolve("run"), "x");
        Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-x--x"));
        Files.createSymbolicLink(directory.resolve("bin"), Path.of("usr/bin"));
        assertThat(list(new Initramfs().folder(directory).toArray()))
                .containsEntry("usr/bin/run", "100751 0:0 x")
                .containsEntry("bin", "120777 0:0 usr/bin");
    }

    @ParameterizedTest
    @ValueSource(strings = {".xz", ".zst", ".gz", ""})
    void packageIsReadInEachCompression(String suffix) throws IOException {
        Path deb = TestDeb.write(
                directory.resolve("a_1_amd64.deb"),
                suffix,
                Map.of("./boot/vmlinuz-6", "kernel", "./usr/share/doc", "text"));
        assertThat(DebPackage.extract(deb, name -> name.startsWith("boot/vmlinuz-")))
                .asString()
                .isEqualTo("kernel");
        assertThat(list(new Initramfs().debPackage(deb).toArray()))
                .containsEntry("boot/vmlinuz-6", "100755 0:0 kernel")
                .containsEntry("usr/share/doc", "100755 0:0 text");
    }

    @Test
    void whatIsNotInThePackageOrNoPackageSaysSo() throws IOException {
        Path deb = TestDeb.write(directory.resolve("a_1_amd64.deb"), ".xz", Map.of("./a", "b"));
        assertThatThrownBy(() -> DebPackage.extract(deb, "x"::equals))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("not in this package");
        Path other = Files.writeString(directory.resolve("b.deb"), "!<arch>\n");
        assertThatThrownBy(() -> DebPackage.extract(other, "x"::equals)).hasMessageContaining("not a Debian package");
        Path lzma = TestDeb.write(directory.resolve("c_1_amd64.deb"), ".lzma", Map.of());
        assertThatThrownBy(() -> DebPackage.extract(lzma, "x"::equals)).hasMessageContaining("data.tar.lzma");
    }
}
