package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Raw and qcow2 side by side. {@code -Dnestor.disk.writes=16384} is the length of the reference system's own test. */
class ScribbleTest {
    private static final int WRITES = Integer.getInteger("nestor.disk.writes", 1000);
    private static final long SIZE = 4L << 30;

    @TempDir
    Path directory;

    private Path create(String name, String format) throws IOException {
        Path file = directory.resolve(name);
        Images.create(file, format, SIZE, ImageOptions.DEFAULT);
        return file;
    }

    @Test
    void p46_randomWritesToRawAndQcow2AreEqual() throws IOException {
        Path base = create("base.qcow2", "qcow2"), top = directory.resolve("top.qcow2");
        try (DiskImage raw = Disks.open(create("disk.raw", "raw"), OpenOptions.WRITE.withFormat("raw"))) {
            Random random = new Random(16_384);
            try (DiskImage qcow2 = Disks.open(base, OpenOptions.WRITE)) {
                scribble(raw, qcow2, random, WRITES / 2);
            }
            Images.create(top, "qcow2", -1, ImageOptions.DEFAULT.withBacking("base.qcow2", "qcow2"));
            try (DiskImage qcow2 = Disks.open(top, OpenOptions.WRITE.withFormat("qcow2"))) {
                scribble(raw, qcow2, random, WRITES / 2);
                equal(raw, qcow2);
            }
            try (DiskImage qcow2 = Disks.open(top, OpenOptions.READ.withFormat("qcow2"))) {
                equal(raw, qcow2);
            }
        }
        Qcow2ModelTest.checkClean(base);
        Qcow2ModelTest.checkClean(top);
    }

    private static void scribble(DiskImage raw, DiskImage qcow2, Random random, int writes) throws IOException {
        for (int i = 0; i < writes; i++) {
            byte[] data = Buffer.random((1 + random.nextInt(64)) * 512, random.nextLong());
            long at = random.nextLong((SIZE - data.length) / 512) * 512;
            Buffer.write(raw, at, data);
            Buffer.write(qcow2, at, data);
        }
    }

    private static void equal(DiskImage raw, DiskImage qcow2) throws IOException {
        for (long at = raw.nextData(0); at < SIZE; ) {
            long end = Math.min(raw.nextHole(at), at + (1 << 20));
            assertThat(Buffer.read(qcow2, at, (int) (end - at))).isEqualTo(Buffer.read(raw, at, (int) (end - at)));
            at = raw.nextData(end);
        }
        for (long at = qcow2.nextData(0); at < SIZE; ) {
            long end = Math.min(qcow2.nextHole(at), at + (1 << 20));
            assertThat(Buffer.read(raw, at, (int) (end - at))).isEqualTo(Buffer.read(qcow2, at, (int) (end - at)));
            at = qcow2.nextData(end);
        }
    }

    /**
     * Each thread owns every fourth sector, so that all of them fill, zero and free the same clusters at once, and each
     * knows what it must read.
     */
    @Test
    void requestsFromSeveralThreadsKeepEachOthersSectors() throws Exception {
        for (String options :
                new String[] {"cluster_size=4K", "cluster_size=64K", "cluster_size=2K,lazy_refcounts=on"}) {
            Path file = directory.resolve("busy.qcow2");
            Images.create(file, "qcow2", 2 << 20, ImageOptions.parse("qcow2", options));
            try (DiskImage image = Disks.open(file, OpenOptions.WRITE);
                    ExecutorService pool = Executors.newFixedThreadPool(5)) {
                List<Future<Void>> all = new ArrayList<>();
                for (int i = 0; i < 4; i++) all.add(pool.submit(owner(image, i)));
                all.add(pool.submit(() -> {
                    for (int i = 0; i < 100; i++) image.flush();
                    return null;
                }));
                for (Future<Void> one : all) one.get();
            }
            Qcow2ModelTest.checkClean(file);
        }
    }

    private static Callable<Void> owner(DiskImage image, int own) {
        return () -> {
            Random random = new Random(own);
            int sectors = (int) (image.sizeBytes() / 512);
            byte[][] known = new byte[sectors][];
            for (int i = 0; i < 1500; i++) {
                int sector = random.nextInt(sectors / 4) * 4 + own;
                switch (random.nextInt(5)) {
                    case 0, 1, 2 ->
                        Buffer.write(image, sector * 512L, known[sector] = Buffer.random(512, random.nextLong()));
                    case 3 -> {
                        image.writeZeroes(sector * 512L, 512, true);
                        known[sector] = null;
                    }
                    default ->
                        assertThat(Buffer.read(image, sector * 512L, 512))
                                .isEqualTo(known[sector] == null ? new byte[512] : known[sector]);
                }
            }
            for (int sector = own; sector < sectors; sector += 4)
                assertThat(Buffer.read(image, sector * 512L, 512))
                        .isEqualTo(known[sector] == null ? new byte[512] : known[sector]);
            return null;
        };
    }

    /**
     * Threads that own whole ranges, larger and smaller than clusters, write, discard and zero them, so that clusters
     * move between ranges all the time.
     */
    @Test
    void freedClustersNeverCarryAnothersWrite() throws Exception {
        Path file = directory.resolve("moving.qcow2");
        Images.create(file, "qcow2", 8 << 20, ImageOptions.parse("qcow2", "cluster_size=4K"));
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE);
                ExecutorService pool = Executors.newFixedThreadPool(4)) {
            List<Future<Void>> all = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                int own = i;
                all.add(pool.submit(() -> {
                    range(image, own * (2L << 20), 2 << 20, new Random(own));
                    return null;
                }));
            }
            for (Future<Void> one : all) one.get();
        }
        Qcow2ModelTest.checkClean(file);
    }

    private static void range(DiskImage image, long start, int size, Random random) throws IOException {
        byte[] model = new byte[size];
        for (int i = 0; i < 400; i++) {
            int at = random.nextInt(size / 512) * 512, bytes = Math.min(size - at, (1 + random.nextInt(100)) * 512);
            switch (random.nextInt(4)) {
                case 0, 1 -> {
                    byte[] data = Buffer.random(bytes, random.nextLong());
                    Buffer.write(image, start + at, data);
                    System.arraycopy(data, 0, model, at, bytes);
                }
                case 2 -> {
                    image.discard(start + at, bytes);
                    System.arraycopy(Buffer.read(image, start + at, bytes), 0, model, at, bytes);
                }
                default -> {
                    if (i % 8 == 0) image.flush();
                    assertThat(Buffer.read(image, start + at, bytes))
                            .isEqualTo(java.util.Arrays.copyOfRange(model, at, at + bytes));
                }
            }
        }
        assertThat(Buffer.read(image, start, size)).isEqualTo(model);
    }
}
