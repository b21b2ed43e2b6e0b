package org.nestorvm.memory.sys;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class IoVectorTest {
    /** Pieces with a gap of one byte between them; their bytes count up from 0. */
    private static IoVector vector(Arena arena, List<Integer> sizes) {
        IoVector vector = new IoVector(1);
        int next = 0;
        for (int size : sizes) {
            MemorySegment piece = arena.allocate(size + 1L);
            for (int i = 0; i < size; i++) piece.set(HostMemory.BYTE, i, (byte) next++);
            vector.add(piece.address(), size);
        }
        return vector;
    }

    private static byte[] bytes(IoVector vector) {
        byte[] all = new byte[(int) vector.totalBytes()];
        vector.copyOut(0, all, 0, all.length);
        return all;
    }

    private static byte[] counting(int from, int to) {
        byte[] expected = new byte[to - from];
        for (int i = 0; i < expected.length; i++) expected[i] = (byte) (from + i);
        return expected;
    }

    @Property
    void everyCutHoldsTheSameBytes(
            @ForAll @Size(min = 1, max = 12) List<@IntRange(min = 0, max = 40) Integer> sizes,
            @ForAll int a,
            @ForAll int b) {
        int total = sizes.stream().mapToInt(Integer::intValue).sum();
        int start = Math.floorMod(a, total + 1), end = start + Math.floorMod(b, total - start + 1);
        try (Arena arena = Arena.ofConfined()) {
            assertArrayEquals(
                    counting(start, end), bytes(new IoVector(1).add(vector(arena, sizes), start, end - start)), "part");
            assertArrayEquals(counting(start, total), bytes(vector(arena, sizes).skip(start)), "skip");
            assertArrayEquals(counting(0, end), bytes(vector(arena, sizes).truncate(end)), "truncate");
        }
    }

    @Property
    void whatIsCopiedInComesOut(
            @ForAll @Size(min = 1, max = 12) List<@IntRange(min = 0, max = 40) Integer> sizes,
            @ForAll int a,
            @ForAll int b) {
        int total = sizes.stream().mapToInt(Integer::intValue).sum();
        int start = Math.floorMod(a, total + 1), length = Math.floorMod(b, total - start + 1);
        byte[] expected = counting(0, total);
        Arrays.fill(expected, start, start + length, (byte) -1);
        byte[] ones = new byte[length];
        Arrays.fill(ones, (byte) -1);
        try (Arena arena = Arena.ofConfined()) {
            IoVector fromArray = vector(arena, sizes), fromMemory = vector(arena, sizes), filled = vector(arena, sizes);
            fromArray.copyIn(start, ones, 0, length);
            MemorySegment source = arena.allocate(length + 1L).fill((byte) -1);
            fromMemory.copyIn(start, source.address(), length);
            filled.fill(start, length, (byte) -1);
            assertArrayEquals(expected, bytes(fromArray));
            assertArrayEquals(expected, bytes(fromMemory));
            assertArrayEquals(expected, bytes(filled));
            MemorySegment out = arena.allocate(total + 1L);
            fromMemory.copyOut(0, out.address(), total);
            assertArrayEquals(expected, out.asSlice(0, total).toArray(HostMemory.BYTE));
        }
    }

    @Test
    void nothingOutsideItIsReached() {
        try (Arena arena = Arena.ofConfined()) {
            IoVector vector = vector(arena, List.of(3, 4));
            assertThrows(IndexOutOfBoundsException.class, () -> vector.copyOut(4, new byte[4], 0, 4));
            assertThrows(IndexOutOfBoundsException.class, () -> vector.fill(-1, 2, (byte) 0));
            assertThrows(IndexOutOfBoundsException.class, () -> new IoVector(1).add(vector, 7, 1));
            assertThrows(IndexOutOfBoundsException.class, () -> vector.skip(8));
            assertEquals(7, vector.totalBytes());
        }
    }
}
