package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.sys.IoVector;

/**
 * Bytes as a qcow2 file: opened, read, written, discarded, checked and repaired. Whatever they are, there is an answer
 * or an IOException of one line, soon, and the file does not grow beyond what the requests can account for.
 */
class Qcow2FuzzTest {
    private static final int SEEDS = 250, LARGEST = 1 << 20;
    /** Opening maps little; a guest that writes 64 KiB through tables of 2 MiB clusters makes some of them. */
    private static final long GROWTH = 64L << 20;

    @MethodSource("seeds")
    @FuzzTest
    void image(byte[] data) {
        if (data.length > LARGEST) return;
        attempt(() -> read(new RecordingFile(data)));
        RecordingFile written = new RecordingFile(data);
        attempt(() -> write(written));
        assertThat(written.length()).isLessThan(data.length + GROWTH);
        attempt(() -> snapshots(new RecordingFile(data)));
        attempt(() -> Qcow2Check.run(new RecordingFile(data), Qcow2Check.Repair.LEAKS));
        RecordingFile mended = new RecordingFile(data);
        attempt(() -> Qcow2Check.run(mended, Qcow2Check.Repair.ALL));
        attempt(() -> Qcow2Check.run(mended, Qcow2Check.Repair.NONE));
    }

    @FunctionalInterface
    private interface Attempt {
        void run() throws IOException;
    }

    private static void attempt(Attempt attempt) {
        try {
            attempt.run();
        } catch (IOException e) {
            assertThat(e.getMessage().lines()).hasSize(1);
        }
    }

    private static void read(BlockFile file) throws IOException {
        try (DiskImage image = Qcow2Image.open(file, true, Qcow2FuzzTest::backing)) {
            for (long at : places(image)) attempt(() -> Buffer.read(image, at, 4096));
            attempt(() -> image.nextData(0));
        }
        SnapshotTable.read(file, Qcow2Header.read(file));
    }

    /** On what the check has found whole. */
    private static void snapshots(RecordingFile file) throws IOException {
        Qcow2Snapshots.create(file, "one", java.time.Instant.EPOCH);
        Qcow2Snapshots.apply(file, "one");
        Qcow2Snapshots.delete(file, "one");
        assertThat(Qcow2Check.run(file, Qcow2Check.Repair.NONE).messages()).isEmpty();
    }

    private static void write(BlockFile file) throws IOException {
        try (DiskImage image = Qcow2Image.open(file, false, Qcow2FuzzTest::backing)) {
            for (long at : places(image)) {
                attempt(() -> Buffer.write(image, at, Buffer.random(4096, at)));
                attempt(() -> image.writeZeroes(at, 2048, true));
                attempt(() -> image.discard(at, 4096));
            }
            attempt(image::flush);
            for (long at : places(image)) attempt(() -> Buffer.write(image, at, Buffer.random(4096, at)));
        }
    }

    private static long[] places(DiskImage image) {
        long last = (image.sizeBytes() - 4096) / 512 * 512;
        return last < 0 ? new long[0] : new long[] {0, Math.min(last, 3 * 4096), last / 1024 * 512, last};
    }

    private static DiskImage backing(String overlay, String name, String format) throws IOException {
        return new RawImage(new RecordingFile(new byte[8192]), true, true);
    }

    /**
     * Small images with some of everything, whole and with bytes of their tables changed, and noise behind a magic
     * number.
     */
    static Stream<byte[]> seeds() {
        return IntStream.range(0, SEEDS).mapToObj(n -> {
            SplittableRandom random = new SplittableRandom(n);
            byte[] bytes = valid(n % 8);
            if (n >= 8) mutate(bytes, random);
            return n % 11 == 10 ? Arrays.copyOf(bytes, random.nextInt(bytes.length)) : bytes;
        });
    }

    private static byte[] valid(int kind) {
        String[] options = {
            "cluster_size=512",
            "cluster_size=1K,lazy_refcounts=on",
            "cluster_size=512,refcount_bits=1",
            "cluster_size=1K,compat=0.10",
            "cluster_size=4K,compression_type=zstd",
            "cluster_size=512,refcount_bits=64",
            "cluster_size=4K",
            "cluster_size=1K,preallocation=metadata"
        };
        try {
            RecordingFile file = new RecordingFile(new byte[0]);
            ImageOptions made = ImageOptions.parse("qcow2", options[kind]);
            Qcow2Create.write(file, 65_536, kind == 6 ? made.withBacking("base", "raw") : made);
            try (Qcow2Image image = (Qcow2Image) Qcow2Image.open(file, false, Qcow2FuzzTest::backing);
                    Buffer buffer = new Buffer();
                    Compressor compressor = new Compressor(made.clusterBytes(), kind == 4)) {
                Buffer.write(image, 4096, Buffer.random(10_240, kind));
                image.writeZeroes(8192, 4096, true);
                image.writeZeroes(12_288, 1024, false);
                IoVector plain = buffer.vector(new byte[made.clusterBytes()], new java.util.Random(1));
                if (kind != 2) pack(image, compressor, plain, made.clusterBytes());
            }
            return file.content();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void pack(Qcow2Image image, Compressor compressor, IoVector plain, int clusterBytes)
            throws IOException {
        if (plain.length(0) < clusterBytes) return;
        int packed = compressor.pack(plain.base(0), clusterBytes);
        for (int i = 0; i < 3; i++) image.writePacked(32_768L + (long) i * clusterBytes, compressor.address(), packed);
    }

    private static void mutate(byte[] bytes, SplittableRandom random) {
        int changes = 1 + random.nextInt(6), tables = Math.min(bytes.length, 16_384);
        for (int i = 0; i < changes; i++) {
            int at = random.nextInt(random.nextBoolean() ? 112 : tables);
            switch (random.nextInt(4)) {
                case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bytes[at] = (byte) random.nextInt();
                case 2 -> System.arraycopy(bytes, random.nextInt(tables / 8) * 8, bytes, at / 8 * 8, 8);
                default ->
                    Arrays.fill(bytes, at, Math.min(bytes.length, at + 1 + random.nextInt(16)), (byte)
                            (random.nextBoolean() ? 0xff : 0));
            }
        }
    }
}
