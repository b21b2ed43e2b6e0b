package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConverterTest {
    private static final int SIZE = (6 << 20) + 512;

    @TempDir
    Path directory;

    private Path raw, packed, back;
    private byte[] content;

    @BeforeEach
    void source() throws IOException {
        raw = directory.resolve("a.raw");
        packed = directory.resolve("b.qcow2");
        back = directory.resolve("c.raw");
        content = QemuImgTest.mixed(SIZE, 3);
        Files.write(raw, content);
    }

    private static void convert(Path from, Path to, String format, String options, boolean compress)
            throws IOException {
        Converter.convert(from, OpenOptions.READ, to, format, ImageOptions.parse(format, options), compress, _ -> {});
    }

    @ParameterizedTest
    @CsvSource({
        "'',false",
        "'',true",
        "compression_type=zstd,true",
        "cluster_size=4K,true",
        "'cluster_size=2M,compression_type=zstd',true",
        "cluster_size=512,false",
        "'cluster_size=1K,refcount_bits=64',true",
        "compat=0.10,true"
    })
    void thereAndBackIsEqual(String options, boolean compress) throws IOException {
        convert(raw, packed, "qcow2", options, compress);
        Qcow2ModelTest.checkClean(packed);
        convert(packed, back, "raw", "", false);
        assertThat(Files.readAllBytes(back)).isEqualTo(content);
        assertThat(Images.check(packed, OpenOptions.READ, null).compressedClusters() > 0)
                .isEqualTo(compress);
        if (compress && !options.contains("2M")) assertThat(Files.size(packed)).isLessThan(SIZE * 3L / 4);
        if (Files.isExecutable(Path.of("/usr/bin/qemu-img"))) {
            assertThat(QemuImg.img(directory, "check", packed)).contains("No errors were found");
            assertThat(QemuImg.img(directory, "compare", packed, raw)).contains("identical");
        }
        overwritten();
    }

    // Packed clusters are replaced by plain ones, and their space comes back.
    private void overwritten() throws IOException {
        byte[] all = Buffer.random(SIZE, 4);
        try (DiskImage image = Disks.open(packed, OpenOptions.WRITE)) {
            for (int at = 0; at < SIZE; at += 512 * 77)
                Buffer.write(image, at, Arrays.copyOfRange(all, at, Math.min(SIZE, at + 512 * 77)));
            assertThat(Buffer.read(image, 0, SIZE)).isEqualTo(all);
        }
        Qcow2ModelTest.checkClean(packed);
        assertThat(Images.check(packed, OpenOptions.READ, null).compressedClusters())
                .isZero();
    }

    private static byte[] bytesOf(Path image, OpenOptions options) throws IOException {
        try (DiskImage disk = Disks.open(image, options)) {
            return Buffer.read(disk, 0, (int) disk.sizeBytes());
        }
    }

    /**
     * Files that end in a hole or in data, within a sector or a grain or not: by themselves and below another image.
     */
    @ParameterizedTest
    @Timeout(20)
    @CsvSource({
        "65636,0",
        "65636,512",
        "65636,65536",
        "65636,65635",
        "100,0",
        "513,512",
        "4097,0",
        "1048577,1048570",
        "1049088,4096",
        "2097152,0",
        "0,0"
    })
    void p46_oddFilesAreCopiedToTheirEnd(int sizeBytes, int dataAt) throws IOException {
        try (var file = new java.io.RandomAccessFile(raw.toFile(), "rw")) {
            file.setLength(0);
            file.setLength(sizeBytes);
            file.seek(dataAt);
            if (dataAt > 0) file.write(7);
        }
        byte[] expected = Arrays.copyOf(Files.readAllBytes(raw), Math.ceilDiv(sizeBytes, 512) * 512);
        convert(raw, back, "raw", "", false);
        assertThat(bytesOf(back, OpenOptions.READ)).isEqualTo(expected);
        convert(raw, packed, "qcow2", "", true);
        assertThat(bytesOf(packed, OpenOptions.READ)).isEqualTo(expected);
        Path over = directory.resolve("over.qcow2"), flat = directory.resolve("flat.raw");
        Images.create(over, "qcow2", -1, ImageOptions.DEFAULT.withBacking("a.raw", "raw"));
        Converter.convert(
                over, OpenOptions.READ.withFormat("qcow2"), flat, "raw", ImageOptions.DEFAULT, false, _ -> {});
        assertThat(bytesOf(flat, OpenOptions.READ)).isEqualTo(expected);
    }

    @Test
    void sparseStaysSparse() throws IOException {
        Images.create(raw, "raw", 10L << 30, ImageOptions.DEFAULT);
        try (DiskImage image = Disks.open(raw, OpenOptions.WRITE)) {
            Buffer.write(image, 7L << 30, Buffer.random(65536, 1));
        }
        convert(raw, packed, "qcow2", "", false);
        assertThat(Files.size(packed)).isLessThan(2 << 20);
        convert(packed, back, "raw", "", false);
        assertThat(Images.info(back, OpenOptions.READ).allocatedBytes()).isLessThan(2 << 20);
        assertThat(Files.size(back)).isEqualTo(10L << 30);
    }

    @Test
    void failureLeavesTheOldFileAndNothingElse() throws IOException {
        convert(raw, packed, "qcow2", "", true);
        byte[] image = Files.readAllBytes(packed);
        long entry = Images.check(packed, OpenOptions.READ, null).imageEndOffset();
        for (int at = 6 * 65536; at < entry && at < image.length; at++) image[at] ^= (byte) 0x5a; // packed data
        Files.write(packed, image);
        Files.writeString(back, "precious");
        assertThatThrownBy(() -> convert(packed, back, "raw", "", false))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("b.qcow2")
                .hasMessageContaining("cannot be unpacked");
        assertThat(back).hasContent("precious");
        try (var files = Files.list(directory)) {
            assertThat(files).containsExactlyInAnyOrder(raw, packed, back);
        }
    }

    @Test
    void p52_targetInUseIsRefused() throws IOException {
        Images.create(packed, "qcow2", 1 << 20, ImageOptions.DEFAULT);
        try (DiskImage _ = Disks.open(packed, OpenOptions.READ)) {
            assertThatThrownBy(() -> convert(raw, packed, "qcow2", "", false))
                    .hasMessageContaining("b.qcow2")
                    .hasMessageContaining("this command already uses the image");
        }
        assertThatThrownBy(() -> convert(raw, raw, "qcow2", "", false)).hasMessageContaining("a.raw");
    }
}
