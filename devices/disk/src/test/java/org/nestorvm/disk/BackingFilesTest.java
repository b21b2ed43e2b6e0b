package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Commit, rebase, map and compare of chains of images, beside qemu-img where it is there. */
class BackingFilesTest {
    private static final int SIZE = 2 << 20, CLUSTER = 65_536;
    private static final OpenOptions READ = OpenOptions.READ.withFormat("qcow2"),
            WRITE = OpenOptions.WRITE.withFormat("qcow2");

    @TempDir(factory = MemoryFolder.class)
    Path directory;

    private Path base, middle, top, flat;

    @BeforeEach
    void paths() {
        base = directory.resolve("base");
        middle = directory.resolve("middle");
        top = directory.resolve("top");
        flat = directory.resolve("flat");
    }

    private static byte[] read(Path file, OpenOptions options) throws IOException {
        try (DiskImage image = Disks.open(file, options)) {
            return Buffer.read(image, 0, (int) image.sizeBytes());
        }
    }

    /**
     * A base, an overlay that is shorter, and one that is longer than both; each has data, zeroes and nothing at
     * places.
     */
    private void chain(String baseFormat, String options) throws IOException {
        Images.create(base, baseFormat, SIZE, ImageOptions.DEFAULT);
        try (DiskImage image = Disks.open(base, OpenOptions.WRITE.withFormat(baseFormat))) {
            for (int at = 0; at < SIZE; at += 3 * CLUSTER) Buffer.write(image, at, Buffer.random(2 * CLUSTER, at));
        }
        ImageOptions made = ImageOptions.parse("qcow2", options);
        Images.create(middle, "qcow2", SIZE / 2, made.withBacking("base", baseFormat));
        Images.create(top, "qcow2", SIZE + 5 * 512, made.withBacking("middle", "qcow2"));
        for (Path file : List.of(middle, top)) {
            try (DiskImage image = Disks.open(file, WRITE)) {
                int shift = file == top ? 3 * CLUSTER + 1024 : 0;
                Buffer.write(image, 5 * CLUSTER + 512 + shift, Buffer.random(CLUSTER, 7 + shift));
                image.writeZeroes(9L * CLUSTER + shift, 2 * CLUSTER, true);
                Buffer.write(image, image.sizeBytes() - 1024, Buffer.random(1024, 8 + shift));
            }
        }
    }

    private void checkAll(Path... files) throws IOException {
        for (Path file : files) {
            Qcow2ModelTest.checkClean(file);
            if (QemuImg.present())
                assertThat(QemuImg.img(directory, "check", "-f", "qcow2", file)).contains("No errors were found");
        }
    }

    @ParameterizedTest
    @CsvSource({"raw,''", "qcow2,''", "qcow2,cluster_size=4K", "raw,compat=0.10", "qcow2,'compat=0.10,cluster_size=512'"
    })
    void commitMovesDownWhatTheImageHas(String baseFormat, String options) throws IOException {
        chain(baseFormat, options);
        byte[] seen = read(top, READ);
        Committer.commit(top, WRITE, null, false, _ -> {});
        assertThat(read(top, READ)).isEqualTo(seen);
        assertThat(read(middle, READ)).isEqualTo(seen);
        assertThat(Images.check(top, READ, null).allocatedClusters()).isZero();
        checkAll(top, middle);
        Committer.commit(middle, WRITE, null, true, _ -> {});
        assertThat(read(base, OpenOptions.READ.withFormat(baseFormat))).isEqualTo(seen);
        assertThat(read(top, READ)).isEqualTo(seen);
        assertThat(Images.check(middle, READ, null).allocatedClusters()).isPositive();
        checkAll(top, middle);
    }

    @Test
    void commitToALowerFileTakesAllThatIsBetween() throws IOException {
        chain("raw", "");
        byte[] seen = read(top, READ);
        Committer.commit(top, WRITE, Path.of("base"), false, _ -> {});
        assertThat(read(base, OpenOptions.READ.withFormat("raw"))).isEqualTo(seen);
        assertThat(read(top, READ)).isEqualTo(seen);
        assertThat(Images.check(top, READ, null).allocatedClusters()).isPositive();
        assertThatThrownBy(() -> Committer.commit(top, WRITE, Path.of("other"), false, _ -> {}))
                .hasMessageContaining("other: is not among the backing files");
        assertThatThrownBy(() -> Committer.commit(base, OpenOptions.WRITE.withFormat("raw"), null, false, _ -> {}))
                .hasMessageContaining("no backing file");
        assertThatThrownBy(() -> Committer.commit(top, OpenOptions.WRITE, null, false, _ -> {}))
                .hasMessageContaining("-f qcow2");
        try (DiskImage _ = Disks.open(middle, READ)) {
            assertThatThrownBy(() -> Committer.commit(top, WRITE, null, false, _ -> {}))
                    .hasMessageContaining("middle")
                    .hasMessageContaining("this command already uses the image");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "cluster_size=512", "cluster_size=4K,compat=0.10", "cluster_size=1K"})
    void rebaseKeepsWhatIsSeen(String options) throws IOException {
        chain("qcow2", options);
        byte[] seen = read(top, READ), below = Buffer.random(SIZE / 4, 5);
        Files.write(flat, below);
        Rebaser.rebase(top, WRITE, "flat", "raw", _ -> {});
        assertThat(Images.info(top, READ).backingFile()).isEqualTo("flat");
        assertThat(read(top, READ)).isEqualTo(seen);
        checkAll(top);
        Rebaser.rebase(top, WRITE, "base", null, _ -> {});
        assertThat(Images.info(top, READ).backingFormat()).isEqualTo("qcow2");
        assertThat(read(top, READ)).isEqualTo(seen);
        Rebaser.rebase(top, WRITE, "", null, _ -> {});
        assertThat(Images.info(top, OpenOptions.READ).backingFile()).isNull();
        assertThat(read(top, OpenOptions.READ)).isEqualTo(seen);
        checkAll(top);
        if (QemuImg.present()) assertThat(QemuImg.img(directory, "info", top)).doesNotContain("backing");
    }

    @Test
    void renamingChangesTheHeaderAlone() throws IOException {
        chain("raw", "");
        byte[] seen = read(top, READ);
        Files.copy(middle, directory.resolve("a copy with a rather long name"));
        Rebaser.rename(top, OpenOptions.WRITE, "a copy with a rather long name", "qcow2");
        assertThat(read(top, READ)).isEqualTo(seen);
        Rebaser.rename(top, WRITE, "nowhere", "raw");
        assertThatThrownBy(() -> read(top, READ)).hasMessageContaining("nowhere");
        assertThatThrownBy(() -> Rebaser.rename(top, WRITE, "nowhere", null)).hasMessageContaining("nowhere");
        assertThatThrownBy(() -> Rebaser.rename(top, WRITE, "x".repeat(1024), "raw"))
                .hasMessageContaining("take a shorter one");
        Rebaser.rename(top, WRITE, "", null);
        assertThat(Images.info(top, OpenOptions.READ).backingFile()).isNull();
        if (QemuImg.present()) {
            QemuImg.img(directory, "rebase", "-u", "-f", "qcow2", "-b", "middle", "-F", "qcow2", top);
            assertThat(read(top, READ)).isEqualTo(seen);
            Rebaser.rename(top, WRITE, "middle", "qcow2");
            assertThat(QemuImg.img(directory, "info", top))
                    .contains("backing file: middle", "backing file format: qcow2");
        }
        checkAll(top);
    }

    /** The same rows, but that qemu-img before 8.2 does not tell what is compressed. */
    @ParameterizedTest
    @CsvSource({"raw,''", "qcow2,cluster_size=4K", "qcow2,compat=0.10"})
    void mapIsQemuImgs(String baseFormat, String options) throws IOException {
        QemuImg.needed();
        chain(baseFormat, options);
        Path packed = directory.resolve("packed");
        Converter.convert(top, READ, packed, "qcow2", ImageOptions.DEFAULT, true, _ -> {});
        for (Path file : List.of(base, middle, top, packed)) {
            String format = file == base ? baseFormat : "qcow2";
            List<String> ours = new ArrayList<>();
            Images.map(
                    file,
                    OpenOptions.READ.withFormat(format),
                    0,
                    Long.MAX_VALUE,
                    row -> ours.add(row.start() + " " + row.length() + " " + row.depth() + " " + row.present() + " "
                            + row.zero() + " " + row.data() + " " + row.offset()));
            String theirs = QemuImg.img(directory, "map", "-f", format, "--output=json", file);
            List<String> rows = theirs.lines()
                    .filter(line -> line.contains("start"))
                    .map(line -> field(line, "start") + " " + field(line, "length") + " " + field(line, "depth") + " "
                            + field(line, "present") + " " + field(line, "zero") + " " + field(line, "data") + " "
                            + (line.contains("offset") ? field(line, "offset") : "-1"))
                    .toList();
            assertThat(ours).as(file.toString()).isEqualTo(rows);
        }
        List<Extent> part = new ArrayList<>();
        Images.map(top, READ, 1000, 5 * CLUSTER, part::add);
        assertThat(part.getFirst().start()).isEqualTo(1000);
        assertThat(part.getLast().end()).isEqualTo(1000 + 5 * CLUSTER);
    }

    private static String field(String line, String name) {
        return line.replaceFirst(".*\"" + name + "\": ([a-z0-9]+).*", "$1");
    }

    private Comparison.Result compare(Path one, String format, Path other, String otherFormat, boolean strict)
            throws IOException {
        try (Comparison comparison = new Comparison(
                one, OpenOptions.READ.withFormat(format), other, OpenOptions.READ.withFormat(otherFormat))) {
            return comparison.compare(strict, _ -> {});
        }
    }

    @Test
    void comparisonFindsTheFirstSectorThatDiffers() throws IOException {
        chain("qcow2", "");
        Converter.convert(top, READ, flat, "raw", ImageOptions.DEFAULT, false, _ -> {});
        assertThat(compare(top, "qcow2", flat, "raw", false).kind()).isEqualTo(Comparison.Kind.EQUAL);
        assertThat(compare(flat, "raw", top, "qcow2", true).kind()).isEqualTo(Comparison.Kind.STATUS);
        byte[] bytes = Files.readAllBytes(flat), longer = Arrays.copyOf(bytes, bytes.length + 4096);
        Files.write(flat, longer);
        assertThat(compare(top, "qcow2", flat, "raw", false).kind()).isEqualTo(Comparison.Kind.EQUAL);
        assertThat(compare(top, "qcow2", flat, "raw", true).kind()).isEqualTo(Comparison.Kind.SIZE);
        longer[longer.length - 600] = 1;
        Files.write(flat, longer);
        assertThat(compare(flat, "raw", top, "qcow2", false))
                .isEqualTo(new Comparison.Result(Comparison.Kind.CONTENT, longer.length - 1024));
        for (int at : new int[] {0, 511, 512, 700_000, 9 * CLUSTER + 5, bytes.length - 1}) {
            byte[] changed = bytes.clone();
            changed[at] ^= 1;
            Files.write(flat, changed);
            assertThat(compare(top, "qcow2", flat, "raw", false))
                    .isEqualTo(new Comparison.Result(Comparison.Kind.CONTENT, at / 512 * 512));
            if (QemuImg.present())
                assertThat(QemuImg.run(directory, "qemu-img", "compare", "-f", "qcow2", "-F", "raw", top, flat)
                                .out())
                        .contains("offset " + at / 512 * 512 + "!");
        }
    }
}
