package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The image after a loss of power at any write of a snapshot's making, applying or deleting: as it was before or as it
 * is after, snapshots included, and without a corruption or a leak.
 */
class Qcow2SwitchCrashTest {
    private static final int SIZE = 256 << 10;
    /** More of what was not synchronised is lost or kept with {@code -Dnestor.disk.crashes=N}. */
    private static final int CHANCES = Math.max(1, Integer.getInteger("nestor.disk.crashes", 30) / 15);

    @FunctionalInterface
    private interface Step {
        void of(BlockFile file) throws IOException;
    }

    /** All that the image holds. */
    private record Holds(List<String> snapshots, List<byte[]> disks) {
        static Holds of(byte[] bytes) throws IOException {
            List<String> names = new ArrayList<>();
            List<byte[]> disks = new ArrayList<>(List.of(disk(new RecordingFile(bytes))));
            for (Snapshot snapshot : Qcow2Snapshots.list(new RecordingFile(bytes))) {
                RecordingFile copy = new RecordingFile(bytes);
                Qcow2Snapshots.apply(copy, snapshot.id());
                names.add(snapshot.id() + " " + snapshot.name());
                disks.add(disk(copy));
            }
            return new Holds(names, disks);
        }

        private static byte[] disk(BlockFile file) throws IOException {
            try (DiskImage image = Qcow2Image.open(file, true, null)) {
                return Buffer.read(image, 0, (int) image.sizeBytes());
            }
        }

        boolean equals(Holds other) {
            return snapshots.equals(other.snapshots) && java.util.Arrays.deepEquals(disks.toArray(), other.disks.toArray());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"cluster_size=512", "cluster_size=4K", "cluster_size=16K,compat=0.10", "cluster_size=1K,refcount_bits=64",
        "cluster_size=4K,lazy_refcounts=on"})
    void p46_crashAtAnyWriteLeavesTheOldStateOrTheNewOne(String options) throws IOException {
        RecordingFile file = new RecordingFile(new byte[0]);
        Qcow2Create.write(file, SIZE, ImageOptions.parse("qcow2", options));
        Random random = new Random(options.hashCode());
        scribble(file, random);
        crash(file, random, "make", image -> Qcow2Snapshots.create(image, "one", Instant.EPOCH));
        scribble(file, random);
        crash(file, random, "make the second", image -> Qcow2Snapshots.create(image, "two", Instant.EPOCH));
        scribble(file, random);
        crash(file, random, "apply", image -> Qcow2Snapshots.apply(image, "one"));
        scribble(file, random);
        crash(file, random, "delete what is used", image -> Qcow2Snapshots.delete(image, "one"));
        crash(file, random, "empty", Qcow2Snapshots::empty);
        crash(file, random, "delete the last", image -> Qcow2Snapshots.delete(image, "two"));
    }

    private static void scribble(BlockFile file, Random random) throws IOException {
        try (DiskImage image = Qcow2Image.open(file, false, null)) {
            for (int i = 0; i < 6; i++) {
                int at = random.nextInt(SIZE / 512 - 64) * 512;
                if (i == 4) image.writeZeroes(at, 32 << 10, true);
                else Buffer.write(image, at, Buffer.random((1 + random.nextInt(64)) * 512, random.nextLong()));
            }
        }
    }

    private static void crash(RecordingFile file, Random random, String what, Step step) throws IOException {
        byte[] before = file.content();
        file.startRecording();
        step.of(file);
        Holds old = Holds.of(before), made = Holds.of(file.content());
        int wasOld = 0, wasNew = 0;
        for (int upTo = 1; upTo <= file.events(); upTo++) {
            for (int chance = 0; chance < CHANCES; chance++) {
                byte[] after = RecordingFile.afterCrash(before, file, upTo, random);
                CheckResult found = Qcow2Check.run(new RecordingFile(after), Qcow2Check.Repair.NONE);
                assertThat(found.messages()).as("%s, event %d of %d", what, upTo, file.events()).isEmpty();
                Holds holds = Holds.of(after);
                if (holds.equals(old)) wasOld++;
                else if (holds.equals(made)) wasNew++;
                else throw new AssertionError(what + ", event " + upTo + " of " + file.events() + ": neither the old state nor the new one, "
                    + holds.snapshots);
            }
        }
        assertThat(wasOld).as(what).isPositive();
        assertThat(wasNew).as(what).isPositive();
    }
}
