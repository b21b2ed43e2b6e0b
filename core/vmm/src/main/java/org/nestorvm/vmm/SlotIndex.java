package org.nestorvm.vmm;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.List;
import org.nestorvm.memory.Mapping;
import org.nestorvm.paging.PageSize;

/**
 * Memory slots as sorted arrays, for translation. Immutable but for the dirty logs.
 *
 * <p>An address is first looked up in a table of {@value #BUCKETS} equal pieces of the space that the slots span, which
 * gives the last slot that can hold it; from there it is a step back or none. Where many small slots share a piece a
 * binary search takes over, so that it is O(log slots) whatever the layout. On the machine of bench/RESULTS.md the
 * table takes 2 ns for 16 slots and addresses in random order, the search alone 6.
 */
final class SlotIndex {
    static final SlotIndex EMPTY = new SlotIndex(List.of());
    private static final VarHandle LOG = MethodHandles.arrayElementVarHandle(DirtyLog[].class);

    private static final int BUCKETS = 256;
    /** Slots in one bucket that are tried one by one. */
    private static final int FEW = 4;

    private static final byte CROWDED = -1;

    /** First guest-physical address; Long.MAX_VALUE where no slot is. */
    final long[] gpa;
    /** 0 where no slot is, so that nothing lies inside. */
    final long[] size;
    /** Add to a guest-physical address to get the host's. */
    final long[] delta;

    private final Mapping[] mapping;
    private final boolean[] hugePages;
    private final DirtyLog[] log;
    private final byte[] bucket = new byte[BUCKETS];
    private final int shift;

    SlotIndex(List<MemorySlot> slots) {
        int length = Integer.highestOneBit(Math.max(1, slots.size() * 2 - 1));
        gpa = new long[length];
        size = new long[length];
        delta = new long[length];
        mapping = new Mapping[length];
        hugePages = new boolean[length];
        log = new DirtyLog[length];
        Arrays.fill(gpa, Long.MAX_VALUE);
        for (int i = 0; i < slots.size(); i++) {
            MemorySlot slot = slots.get(i);
            gpa[i] = slot.gpa();
            size[i] = slot.sizeBytes();
            mapping[i] = slot.mapping();
            hugePages[i] = slot.object().pages().bytes() >= PageSize.SIZE_2M.bytes();
            delta[i] = slot.hostAddress() - slot.gpa();
        }
        long end = slots.isEmpty() ? 1 : slots.getLast().range().end();
        shift = Math.max(12, 64 - Long.numberOfLeadingZeros(end - 1) - Integer.numberOfTrailingZeros(BUCKETS));
        for (int i = 0; i < BUCKETS; i++) {
            int first = search((long) i << shift);
            int last = search((i + 1L << shift) - 1);
            bucket[i] = last - first < FEW ? (byte) last : CROWDED;
        }
    }

    /**
     * The last slot that begins at or below the address, or 0, or any for an address in no slot: the caller compares
     * with {@link #size}.
     */
    int candidate(long address) {
        long piece = address >>> shift;
        if (piece >= BUCKETS) return 0;
        int i = bucket[(int) piece];
        if (i == CROWDED) return search(address);
        while (i > 0 && gpa[i] > address) i--;
        return i;
    }

    private int search(long address) {
        int i = 0;
        for (int step = gpa.length >>> 1; step > 0; step >>>= 1) i += gpa[i + step] <= address ? step : 0;
        return i;
    }

    /** The slot that {@code address} lies in, or -1. */
    int find(long address) {
        int i = candidate(address);
        return Long.compareUnsigned(address - gpa[i], size[i]) < 0 ? i : -1;
    }

    /** {@code sizeBytes > 0} bytes at {@code address} lie in the candidate {@code slot}. */
    boolean inside(int slot, long address, long sizeBytes) {
        long offset = address - gpa[slot];
        long bytes = size[slot];
        return Long.compareUnsigned(offset, bytes) < 0 && sizeBytes > 0 && sizeBytes <= bytes - offset;
    }

    /** All bytes lie in slots, of which each begins where the one before ends. */
    boolean contains(long address, long sizeBytes) {
        if (sizeBytes <= 0) return false;
        long left = sizeBytes;
        for (long at = address; ; ) {
            long room = room(at);
            if (room == 0) return false;
            if (room >= left) return true;
            at += room;
            left -= room;
        }
    }

    /** Bytes from {@code address} to the end of its slot; 0 when no slot holds it. */
    long room(long address) {
        int i = candidate(address);
        long offset = address - gpa[i];
        return Long.compareUnsigned(offset, size[i]) < 0 ? size[i] - offset : 0;
    }

    Mapping mapping(int slot) {
        return mapping[slot];
    }

    /** The host backs the slot with pages of 2 MiB or more, and never with smaller ones. */
    boolean hugePages(int slot) {
        return hugePages[slot];
    }

    /** Null while writes to the slot are not logged. */
    DirtyLog log(int slot) {
        return (DirtyLog) LOG.getAcquire(log, slot);
    }

    void setLog(int slot, DirtyLog dirtyLog) {
        LOG.setVolatile(log, slot, dirtyLog);
    }
}
