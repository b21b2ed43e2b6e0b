package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
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
            return snapshots.equals(other.snapshots)
                    && java.util.Arrays.deepEquals(disks.toArray(), other.disks.toArray());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cluster_size=512",
                "cluster_size=4K",
                "cluster_size=16K,compat=0.10",
                "cluster_size=1K,refcount_bits=64",
                "cluster_size=4K,lazy_refcounts=on"
            })
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
                assertThat(found.messages())
                        .as("%s, event %d of %d", what, upTo, file.events())
                        .isEmpty();
                Holds holds = Holds.of(after);
                if (holds.equals(old)) wasOld++;
                else if (holds.equals(made)) wasNew++;
                else
                    throw new AssertionError(what + ", event " + upTo + " of " + file.events()
                            + ": neither the old state nor the new one, "
                            + holds.snapshots);
            }
        }
        assertThat(wasOld).as(what).isPositive();
        assertThat(wasNew).as(what).isPositive();
    }

    /** Both files at the same moment: the guest of the image reads what it read before. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "raw,cluster_size=4K",
                "qcow2,cluster_size=512",
                "qcow2,cluster_size=4K,lazy_refcounts=on",
                "raw,cluster_size=4K,compat=0.10"
            })
    void p46_crashWhileCommittingNeverChangesWhatAGuestReads(String shape) throws IOException {
        boolean raw = shape.startsWith("raw");
        ImageOptions options = ImageOptions.parse("qcow2", shape.substring(shape.indexOf(',') + 1));
        AtomicLong clock = new AtomicLong();
        RecordingFile base = new RecordingFile(new byte[raw ? SIZE : 0], clock),
                top = new RecordingFile(new byte[0], clock);
        Random random = new Random(shape.hashCode());
        if (!raw) {
            Qcow2Create.write(base, SIZE, options);
            scribble(base, random);
        }
        Qcow2Create.write(top, SIZE, options.withBacking("base", raw ? "raw" : "qcow2"));
        overlaid(top, base, raw, false, image -> {
            for (int i = 0; i < 6; i++)
                Buffer.write(image, random.nextInt(SIZE / 512 - 64) * 512, Buffer.random(20_000 / 512 * 512, i));
            image.writeZeroes(100 << 9, 64 << 9, true);
        });
        byte[] baseBefore = base.content(), topBefore = top.content(), seen = seen(topBefore, baseBefore, raw);
        base.startRecording();
        top.startRecording();
        try (DiskImage below = open(base, raw, false);
                DiskImage image = Qcow2Image.open(top, true, (_, _, _) -> below)) {
            Committer.run(top, image, below, 1, true, _ -> {});
        }
        long first = clock.get() - base.events() - top.events();
        for (long moment = first; moment <= clock.get(); moment += 1 + random.nextInt(5)) {
            byte[] baseAfter = RecordingFile.afterCrash(baseBefore, base, base.eventsUntil(moment), random);
            byte[] topAfter = RecordingFile.afterCrash(topBefore, top, top.eventsUntil(moment), random);
            String when = "event " + (moment - first) + " of " + (clock.get() - first);
            assertThat(Qcow2Check.run(new RecordingFile(topAfter), Qcow2Check.Repair.NONE)
                            .messages())
                    .as(when)
                    .isEmpty();
            assertThat(seen(topAfter, baseAfter, raw)).as(when).isEqualTo(seen);
        }
        assertThat(Qcow2Check.run(top, Qcow2Check.Repair.NONE).allocatedClusters())
                .isZero();
        assertThat(seen(top.content(), base.content(), raw)).isEqualTo(seen);
    }

    private static DiskImage open(BlockFile file, boolean raw, boolean readOnly) throws IOException {
        return raw ? new RawImage(file, readOnly, false) : Qcow2Image.open(file, readOnly, null);
    }

    @FunctionalInterface
    private interface Use {
        void of(DiskImage image) throws IOException;
    }

    private static void overlaid(BlockFile top, BlockFile base, boolean raw, boolean readOnly, Use use)
            throws IOException {
        try (DiskImage image = Qcow2Image.open(top, readOnly, (_, _, _) -> open(base, raw, true))) {
            use.of(image);
        }
    }

    private static byte[] seen(byte[] top, byte[] base, boolean raw) throws IOException {
        byte[][] seen = new byte[1][];
        overlaid(
                new RecordingFile(top),
                new RecordingFile(base),
                raw,
                true,
                image -> seen[0] = Buffer.read(image, 0, SIZE));
        return seen[0];
    }

    /** A header names its old backing file or the new one, each with its format. */
    @ParameterizedTest
    @ValueSource(strings = {"cluster_size=512", "cluster_size=4K", "cluster_size=64K", "cluster_size=4K,compat=0.10"})
    void crashWhileTheBackingFileIsRenamed(String options) throws IOException {
        String[][] steps = {
            {"base.raw", "raw"},
            {"a somewhat longer name, that lies elsewhere.qcow2", "qcow2"},
            {"b", "raw"},
            {null, null},
            {"c".repeat(200), "qcow2"},
            {"d", "qcow2"}
        };
        RecordingFile file = new RecordingFile(new byte[0]);
        Qcow2Create.write(file, SIZE, ImageOptions.parse("qcow2", options).withBacking(steps[0][0], steps[0][1]));
        Random random = new Random(3);
        int extensions = Qcow2Header.read(file).extensions.size();
        for (int step = 1; step < steps.length; step++) {
            byte[] before = file.content();
            file.startRecording();
            BackingName.write(file, steps[step][0], steps[step][1]);
            for (int upTo = 0; upTo <= file.events(); upTo++) {
                for (int chance = 0; chance < 4 * CHANCES; chance++) {
                    Qcow2Header header =
                            Qcow2Header.read(new RecordingFile(RecordingFile.afterCrash(before, file, upTo, random)));
                    String named = header.backingName + " " + header.backingFormat;
                    assertThat(named)
                            .isIn(
                                    String.join(" ", steps[step - 1][0], steps[step - 1][1]),
                                    String.join(" ", steps[step][0], steps[step][1]));
                }
            }
            Qcow2Header header = Qcow2Header.read(file);
            assertThat(header.backingName).isEqualTo(steps[step][0]);
            assertThat(header.extensions).hasSize(steps[step][1] == null ? extensions - 1 : extensions);
        }
    }
}
