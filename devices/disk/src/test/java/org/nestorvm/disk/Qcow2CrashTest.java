package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The image after a loss of power at any write, with any part of what was not synchronised lost and the rest kept: a
 * check finds no corruption (with lazy refcounts after they were counted anew), every sector reads what it held at the
 * last flush or something written since, and the image goes on working. More crashes of each workload, and more
 * workloads, with {@code -Dnestor.disk.crashes=N}.
 */
class Qcow2CrashTest {
    private static final int CRASHES = Integer.getInteger("nestor.disk.crashes", 30);
    private static final int SECTORS = 2048;

    /**
     * What is known of the disk at a place in the order of events: the guest's stamp in each sector at the last flush,
     * and those written later.
     */
    private record Known(long[] flushed, Map<Integer, Set<Long>> later) {}

    private final long[] flushed = new long[SECTORS];
    private final Map<Integer, Set<Long>> later = new HashMap<>();
    private final long[] now = new long[SECTORS];
    private long stamp;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cluster_size=512",
                "cluster_size=4K",
                "cluster_size=64K",
                "cluster_size=4K,lazy_refcounts=on",
                "cluster_size=64K,compat=0.10",
                "cluster_size=1K,refcount_bits=1",
                "cluster_size=4K,preallocation=metadata"
            })
    void p46_crashAtAnyWriteLeavesAWholeImageWithAllFlushedData(String options) throws IOException {
        for (int seed = 1; seed <= (CRASHES + 99) / 100; seed++)
            workload(ImageOptions.parse("qcow2", options), SECTORS * 512L, seed);
    }

    /** The refcount table and the L1 table are made for 64 KiB and have to grow. */
    @Test
    void p46_crashWhileTablesGrow() throws IOException {
        workload(ImageOptions.parse("qcow2", "cluster_size=512,refcount_bits=64"), 65_536, 4);
        workload(ImageOptions.parse("qcow2", "cluster_size=512,refcount_bits=64,lazy_refcounts=on"), 65_536, 5);
    }

    private void workload(ImageOptions options, long firstSize, long seed) throws IOException {
        java.util.Arrays.fill(flushed, 0);
        java.util.Arrays.fill(now, 0);
        later.clear();
        RecordingFile file = new RecordingFile(new byte[0]);
        Qcow2Create.write(file, firstSize, options);
        if (!options.preallocation().equals("off")) {
            try (Qcow2Image image = (Qcow2Image) Qcow2Image.open(file, false, null)) {
                image.preallocate(options.preallocation());
            }
        }
        byte[] before = file.content();
        file.startRecording();
        file.mark(known());
        Random random = new Random(seed);
        if (firstSize < SECTORS * 512L) {
            try (Qcow2Image image = (Qcow2Image) Qcow2Image.open(file, false, null)) {
                image.resize(SECTORS * 512L);
            }
        }
        for (int session = 0; session < 2; session++) {
            try (DiskImage image = Qcow2Image.open(file, false, null)) {
                for (int i = 0; i < 60; i++) step(file, image, random);
            }
            settle(file);
        }
        for (int i = 0; i < Math.min(CRASHES, 100); i++)
            crash(before, file, 1 + random.nextInt(file.events()), random, firstSize);
    }

    private Known known() {
        Map<Integer, Set<Long>> copy = new HashMap<>();
        later.forEach((sector, stamps) -> copy.put(sector, new HashSet<>(stamps)));
        return new Known(flushed.clone(), copy);
    }

    // All that is in the image now is durable.
    private void settle(RecordingFile file) {
        System.arraycopy(now, 0, flushed, 0, SECTORS);
        later.clear();
        file.mark(known());
    }

    private void step(RecordingFile file, DiskImage image, Random random) throws IOException {
        int at = random.nextInt(SECTORS),
                count = Math.min(SECTORS - at, 1 + random.nextInt(random.nextInt(5) == 0 ? 400 : 40));
        switch (random.nextInt(10)) {
            case 0, 1, 2, 3, 4 -> {
                stamp++;
                change(file, at, count, stamp);
                ByteBuffer data = ByteBuffer.allocate(count * 512);
                while (data.hasRemaining()) data.putLong(stamp);
                Buffer.write(image, at * 512L, data.array());
            }
            case 5, 6 -> {
                change(file, at, count, 0);
                image.writeZeroes(at * 512L, count * 512L, random.nextBoolean());
            }
            case 7 -> {
                for (int i = at; i < at + count; i++)
                    later.computeIfAbsent(i, _ -> new HashSet<>()).add(0L);
                file.mark(known());
                image.discard(at * 512L, count * 512L);
                ByteBuffer read = ByteBuffer.wrap(Buffer.read(image, at * 512L, count * 512));
                for (int i = 0; i < count; i++) now[at + i] = read.getLong(i * 512);
            }
            default -> {
                image.flush();
                settle(file);
            }
        }
    }

    private void change(RecordingFile file, int at, int count, long value) {
        for (int i = at; i < at + count; i++) {
            later.computeIfAbsent(i, _ -> new HashSet<>()).add(value);
            now[i] = value;
        }
        file.mark(known());
    }

    private void crash(byte[] before, RecordingFile recorded, int upTo, Random random, long firstSize)
            throws IOException {
        byte[] after = RecordingFile.afterCrash(before, recorded, upTo, random);
        Known known = (Known) recorded.marks(upTo).getLast();
        RecordingFile file = new RecordingFile(after);
        String where = "event " + upTo + " of " + recorded.events();
        boolean dirty = (Qcow2Header.read(file).incompatible & Qcow2Header.DIRTY) != 0;
        CheckResult found = Qcow2Check.run(file, Qcow2Check.Repair.NONE);
        if (!dirty)
            assertThat(found.corruptions()).as(where + ": " + found.messages()).isZero();
        try (DiskImage image = Qcow2Image.open(file, false, null)) {
            int sectors = (int) (image.sizeBytes() / 512);
            if (firstSize == SECTORS * 512L) assertThat(sectors).isEqualTo(SECTORS);
            ByteBuffer read = ByteBuffer.wrap(Buffer.read(image, 0, sectors * 512));
            for (int sector = 0; sector < sectors; sector++) verify(known, read, sector, where);
            Buffer.write(image, 0, Buffer.random(sectors * 512, upTo));
            image.flush();
            assertThat(Buffer.read(image, 0, sectors * 512)).isEqualTo(Buffer.random(sectors * 512, upTo));
        }
        assertThat(Qcow2Check.run(file, Qcow2Check.Repair.NONE).corruptions())
                .as("%s, written again", where)
                .isZero();
        assertThat(Qcow2Check.run(file, Qcow2Check.Repair.LEAKS).clean()).isTrue();
        assertThat(Qcow2Check.run(file, Qcow2Check.Repair.NONE).leaks()).isZero();
    }

    private static void verify(Known known, ByteBuffer read, int sector, String where) {
        long value = read.getLong(sector * 512);
        boolean torn = false;
        for (int i = 8; i < 512; i += 8) torn |= read.getLong(sector * 512 + i) != value;
        Set<Long> allowed = known.later.getOrDefault(sector, Set.of());
        if (torn || value != known.flushed[sector] && !allowed.contains(value)) {
            throw new AssertionError(
                    where + ": sector " + sector + " reads " + value + (torn ? " and other things" : "")
                            + "; at the last flush " + known.flushed[sector] + ", since then " + List.copyOf(allowed));
        }
    }

    /** No space at any write: the request fails, what was there stays, and with space again everything goes on. */
    @ParameterizedTest
    @ValueSource(strings = {"cluster_size=512", "cluster_size=4K", "cluster_size=4K,lazy_refcounts=on"})
    void fullDiskFailsRequestsAndNothingElse(String options) throws IOException {
        for (int limit = 0; limit < 60; limit += 3) {
            RecordingFile file = new RecordingFile(new byte[0]);
            Qcow2Create.write(file, 1 << 20, ImageOptions.parse("qcow2", options));
            Random random = new Random(limit);
            byte[] model = new byte[1 << 20];
            try (DiskImage image = Qcow2Image.open(file, false, null)) {
                fill(image, model, random, 10);
                image.flush();
                file.writesLeft = limit;
                for (int i = 0; i < 20; i++) failing(image, model, random);
                file.writesLeft = Long.MAX_VALUE;
                image.flush();
                assertThat(Buffer.read(image, 0, model.length)).isEqualTo(model);
                fill(image, model, random, 10);
                assertThat(Buffer.read(image, 0, model.length)).isEqualTo(model);
            }
            CheckResult result = Qcow2Check.run(file, Qcow2Check.Repair.NONE);
            assertThat(result.messages()).as("limit %d", limit).isEmpty();
        }
    }

    private static void fill(DiskImage image, byte[] model, Random random, int writes) throws IOException {
        for (int i = 0; i < writes; i++) {
            int at = random.nextInt(2000) * 512;
            byte[] data = Buffer.random((1 + random.nextInt(40)) * 512, random.nextLong());
            Buffer.write(image, at, data);
            System.arraycopy(data, 0, model, at, data.length);
        }
    }

    private static void failing(DiskImage image, byte[] model, Random random) throws IOException {
        int at = random.nextInt(2000) * 512;
        byte[] data = Buffer.random((1 + random.nextInt(40)) * 512, random.nextLong());
        try {
            Buffer.write(image, at, data);
            if (random.nextInt(3) == 0) image.flush();
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("ENOSPC");
        }
        byte[] read = Buffer.read(image, at, data.length);
        for (int i = 0; i < data.length; i += 512) {
            boolean isNew = java.util.Arrays.equals(read, i, i + 512, data, i, i + 512),
                    isOld = java.util.Arrays.equals(read, i, i + 512, model, at + i, at + i + 512);
            assertThat(isNew || isOld).isTrue();
        }
        System.arraycopy(read, 0, model, at, read.length);
    }
}
