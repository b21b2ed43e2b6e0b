package org.nestorvm.boot;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.nestorvm.vmm.MemoryRange;

/**
 * A small guest's memory that fails the test when a byte is written outside RAM or twice. It begins full of garbage, so
 * that a missing zero shows.
 */
final class TestMemory implements BootPlan.Sink {
    static final byte GARBAGE = (byte) 0xcc;
    static final int SIZE = 16 << 20;
    static final List<MemoryRange> RANGES = List.of(
            new MemoryRange(0, 0xa0000, MemoryRange.Type.RAM),
            new MemoryRange(0xa0000, 0x60000, MemoryRange.Type.RESERVED),
            new MemoryRange(0x100000, SIZE - 0x100000, MemoryRange.Type.RAM),
            new MemoryRange(0xfec00000L, 0x1000, MemoryRange.Type.MMIO));

    private final byte[] bytes = new byte[SIZE];
    private final BitSet written = new BitSet();

    TestMemory(BootPlan plan) {
        Arrays.fill(bytes, GARBAGE);
        plan.place(this);
    }

    @Override
    public void write(long gpa, byte[] from, int offset, int length) {
        assertThat(gpa >= 0 && gpa + length <= SIZE && (gpa + length <= 0xa0000 || gpa >= 0x100000))
                .as("write at 0x%x+0x%x is in RAM", gpa, length)
                .isTrue();
        int clash = written.nextSetBit((int) gpa);
        assertThat(clash < 0 || clash >= gpa + length)
                .as("write at 0x%x+0x%x is the first there", gpa, length)
                .isTrue();
        written.set((int) gpa, (int) gpa + length);
        System.arraycopy(from, offset, bytes, (int) gpa, length);
    }

    Image image() {
        return new Image("memory", bytes);
    }

    byte[] bytes(long gpa, int length) {
        return Arrays.copyOfRange(bytes, (int) gpa, (int) gpa + length);
    }

    int u8(long gpa) throws BootException {
        return image().u8(gpa);
    }

    long u32(long gpa) throws BootException {
        return image().u32(gpa);
    }

    long u64(long gpa) throws BootException {
        return image().u64(gpa);
    }

    String text(long gpa) throws BootException {
        return image().text(gpa, 4096);
    }

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
