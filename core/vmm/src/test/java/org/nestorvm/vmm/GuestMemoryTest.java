package org.nestorvm.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.vmm.MemoryRange.Type.MMIO;
import static org.nestorvm.vmm.MemoryRange.Type.RAM;
import static org.nestorvm.vmm.MemoryRange.Type.RESERVED;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Acts as a device that is given addresses by a guest. */
class GuestMemoryTest {
    private static final long P = 4096;
    /** Three ranges that adjoin, a device, a hole, one more range: pages 0-1, 2, 3-4, MMIO 5, hole 6-7, 8. */
    private static final MemoryMap MAP = MemoryMap.of(
            new MemoryRange(0, 2 * P, RAM),
            new MemoryRange(2 * P, P, RESERVED),
            new MemoryRange(3 * P, 2 * P, RAM),
            new MemoryRange(5 * P, P, MMIO),
            new MemoryRange(8 * P, P, RAM));

    private static final long END = 9 * P;

    private VirtualMachine vm;
    private GuestMemory memory;

    @BeforeEach
    void create() throws IOException {
        vm = new Vmm().create(VmConfig.of("memory", MAP));
        memory = vm.memory();
    }

    @AfterEach
    void close() {
        vm.close();
    }

    /** Straight from the map: which range holds the byte, or null. */
    private static MemoryRange modelRange(long gpa) {
        for (MemoryRange range : MAP.ranges())
            if (range.isMemory() && gpa >= range.gpa() && gpa - range.gpa() < range.sizeBytes()) return range;
        return null;
    }

    private static boolean modelContains(long gpa, long size) {
        if (size <= 0 || gpa < 0 || gpa + size < 0) return false;
        for (long page = gpa & -P; page < gpa + size; page += P)
            if (modelRange(Math.max(page, gpa)) == null) return false;
        return true;
    }

    /** Every border of every range, one and a few bytes around it, and the ends of the number range. */
    private static TreeSet<Long> edges() {
        TreeSet<Long> edges = new TreeSet<>();
        for (int page = 0; page <= 10; page++)
            for (long near : new long[] {-9, -8, -7, -4, -2, -1, 0, 1, 2, 8}) edges.add(page * P + near);
        for (long far : new long[] {
            Long.MIN_VALUE,
            Long.MIN_VALUE + 1,
            -P,
            Long.MAX_VALUE,
            Long.MAX_VALUE - 7,
            1L << 32,
            1L << 47,
            1L << 48,
            (1L << 63) - P
        }) edges.add(far);
        return edges;
    }

    @Test
    void p31_everyAddressAndLengthIsValidExactlyWhenAllOfItIsMemory() {
        TreeSet<Long> lengths = new TreeSet<>(List.of(
                0L,
                1L,
                2L,
                7L,
                8L,
                9L,
                P - 1,
                P,
                P + 1,
                2 * P,
                3 * P,
                5 * P,
                5 * P + 1,
                END,
                -1L,
                -P,
                Long.MIN_VALUE,
                Long.MAX_VALUE,
                Long.MAX_VALUE - P));
        byte[] buffer = new byte[(int) (6 * P)];
        int valid = 0, split = 0;
        for (long gpa : edges()) {
            MemoryRange range = modelRange(gpa);
            assertEquals(range != null, memory.translate(gpa) != 0, () -> "gpa 0x" + Long.toHexString(gpa));
            for (long length : lengths) {
                String what = "gpa 0x" + Long.toHexString(gpa) + " length " + length;
                boolean inside = modelContains(gpa, length);
                boolean whole = inside && range != null && length <= range.end() - gpa;
                assertEquals(inside, memory.contains(gpa, length), what);
                assertEquals(whole, memory.containsObject(gpa, length), what);
                assertEquals(whole, memory.translate(gpa, length) != 0, what);
                if (length < 0 || length > buffer.length) continue;
                if (inside || length == 0) memory.read(gpa, buffer, 0, (int) length);
                else assertThrows(GuestAddressException.class, () -> memory.read(gpa, buffer, 0, (int) length), what);
                if (inside || length == 0) memory.write(gpa, buffer, 0, (int) length);
                else assertThrows(GuestAddressException.class, () -> memory.write(gpa, buffer, 0, (int) length), what);
                if (inside) valid++;
                if (inside && !whole) split++;
            }
        }
        assertThat(valid).isGreaterThan(300);
        assertThat(split).isGreaterThan(100);
    }

    @Test
    void p31_aCopyThatSpansRangesIsCorrectAndAFailedOneWritesNothing() {
        Random random = new Random(31);
        byte[] model = new byte[(int) (5 * P)];
        for (int round = 0; round < 2_000; round++) {
            int gpa = random.nextInt(model.length), length = random.nextInt(model.length - gpa + 1);
            byte[] data = new byte[length];
            random.nextBytes(data);
            System.arraycopy(data, 0, model, gpa, length);
            memory.write(gpa, data, 0, length);
        }
        byte[] all = new byte[model.length];
        memory.read(0, all, 0, all.length);
        assertArrayEquals(model, all);
        assertThrows(GuestAddressException.class, () -> memory.write(4 * P, new byte[(int) (P + 1)], 0, (int) (P + 1)));
        assertThrows(GuestAddressException.class, () -> memory.fill(P, 5 * P, (byte) 1));
        memory.read(0, all, 0, all.length);
        assertArrayEquals(model, all);
    }

    @Test
    void p33_viewsAndLengthsNeverReachOverTheEndOfARange() {
        MemorySegment view = memory.view(P, P);
        assertEquals(P, view.byteSize());
        view.set(ValueLayout.JAVA_BYTE, P - 1, (byte) 9);
        assertEquals(9, memory.getByte(2 * P - 1));
        assertThrows(IndexOutOfBoundsException.class, () -> view.get(ValueLayout.JAVA_BYTE, P));
        assertThrows(IndexOutOfBoundsException.class, () -> view.get(ValueLayout.JAVA_LONG, P - 7));
        assertThrows(GuestAddressException.class, () -> memory.view(P, P + 1));
        assertThrows(GuestAddressException.class, () -> memory.view(2 * P - 1, 2));
        assertThrows(GuestAddressException.class, () -> memory.view(5 * P, 1));
        assertThrows(GuestAddressException.class, () -> memory.view(P, 0));
        assertThrows(GuestAddressException.class, () -> memory.view(P, -1));
        assertEquals(0, memory.translate(2 * P - 8, 16));
    }

    @Test
    void p33_numbersThatSpanRangesThatAdjoinAreWholeAndOthersAreRefused() {
        for (long border : new long[] {2 * P, 3 * P}) {
            for (int back = 1; back < 8; back++) {
                memory.putLong(border - back, 0x8877665544332211L + back);
                assertEquals(0x8877665544332211L + back, memory.getLong(border - back));
                assertEquals((byte) (0x8877665544332211L + back >>> 8 * back), memory.getByte(border));
            }
            for (int back = 1; back < 4; back++) {
                memory.putInt(border - back, 0x87654321 + back);
                assertEquals(0x87654321 + back, memory.getInt(border - back));
            }
            memory.putShort(border - 1, (short) 0xbeef);
            assertEquals((short) 0xbeef, memory.getShort(border - 1));
        }
        for (long gpa : new long[] {5 * P - 1, 9 * P - 1, 8 * P - 1, -1, Long.MAX_VALUE}) {
            assertThrows(GuestAddressException.class, () -> memory.getShort(gpa));
            assertThrows(GuestAddressException.class, () -> memory.getInt(gpa));
            assertThrows(GuestAddressException.class, () -> memory.getLong(gpa));
            assertThrows(GuestAddressException.class, () -> memory.putShort(gpa, (short) 1));
            assertThrows(GuestAddressException.class, () -> memory.putInt(gpa, 1));
            assertThrows(GuestAddressException.class, () -> memory.putLong(gpa, 1));
        }
    }

    @Test
    void p27_anObjectIsValidExactlyWhenAllOfItLiesInOneRangeOfMemory() {
        int clock = 32; // struct pvclock_vcpu_time_info
        assertTrue(memory.containsObject(2 * P - clock, clock), "ends exactly at the end");
        assertFalse(memory.containsObject(2 * P - clock + 1, clock), "in two ranges");
        assertTrue(memory.containsObject(0, clock));
        assertTrue(memory.containsObject(9 * P - clock, clock), "the last bytes of the last range");
        assertFalse(memory.containsObject(9 * P - clock + 1, clock));
        assertFalse(memory.containsObject(5 * P, clock), "MMIO is no memory");
        assertFalse(memory.containsObject(5 * P - 1, clock));
        assertFalse(memory.containsObject(6 * P, clock), "a hole");
        assertFalse(memory.containsObject(-clock, clock));
        assertFalse(memory.containsObject(Long.MAX_VALUE - 3, clock));
    }

    @Test
    void numbersAreLittleEndianAndBytesLieWhereTheObjectHasThem() {
        memory.putLong(P, 0x0807060504030201L);
        for (int i = 0; i < 8; i++) assertEquals(i + 1, memory.getByte(P + i));
        assertEquals(0x0201, memory.getShort(P));
        assertEquals(0x06050403, memory.getInt(P + 2));
        memory.putByte(8 * P, (byte) 0x7f);
        assertEquals(0x7f, memory.view(8 * P, 1).get(ValueLayout.JAVA_BYTE, 0));
        assertThrows(GuestAddressException.class, () -> memory.putByte(9 * P, (byte) 1));
        assertThrows(GuestAddressException.class, () -> memory.getByte(5 * P));
    }

    @Test
    void buffersAreFilledAndDrained() {
        ByteBuffer out = ByteBuffer.wrap(new byte[] {1, 2, 3, 4, 5}).position(1).limit(4);
        memory.write(2 * P - 1, out);
        assertFalse(out.hasRemaining());
        ByteBuffer in = ByteBuffer.allocateDirect(5);
        memory.read(2 * P - 2, in);
        assertFalse(in.hasRemaining());
        assertArrayEquals(new byte[] {0, 2, 3, 4, 0}, bytes(in.flip()));
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    @Test
    void arraysAreCheckedBeforeMemory() {
        assertThrows(IndexOutOfBoundsException.class, () -> memory.read(0, new byte[4], 1, 4));
        assertThrows(IndexOutOfBoundsException.class, () -> memory.write(0, new byte[4], -1, 2));
        assertThrows(IndexOutOfBoundsException.class, () -> memory.read(0, new byte[4], 0, -1));
    }

    @Test
    void afterTheMachineClosedNothingTranslates() {
        vm.close();
        assertEquals(0, memory.translate(0));
        assertThrows(GuestAddressException.class, () -> memory.getLong(0));
        assertThrows(GuestAddressException.class, () -> memory.write(0, new byte[8], 0, 8));
    }

    /** From one slot to sixteen, all found by the same search. */
    @Test
    void everyNumberOfSlotsIsSearchedRight() throws IOException {
        for (int slots = 1; slots <= 16; slots++) {
            List<MemoryRange> ranges = new ArrayList<>();
            for (int i = 0; i < slots; i++) ranges.add(new MemoryRange(P + 3 * P * i, 2 * P, RAM));
            try (VirtualMachine machine = new Vmm().create(VmConfig.of("slots", new MemoryMap(ranges)))) {
                for (long gpa = 0; gpa < (slots + 1) * 3 * P; gpa += P / 2) {
                    int slot = (int) ((gpa - P) / (3 * P));
                    boolean inside = gpa >= P && slot < slots && (gpa - P) % (3 * P) < 2 * P;
                    long expected = inside
                            ? machine.slots().get(slot).hostAddress()
                                    + gpa
                                    - ranges.get(slot).gpa()
                            : 0;
                    assertEquals(expected, machine.memory().translate(gpa));
                    assertEquals(expected, machine.memory().translate(gpa, P / 2));
                }
            }
        }
    }

    /**
     * Slots of every size anywhere, many of them in one piece of the index or few: each border is looked up as a plain
     * search would.
     */
    @Test
    void layoutsOfEveryKindAreSearchedRight() throws IOException {
        Random random = new Random(16);
        for (int round = 0; round < 300; round++) {
            int slots = 1 + random.nextInt(16);
            int spread = 13 + random.nextInt(30);
            List<MemoryRange> ranges = new ArrayList<>();
            long gpa = (random.nextLong(1L << spread) & -P) * random.nextInt(2);
            for (int i = 0; i < slots; i++) {
                long size = P * (1 + random.nextInt(3));
                ranges.add(new MemoryRange(gpa, size, RAM));
                gpa += size + (random.nextLong(1L << random.nextInt(13, spread + 1)) & -P) * random.nextInt(2);
            }
            try (VirtualMachine machine = new Vmm().create(VmConfig.of("layout", new MemoryMap(ranges)))) {
                for (int i = 0; i < slots; i++)
                    for (long at : new long[] {
                        ranges.get(i).gpa() - 1,
                        ranges.get(i).gpa(),
                        ranges.get(i).gpa() + 4095,
                        ranges.get(i).end() - 1,
                        ranges.get(i).end(),
                        random.nextLong(gpa + P)
                    }) {
                        long expected = 0;
                        for (MemorySlot slot : machine.slots())
                            if (at >= slot.gpa() && at < slot.range().end())
                                expected = slot.hostAddress() + at - slot.gpa();
                        long found = expected;
                        assertEquals(
                                found,
                                machine.memory().translate(at),
                                () -> "0x" + Long.toHexString(at) + " in " + ranges);
                    }
            }
        }
    }

    @Test
    void translationAllocatesNothing() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long sum = hammer(20_000);
        long before = threads.getCurrentThreadAllocatedBytes();
        sum += hammer(200_000);
        long allocated = threads.getCurrentThreadAllocatedBytes() - before;
        assertThat(allocated).as("bytes in 800,000 calls; checksum " + sum).isLessThan(4096);
    }

    private long hammer(int rounds) {
        long sum = 0;
        for (int i = 0; i < rounds; i++) {
            long gpa = i * 997L % END;
            sum += memory.translate(gpa) + memory.translate(gpa, 8);
            memory.putInt(i & 8188, i);
            sum += memory.getLong(i & 8184);
        }
        return sum;
    }

    @Test
    void messageNamesAddressAndSize() {
        assertThatThrownBy(() -> memory.getInt(0x5000))
                .hasMessageContaining("0x5000")
                .hasMessageContaining("4");
    }
}
