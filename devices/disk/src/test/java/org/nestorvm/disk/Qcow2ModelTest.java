package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/**
 * Random requests to a qcow2 image and to an array of bytes: they read the same, and the image checks clean whenever it
 * is closed.
 */
class Qcow2ModelTest {
    /** @param backing none, raw or qcow2; {@code overhang} of its end over or under the image's, in sectors */
    record Shape(
            int clusterBits,
            int version,
            String backing,
            int overhang,
            boolean lazy,
            int refcountBits,
            String preallocation) {
        ImageOptions options() {
            ImageOptions options =
                    ImageOptions.DEFAULT.withClusterBytes(1 << clusterBits).withVersion(version);
            return version == 2
                    ? options
                    : options.withLazyRefcounts(lazy)
                            .withRefcountBits(refcountBits)
                            .withPreallocation(backing == null ? preallocation : "off");
        }
    }

    @Provide
    Arbitrary<Shape> shapes() {
        return Combinators.combine(
                        Arbitraries.of(9, 10, 12, 14, 16, 18, 21),
                        Arbitraries.of(2, 3, 3),
                        Arbitraries.of(null, "raw", "qcow2"),
                        Arbitraries.integers().between(-40, 40),
                        Arbitraries.of(false, false, true),
                        Arbitraries.of(16, 16, 1, 2, 4, 8, 32, 64),
                        Arbitraries.of("off", "off", "metadata", "falloc", "full"))
                .as(Shape::new);
    }

    @Property(tries = 25, edgeCases = net.jqwik.api.EdgeCasesMode.NONE)
    void imageReadsWhatTheModelReads(@ForAll("shapes") Shape shape, @ForAll long seed) throws IOException {
        Path directory = MemoryFolder.create();
        try {
            run(directory, shape, new Random(seed));
        } finally {
            try (Stream<Path> files = Files.list(directory)) {
                for (Path file : files.toList()) Files.delete(file);
            }
            Files.delete(directory);
        }
    }

    private static void run(Path directory, Shape shape, Random random) throws IOException {
        int clusterBytes = 1 << shape.clusterBits;
        int sectors = (int) Math.min(40L * clusterBytes / 512, 8192) + random.nextInt(64) + 1;
        byte[] model = new byte[sectors * 512];
        ImageOptions options = shape.options();
        Path file = directory.resolve("top.qcow2");
        byte[] below = new byte[0];
        if (shape.backing != null) {
            below = Buffer.random(Math.max(1, sectors + shape.overhang) * 512, random.nextLong());
            Images.create(
                    directory.resolve("base"),
                    shape.backing,
                    below.length,
                    ImageOptions.DEFAULT.withClusterBytes(4096));
            try (DiskImage base = Disks.open(directory.resolve("base"), OpenOptions.WRITE.withFormat(shape.backing))) {
                Buffer.write(base, 0, below);
            }
            System.arraycopy(below, 0, model, 0, Math.min(below.length, model.length));
            options = options.withBacking("base", shape.backing);
        }
        byte[] baseFile = shape.backing == null ? null : Files.readAllBytes(directory.resolve("base"));
        Images.create(file, "qcow2", model.length, options);
        for (int session = 0; session < 4; session++) {
            try (DiskImage image = Disks.open(file, OpenOptions.WRITE.withFormat("qcow2"))) {
                assertThat(image.sizeBytes()).isEqualTo(model.length);
                for (int i = 0; i < 40; i++) step(image, model, random, shape);
                assertThat(Buffer.read(image, 0, model.length)).isEqualTo(model);
                nothingIsMissed(image, model);
            }
            checkClean(file);
            if (session == 1) model = resized(file, model, random);
        }
        if (baseFile != null)
            assertThat(Files.readAllBytes(directory.resolve("base")))
                    .as("p46: the base is never written")
                    .isEqualTo(baseFile);
    }

    private static byte[] resized(Path file, byte[] model, Random random) throws IOException {
        byte[] next = Arrays.copyOf(model, (model.length / 512 / 2 + 1 + random.nextInt(model.length / 512 * 2)) * 512);
        Images.resize(file, OpenOptions.WRITE.withFormat("qcow2"), next.length, true);
        checkClean(file);
        return next;
    }

    static void checkClean(Path file) throws IOException {
        CheckResult result = Images.check(file, OpenOptions.READ, null);
        assertThat(result.messages()).isEmpty();
        assertThat(result.clean()).isTrue();
    }

    private static void step(DiskImage image, byte[] model, Random random, Shape shape) throws IOException {
        int sectors = model.length / 512,
                at = random.nextInt(sectors),
                most = Math.min(sectors - at, random.nextInt(4) == 0 ? sectors : 1 + random.nextInt(64));
        int count = random.nextInt(most + 1), offset = at * 512, bytes = count * 512;
        switch (random.nextInt(10)) {
            case 0, 1, 2, 3 -> {
                byte[] data = Buffer.random(bytes, random.nextLong());
                if (!random.nextBoolean() || !Buffer.tryWrite(image, offset, data)) Buffer.write(image, offset, data);
                System.arraycopy(data, 0, model, offset, bytes);
            }
            case 4 ->
                assertThat(Buffer.read(image, offset, bytes))
                        .isEqualTo(Arrays.copyOfRange(model, offset, offset + bytes));
            case 5 -> {
                byte[] read = Buffer.tryRead(image, offset, bytes);
                if (read != null) assertThat(read).isEqualTo(Arrays.copyOfRange(model, offset, offset + bytes));
            }
            case 6 -> {
                image.writeZeroes(offset, bytes, random.nextBoolean());
                Arrays.fill(model, offset, offset + bytes, (byte) 0);
            }
            case 7 -> discard(image, model, offset, bytes);
            case 8 -> image.flush();
            default -> nothingIsMissed(image, model);
        }
    }

    // Each sector reads zero or what it was; from then on it stays.
    private static void discard(DiskImage image, byte[] model, int offset, int bytes) throws IOException {
        image.discard(offset, bytes);
        byte[] now = Buffer.read(image, offset, bytes);
        for (int at = 0; at < bytes; at += 512) {
            byte[] sector = Arrays.copyOfRange(now, at, at + 512);
            if (!Arrays.equals(sector, new byte[512]))
                assertThat(sector).isEqualTo(Arrays.copyOfRange(model, offset + at, offset + at + 512));
        }
        System.arraycopy(now, 0, model, offset, bytes);
    }

    private static void nothingIsMissed(DiskImage image, byte[] model) throws IOException {
        for (long at = 0; at < image.sizeBytes(); ) {
            long data = image.nextData(at), hole = data < image.sizeBytes() ? image.nextHole(data) : data;
            for (long i = at; i < data; i++) {
                if (model[(int) i] != 0)
                    throw new AssertionError("data at " + i + ", said to be a hole from " + at + " to " + data);
            }
            if (hole <= data && data < image.sizeBytes()) throw new AssertionError("no progress at " + data);
            at = hole;
        }
    }
}
