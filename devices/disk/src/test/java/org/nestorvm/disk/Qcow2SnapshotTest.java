package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Snapshots made, applied and deleted here, with what qemu-img says of them, and the other way round. */
class Qcow2SnapshotTest {
    private static final int SIZE = 3 << 20;

    @TempDir(factory = MemoryFolder.class)
    Path directory;

    private Path file, raw;
    private byte[] content = new byte[SIZE];
    private final Random random = new Random(4);

    @BeforeEach
    void paths() {
        file = directory.resolve("a.qcow2");
        raw = directory.resolve("a.raw");
    }

    private void scribble() throws IOException {
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE)) {
            for (int i = 0; i < 12; i++) {
                int at = random.nextInt(SIZE / 512 - 200) * 512, bytes = (1 + random.nextInt(200)) * 512;
                byte[] data = i % 4 == 3 ? new byte[bytes] : Buffer.random(bytes, random.nextLong());
                if (i % 4 == 3) image.writeZeroes(at, bytes, i % 8 == 3);
                else Buffer.write(image, at, data);
                System.arraycopy(data, 0, content, at, bytes);
            }
        }
    }

    private byte[] read() throws IOException {
        try (DiskImage image = Disks.open(file, OpenOptions.READ)) {
            return Buffer.read(image, 0, (int) image.sizeBytes());
        }
    }

    private void check(byte[] expected) throws IOException {
        Qcow2ModelTest.checkClean(file);
        assertThat(read()).isEqualTo(expected);
    }

    private void checkByTheirs(byte[] expected) throws IOException {
        check(expected);
        if (!QemuImg.present()) return;
        assertThat(QemuImg.img(directory, "check", file)).contains("No errors were found");
        java.nio.file.Files.write(raw, expected);
        assertThat(QemuImg.img(directory, "compare", "-f", "qcow2", "-F", "raw", file, raw))
                .contains("identical");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "cluster_size=512",
                "cluster_size=4K,lazy_refcounts=on",
                "compat=0.10",
                "refcount_bits=64,cluster_size=2K",
                "cluster_size=4K,preallocation=metadata",
                "cluster_size=2M"
            })
    void diskGoesBackToWhatItWas(String options) throws IOException {
        Images.create(file, "qcow2", SIZE, ImageOptions.parse("qcow2", options));
        Map<String, byte[]> kept = new LinkedHashMap<>();
        for (String name : List.of("one", "two", "three")) {
            scribble();
            Images.createSnapshot(file, OpenOptions.WRITE, name);
            kept.put(name, content.clone());
            check(content);
        }
        scribble();
        checkByTheirs(content);
        assertThat(Images.snapshots(file, OpenOptions.READ))
                .extracting(Snapshot::name)
                .containsExactly("one", "two", "three");
        for (String name : List.of("two", "1", "three", "two")) {
            Images.applySnapshot(file, OpenOptions.WRITE, name);
            content = kept.get(name.equals("1") ? "one" : name).clone();
            check(content);
            scribble();
            check(content);
        }
        for (String name : List.of("two", "3", "one")) {
            Images.deleteSnapshot(file, OpenOptions.WRITE, name);
            check(content);
            scribble();
        }
        assertThat(Images.snapshots(file, OpenOptions.READ)).isEmpty();
        checkByTheirs(content);
    }

    /** Ours are listed, applied and deleted by qemu-img, its by us. */
    @ParameterizedTest
    @ValueSource(strings = {"", "cluster_size=512", "compat=0.10,cluster_size=4K"})
    void goBetweenQemuImgAndUs(String options) throws IOException {
        QemuImg.needed();
        Images.create(file, "qcow2", SIZE, ImageOptions.parse("qcow2", options));
        scribble();
        byte[] first = content.clone();
        Images.createSnapshot(file, OpenOptions.WRITE, "ours");
        scribble();
        byte[] second = content.clone();
        QemuImg.img(directory, "snapshot", "-c", "theirs", file);
        scribble();
        Images.createSnapshot(file, OpenOptions.WRITE, "ours too");
        checkByTheirs(content);
        assertThat(QemuImg.img(directory, "snapshot", "-l", file))
                .containsSubsequence("1 ", "ours", "2 ", "theirs", "3 ", "ours too");
        assertThat(Images.snapshots(file, OpenOptions.READ))
                .extracting(Snapshot::id)
                .containsExactly("1", "2", "3");
        Images.applySnapshot(file, OpenOptions.WRITE, "theirs");
        checkByTheirs(second);
        QemuImg.img(directory, "snapshot", "-a", "ours", file);
        checkByTheirs(first);
        content = first.clone();
        scribble();
        Images.deleteSnapshot(file, OpenOptions.WRITE, "theirs");
        checkByTheirs(content);
        QemuImg.img(directory, "snapshot", "-d", "ours", file);
        checkByTheirs(content);
        Images.deleteSnapshot(file, OpenOptions.WRITE, "ours too");
        checkByTheirs(content);
    }

    @Test
    void compressedClustersAndABackingFileAreKeptToo() throws IOException {
        java.nio.file.Files.write(raw, QemuImgTest.mixed(SIZE, 9));
        content = java.nio.file.Files.readAllBytes(raw);
        Converter.convert(raw, OpenOptions.READ, file, "qcow2", ImageOptions.DEFAULT, true, _ -> {});
        Images.createSnapshot(file, OpenOptions.WRITE, "packed");
        byte[] packed = content.clone();
        scribble();
        check(content);
        Images.applySnapshot(file, OpenOptions.WRITE, "packed");
        check(packed);
        Path over = directory.resolve("over.qcow2");
        Images.create(over, "qcow2", -1, ImageOptions.DEFAULT.withBacking("a.qcow2", "qcow2"));
        Images.createSnapshot(over, OpenOptions.WRITE, "empty");
        OpenOptions write = OpenOptions.WRITE.withFormat("qcow2");
        try (DiskImage image = Disks.open(over, write)) {
            Buffer.write(image, 0, Buffer.random(65_536, 3));
        }
        Images.applySnapshot(over, OpenOptions.WRITE, "empty");
        try (DiskImage image = Disks.open(over, write)) {
            assertThat(Buffer.read(image, 0, SIZE)).isEqualTo(packed);
        }
        Qcow2ModelTest.checkClean(over);
    }

    @Test
    void sizeGoesBackToo() throws IOException {
        Images.create(file, "qcow2", SIZE, ImageOptions.DEFAULT);
        scribble();
        byte[] small = content.clone();
        Images.createSnapshot(file, OpenOptions.WRITE, "small");
        Images.resize(file, OpenOptions.WRITE, 900L << 20, false);
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE)) {
            Buffer.write(image, 800 << 20, Buffer.random(512, 1));
        }
        Images.createSnapshot(file, OpenOptions.WRITE, "large");
        assertThatThrownBy(() -> Images.resize(file, OpenOptions.WRITE, SIZE, true))
                .hasMessageContaining("a.qcow2: an image with snapshots does not become smaller")
                .hasMessageContaining("snapshot -d");
        Images.applySnapshot(file, OpenOptions.WRITE, "small");
        check(small);
        Images.applySnapshot(file, OpenOptions.WRITE, "large");
        try (DiskImage image = Disks.open(file, OpenOptions.READ)) {
            assertThat(image.sizeBytes()).isEqualTo(900L << 20);
            assertThat(Buffer.read(image, 800 << 20, 512)).isEqualTo(Buffer.random(512, 1));
            assertThat(Buffer.read(image, 0, SIZE)).isEqualTo(small);
        }
    }

    @Test
    void spaceComesBack() throws IOException {
        Images.create(file, "qcow2", SIZE, ImageOptions.DEFAULT);
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE)) {
            Buffer.write(image, 0, Buffer.random(SIZE, 1));
        }
        Images.createSnapshot(file, OpenOptions.WRITE, "full");
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE)) {
            Buffer.write(image, 0, Buffer.random(SIZE, 2));
        }
        long both = Images.info(file, OpenOptions.READ).allocatedBytes();
        Images.deleteSnapshot(file, OpenOptions.WRITE, "full");
        long one = Images.info(file, OpenOptions.READ).allocatedBytes();
        assertThat(both - one).isGreaterThan(SIZE - 65_536);
        for (int i = 0; i < 20; i++) {
            Images.createSnapshot(file, OpenOptions.WRITE, "again");
            Images.deleteSnapshot(file, OpenOptions.WRITE, "again");
        }
        assertThat(Images.info(file, OpenOptions.READ).allocatedBytes()).isLessThan(one + 10 * 65_536);
        assertThat(read()).isEqualTo(Buffer.random(SIZE, 2));
    }

    @Test
    void whatCannotBeIsRefusedByOneLine() throws IOException {
        Images.create(raw, "raw", SIZE, ImageOptions.DEFAULT);
        assertThatThrownBy(() -> Images.createSnapshot(raw, OpenOptions.WRITE, "x"))
                .hasMessageContaining("a.raw")
                .hasMessageContaining("raw image");
        assertThat(Images.snapshots(raw, OpenOptions.READ)).isEmpty();
        Images.create(file, "qcow2", SIZE, ImageOptions.parse("qcow2", "refcount_bits=1"));
        Images.createSnapshot(file, OpenOptions.WRITE, "of nothing");
        scribble();
        byte[] before = java.nio.file.Files.readAllBytes(file);
        assertThatThrownBy(() -> Images.createSnapshot(file, OpenOptions.WRITE, "x"))
                .hasMessageContaining("refcount_bits");
        assertThatThrownBy(() -> Images.applySnapshot(file, OpenOptions.WRITE, "nope"))
                .hasMessageContaining("has no snapshot 'nope'");
        assertThatThrownBy(() -> Images.deleteSnapshot(file, OpenOptions.WRITE, "nope"))
                .hasMessageContaining("snapshot -l");
        assertThatThrownBy(() -> Images.createSnapshot(file, OpenOptions.WRITE, ""))
                .hasMessageContaining("1 to 255 bytes");
        assertThat(Arrays.equals(java.nio.file.Files.readAllBytes(file), before))
                .isTrue();
        try (DiskImage _ = Disks.open(file, OpenOptions.READ)) {
            assertThatThrownBy(() -> Images.createSnapshot(file, OpenOptions.WRITE, "x"))
                    .hasMessageContaining("this command already uses the image");
        }
    }
}
