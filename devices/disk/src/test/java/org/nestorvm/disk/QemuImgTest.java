package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Images go between QEMU's tools and ours in both directions. */
class QemuImgTest {
    private static final int SIZE = 8 << 20;

    @TempDir
    Path directory;

    private Path top, raw;
    private byte[] content;

    @BeforeEach
    void qemu() throws IOException {
        QemuImg.needed();
        top = directory.resolve("top.qcow2");
        raw = directory.resolve("content.raw");
        content = mixed(SIZE, 5);
        Files.write(raw, content);
    }

    /** Stretches of noise, of text and of zeroes. */
    static byte[] mixed(int sizeBytes, long seed) {
        Random random = new Random(seed);
        byte[] bytes = new byte[sizeBytes];
        for (int at = 0; at < sizeBytes; ) {
            int piece = Math.min(sizeBytes - at, (1 + random.nextInt(800)) * 512);
            switch (random.nextInt(3)) {
                case 0 -> System.arraycopy(Buffer.random(piece, random.nextLong()), 0, bytes, at, piece);
                case 1 -> {
                    for (int i = 0; i < piece; i++)
                        bytes[at + i] = (byte) ("a line of text " + i / 15 % 100).charAt(i % 15);
                }
                default -> {}
            }
            at += piece;
        }
        return bytes;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "compat=0.10",
                "cluster_size=512",
                "cluster_size=4K",
                "cluster_size=2M",
                "lazy_refcounts=on",
                "preallocation=metadata",
                "preallocation=falloc",
                "preallocation=full",
                "refcount_bits=1",
                "refcount_bits=2",
                "refcount_bits=4,cluster_size=1K",
                "refcount_bits=8",
                "refcount_bits=32",
                "refcount_bits=64,cluster_size=8K",
                "compression_type=zstd"
            })
    void ourFilesAreAcceptedAndEqual(String options) throws IOException {
        Images.create(top, "qcow2", SIZE, ImageOptions.parse("qcow2", options));
        try (DiskImage image = Disks.open(top, OpenOptions.WRITE)) {
            scribble(image, content, 6);
        }
        Files.write(raw, content);
        assertThat(QemuImg.img(directory, "check", top)).contains("No errors were found");
        assertThat(QemuImg.img(directory, "compare", top, raw)).contains("identical");
    }

    /** Writes what the array has in pieces, and changes both at random. */
    private static void scribble(DiskImage image, byte[] content, long seed) throws IOException {
        Random random = new Random(seed);
        for (int at = 0; at < content.length; at += 3 << 20)
            Buffer.write(image, at, Arrays.copyOfRange(content, at, Math.min(content.length, at + (3 << 20))));
        for (int i = 0; i < 150; i++) {
            int at = random.nextInt(content.length / 512 - 400) * 512, bytes = (1 + random.nextInt(400)) * 512;
            if (i % 3 == 0) {
                image.writeZeroes(at, bytes, i % 2 == 0);
                Arrays.fill(content, at, at + bytes, (byte) 0);
            } else {
                byte[] data = Buffer.random(bytes, i);
                Buffer.write(image, at, data);
                System.arraycopy(data, 0, content, at, bytes);
            }
            if (i % 40 == 0) image.flush();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "-o compat=0.10",
                "-o compat=1.1,lazy_refcounts=on",
                "-o cluster_size=512",
                "-o cluster_size=2M",
                "-o preallocation=metadata",
                "-o preallocation=full",
                "-o refcount_bits=1",
                "-o refcount_bits=8,cluster_size=4K",
                "-o refcount_bits=64",
                "-c",
                "-c -o compression_type=zstd",
                "-c -o cluster_size=4K",
                "-c -o cluster_size=2M",
                "-c -o compat=0.10"
            })
    void theirFilesAreReadAndWritten(String options) throws IOException {
        QemuImg.img(directory, (Object[]) ("convert -f raw -O qcow2 " + options + " " + raw + " " + top).split(" "));
        try (DiskImage image = Disks.open(top, OpenOptions.WRITE)) {
            assertThat(Buffer.read(image, 0, SIZE)).isEqualTo(content);
            Random random = new Random(8);
            for (int i = 0; i < 60; i++) {
                int at = random.nextInt(SIZE / 512 - 300) * 512;
                byte[] data = Buffer.random((1 + random.nextInt(300)) * 512, i);
                Buffer.write(image, at, data);
                System.arraycopy(data, 0, content, at, data.length);
            }
            assertThat(Buffer.read(image, 0, SIZE)).isEqualTo(content);
        }
        Qcow2ModelTest.checkClean(top);
        Files.write(raw, content);
        assertThat(QemuImg.img(directory, "check", top)).contains("No errors were found");
        assertThat(QemuImg.img(directory, "compare", top, raw)).contains("identical");
    }

    @Test
    void chainOfTheirsAndOursReadsTheSame() throws IOException {
        QemuImg.img(directory, "create", "-f", "qcow2", "-b", "content.raw", "-F", "raw", "mid.qcow2", "30M");
        QemuImg.io(
                directory,
                directory.resolve("mid.qcow2"),
                "write -P 17 1M 300k",
                "write -z 5M 1M",
                "write -P 3 29M 1M");
        Images.create(top, "qcow2", -1, ImageOptions.DEFAULT.withBacking("mid.qcow2", "qcow2"));
        try (DiskImage image = Disks.open(top, OpenOptions.WRITE.withFormat("qcow2"))) {
            assertThat(image.sizeBytes()).isEqualTo(30 << 20);
            Buffer.write(image, 2 << 20, Buffer.random(1 << 20, 9));
            image.discard(3 << 20, 1 << 20);
            image.writeZeroes(7 << 20, 2 << 20, true);
        }
        assertThat(QemuImg.img(directory, "check", top)).contains("No errors were found");
        QemuImg.img(directory, "convert", "-O", "raw", top, "flat.raw");
        try (DiskImage image = Disks.open(top, OpenOptions.READ.withFormat("qcow2"))) {
            assertThat(Buffer.read(image, 0, 30 << 20)).isEqualTo(Files.readAllBytes(directory.resolve("flat.raw")));
        }
        assertThat(Disks.chain(top, OpenOptions.READ.withFormat("qcow2"))).hasSize(3);
    }

    @Test
    void writesLeaveTheirSnapshotsAlone() throws IOException {
        QemuImg.img(directory, "convert", "-f", "raw", "-O", "qcow2", raw, top);
        QemuImg.img(directory, "snapshot", "-c", "before", top);
        byte[] before = content.clone();
        assertThat(Images.info(top, OpenOptions.READ).snapshots())
                .singleElement()
                .satisfies(snapshot -> assertThat(snapshot.name()).isEqualTo("before"));
        try (DiskImage image = Disks.open(top, OpenOptions.WRITE)) {
            scribble(image, content, 10);
            assertThat(Buffer.read(image, 0, SIZE)).isEqualTo(content);
        }
        Qcow2ModelTest.checkClean(top);
        assertThat(QemuImg.img(directory, "check", top)).contains("No errors were found");
        Files.write(raw, content);
        assertThat(QemuImg.img(directory, "compare", top, raw)).contains("identical");
        QemuImg.img(directory, "snapshot", "-a", "before", top);
        Files.write(raw, before);
        assertThat(QemuImg.img(directory, "compare", top, raw)).contains("identical");
    }

    @Test
    void whatIsNotSupportedIsRefusedByName() throws IOException {
        QemuImg.img(directory, "create", "-f", "qcow2", "-o", "extended_l2=on", "sub.qcow2", "1M");
        assertThatThrownBy(() -> Disks.open(directory.resolve("sub.qcow2"), OpenOptions.READ))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("sub.qcow2")
                .hasMessageContaining("extended L2");
        QemuImg.img(directory, "create", "-f", "qcow2", "-o", "data_file=data.raw", "ext.qcow2", "1M");
        assertThatThrownBy(() -> Disks.open(directory.resolve("ext.qcow2"), OpenOptions.READ))
                .hasMessageContaining("external data file");
        // Not LUKS (Qcow2OpenTest has its number): for that qemu-img times itself, and where the processor's time is
        // counted coarsely it gives up.
        QemuImg.img(
                directory,
                "create",
                "-f",
                "qcow2",
                "--object",
                "secret,id=s,data=x",
                "-o",
                "encrypt.format=aes,encrypt.key-secret=s",
                "aes.qcow2",
                "1M");
        assertThatThrownBy(() -> Disks.open(directory.resolve("aes.qcow2"), OpenOptions.READ))
                .hasMessageContaining("encrypted");
    }

    /** Where qemu-img reports a corruption we do, and what it cannot read we cannot read. */
    @ParameterizedTest
    @CsvSource({
        "zero flag and no place,3,0x8000010000000001,2,true",
        "zero flag and half a place,3,0x8000000000050201,2,true",
        "zero flag alone,3,1,3,false",
        "zero flag in version 2,2,0x8000000000050001,2,true",
        "reserved bit 4,3,0x8000000000050010,2,false",
        "reserved bit 60,3,0x9000000000050000,2,false",
        "compressed behind the end,3,0x4fc0010000000000,2,true",
        "compressed over the end,3,0x7fc000000006fe00,2,true",
        "compressed with COPIED,3,0xc040000000050000,2,true",
        "data behind the end,3,0x8000010000000000,2,true",
        "data over the L2 table,3,0x8000000000040000,2,false"
    })
    void damagedEntriesAreWhatQemuImgSays(String what, int version, String entry, int status, boolean unreadable)
            throws IOException {
        QemuImg.img(directory, "create", "-f", "qcow2", "-o", version == 2 ? "compat=0.10" : "compat=1.1", top, "1M");
        QemuImg.io(directory, top, "write -P 5 0 128k");
        try (var file = new java.io.RandomAccessFile(top.toFile(), "rw")) {
            file.seek(0x40000); // the L2 table
            file.writeLong(Long.parseUnsignedLong(entry.replace("0x", ""), 16));
        }
        boolean knows = version == 3; // it only fails to read the other
        assertThat(QemuImg.run(directory, "qemu-img", "check", top).status()).isEqualTo(knows ? status : 0);
        CheckResult found = Images.check(top, OpenOptions.READ, null);
        assertThat(found.corruptions() > 0 ? 2 : found.leaks() > 0 ? 3 : 0)
                .as(found.messages().toString())
                .isEqualTo(status);
        try (DiskImage image = Disks.open(top, OpenOptions.READ)) {
            if (unreadable)
                assertThatThrownBy(() -> Buffer.read(image, 0, 512)).hasMessageContaining("top.qcow2 is damaged");
            else Buffer.read(image, 0, 512);
            assertThat(Buffer.read(image, 65_536, 512)).containsOnly(5);
        }
    }

    @Test
    void sizesAreRoundedAsQemuImgRoundsThem() throws IOException {
        QemuImg.img(directory, "create", "-f", "qcow2", top, "1M");
        for (int size : new int[] {1000, 511, 512, 1 << 20}) {
            try (var file = new java.io.RandomAccessFile(top.toFile(), "rw")) {
                file.seek(Qcow2Header.SIZE);
                file.writeLong(size);
            }
            String theirs = QemuImg.img(directory, "info", "--output=json", top);
            assertThat(theirs).contains("\"virtual-size\": " + size / 512 * 512 + ",");
            assertThat(Images.info(top, OpenOptions.READ).sizeBytes()).isEqualTo(size / 512 * 512);
            try (DiskImage image = Disks.open(top, OpenOptions.READ)) {
                assertThat(image.sizeBytes()).isEqualTo(size / 512 * 512);
            }
        }
    }

    @Test
    void persistentBitmapsAreCountedAndThenMarkedStale() throws IOException {
        QemuImg.img(directory, "create", "-f", "qcow2", top, "64M");
        QemuImg.img(directory, "bitmap", "--add", top, "b0");
        Qcow2ModelTest.checkClean(top);
        try (DiskImage image = Disks.open(top, OpenOptions.WRITE)) {
            Buffer.write(image, 0, Buffer.random(65536, 1));
        }
        assertThat(Images.check(top, OpenOptions.READ, null).corruptions()).isZero();
        assertThat(Images.check(top, OpenOptions.WRITE, "leaks").clean()).isTrue();
        QemuImg.img(directory, "check", top);
    }

    @Test
    void p52_theirToolsAndOursKeepEachOtherAway() throws IOException {
        QemuImg.img(directory, "create", "-f", "qcow2", top, "64M");
        try (DiskImage _ = Disks.open(top, OpenOptions.WRITE)) {
            assertThat(QemuImg.run(directory, "qemu-img", "info", top).out()).contains("lock");
            assertThat(QemuImg.run(directory, "qemu-io", "-c", "read 0 512", top)
                            .status())
                    .isNotZero();
        }
        try (DiskImage _ = Disks.open(top, OpenOptions.READ)) {
            assertThat(QemuImg.run(directory, "qemu-img", "info", top).status()).isZero();
            assertThat(QemuImg.run(directory, "qemu-io", "-c", "write 0 512", top)
                            .out())
                    .contains("lock");
        }
        Process holder = new ProcessBuilder("qemu-io", top.toString())
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
        try {
            holder.getOutputStream().write("read 0 512\n".getBytes());
            holder.getOutputStream().flush();
            byte[] said = new byte[512];
            for (String all = ""; !all.contains("ops"); )
                all += new String(said, 0, Math.max(0, holder.getInputStream().read(said)));
            assertThatThrownBy(() -> Disks.open(top, OpenOptions.WRITE))
                    .hasMessageContaining("top.qcow2")
                    .hasMessageContaining("another process uses");
            assertThatThrownBy(() -> Disks.open(top, OpenOptions.READ)).hasMessageContaining("another process writes");
        } finally {
            holder.getOutputStream().close();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1 << 20, 600L << 20, 40L << 30})
    void resizedImagesAreAccepted(long newSize) throws IOException {
        for (String options : new String[] {"", "cluster_size=512", "cluster_size=4K"}) {
            if (options.contains("512") && newSize > 40L << 30) continue;
            Images.create(top, "qcow2", SIZE, ImageOptions.parse("qcow2", options));
            try (DiskImage image = Disks.open(top, OpenOptions.WRITE)) {
                scribble(image, content, 11);
            }
            Images.resize(top, OpenOptions.WRITE, newSize, true);
            try (DiskImage image = Disks.open(top, OpenOptions.WRITE)) {
                assertThat(image.sizeBytes()).isEqualTo(newSize);
                byte[] end = Buffer.random(512, 12);
                Buffer.write(image, newSize - 512, end);
                assertThat(Buffer.read(image, newSize - 512, 512)).isEqualTo(end);
                assertThat(Buffer.read(image, 0, 1 << 19)).isEqualTo(Arrays.copyOf(content, 1 << 19));
            }
            Qcow2ModelTest.checkClean(top);
            assertThat(QemuImg.img(directory, "check", top)).contains("No errors were found");
            assertThat(QemuImg.img(directory, "info", top)).contains("(" + newSize + " bytes)");
        }
    }
}
