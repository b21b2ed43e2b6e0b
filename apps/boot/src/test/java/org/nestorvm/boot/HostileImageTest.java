package org.nestorvm.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.nestorvm.boot.TestImages.bzImage;
import static org.nestorvm.boot.TestImages.elf;
import static org.nestorvm.boot.TestImages.multiboot;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * A truncated or hostile image is one line of error; nothing is read outside the file or written outside RAM (which
 * {@link TestMemory} checks).
 */
class HostileImageTest {
    private static final int ROUNDS = Integer.getInteger("nestor.fuzz.rounds", 1000);
    /** Values that overflow, wrap, or lie on a border. */
    private static final long[] EVIL = {
        0,
        1,
        0x7f,
        0xff,
        0xfff,
        0x1000,
        0xffff,
        0x9ffff,
        0xa0000,
        0xfffff,
        0x100000,
        TestMemory.SIZE - 1,
        TestMemory.SIZE,
        0x7fffffffL,
        0x80000000L,
        0xfffffff0L,
        0xffffffffL,
        0x100000000L,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        -1,
        -0x1000,
        -0x100000
    };

    private static void attempt(byte[] bytes) {
        try {
            BootPlan plan = Boot.plan(new BootRequest(null, null, "", TestMemory.RANGES, 0), new Image("evil", bytes));
            new TestMemory(plan);
        } catch (BootException e) {
            assertThat(e.getMessage())
                    .startsWith("evil")
                    .contains("; ")
                    .doesNotContain("\n")
                    .hasSizeLessThan(400);
        }
    }

    private static List<byte[]> seeds() throws IOException {
        byte[] small = Arrays.copyOf(
                elf(true, TestImages.PVH_ENTRY, multiboot(3, 0, 0, 0, 0)),
                0x1000 + TestImages.TEXT_SIZE + TestImages.DATA_SIZE);
        byte[] flat = new Bytes()
                .raw(multiboot(0, 0x200000, 0, 0x300000, 0x200020))
                .zeros(4000)
                .toArray();
        return List.of(
                elf(true, TestImages.PVH_ENTRY, new byte[0]),
                elf(false, TestImages.PVH_ENTRY, new byte[0]),
                elf(false, -1, multiboot(3, 0, 0, 0, 0)),
                small,
                flat,
                bzImage(Payload.GZIP, small),
                bzImage(Payload.LZ4, small),
                bzImage(null, small));
    }

    @Test
    void p47_mutatedHeadersNeverReachOutsideFileOrMemory() throws IOException {
        for (byte[] seed : seeds()) {
            for (int round = 0; round < ROUNDS / 8; round++) {
                Random random = new Random(round);
                byte[] bytes = seed.clone();
                int headerBytes = Math.min(bytes.length, BzImage.matches(new Image("seed", seed)) ? 0x300 : 0x100);
                for (int n = 0; n <= random.nextInt(3); n++) {
                    int size = 1 << random.nextInt(4), at = random.nextInt(headerBytes - size + 1) & -Math.min(size, 4);
                    TestImages.put(bytes, Math.min(at, bytes.length - size), size, EVIL[random.nextInt(EVIL.length)]);
                }
                attempt(bytes);
            }
        }
    }

    @Test
    void p47_mutatedPayloadsNeverEscapeTheDecompressor() throws IOException {
        byte[] small = Arrays.copyOf(elf(true, -1, new byte[0]), 0x1000 + TestImages.TEXT_SIZE + TestImages.DATA_SIZE);
        for (Payload format : Payload.values()) {
            byte[] seed = bzImage(format, small);
            for (int round = 0; round < ROUNDS / 20; round++) {
                Random random = new Random(round);
                byte[] bytes = seed.clone();
                for (int n = 0; n <= random.nextInt(8); n++)
                    bytes[0xb00 + random.nextInt(bytes.length - 0xb00)] = (byte) random.nextInt();
                attempt(bytes);
            }
        }
    }

    @Test
    void p47_truncationAtEveryLengthIsAnError() throws IOException {
        for (byte[] seed : seeds()) {
            for (int length = 0; length < seed.length; length += length < 0x400 ? 1 : 1777)
                attempt(Arrays.copyOf(seed, length));
        }
    }

    @Test
    void p47_segmentsThatOverlapNameBoth() {
        byte[] image = elf(true, TestImages.PVH_ENTRY, new byte[0]);
        TestImages.put(image, 64 + 56 + 24, 8, TestImages.TEXT + 0x1000);
        assertThatThrownBy(
                        () -> Boot.plan(new BootRequest(null, null, "", TestMemory.RANGES, 0), new Image("k", image)))
                .hasMessageContaining("ELF segment 1")
                .hasMessageContaining("overlaps ELF segment 0");
    }

    @Test
    void p47_segmentOverTheLoadersOwnPiecesIsRefused() {
        byte[] image = elf(true, TestImages.PVH_ENTRY, new byte[0]);
        TestImages.put(image, 64 + 56 + 24, 8, BootLayout.START_INFO - 0x100);
        assertThatThrownBy(
                        () -> Boot.plan(new BootRequest(null, null, "", TestMemory.RANGES, 0), new Image("k", image)))
                .hasMessageContaining("overlaps");
    }
}
