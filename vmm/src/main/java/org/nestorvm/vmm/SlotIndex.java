package org.nestorvm.vmm;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.List;
import org.nestorvm.memory.Mapping;
import org.nestorvm.paging.PageSize;

/**
 * Memory slots as sorted arrays, for translation. Immutable but for the dirty logs. The length is a power of two, so that the search is a
 * fixed number of compare-and-add steps without a branch that a processor could guess wrong.
 */
final class SlotIndex {
    static final SlotIndex EMPTY = new SlotIndex(List.of());
    private static final VarHandle LOG = MethodHandles.arrayElementVarHandle(DirtyLog[].class);

    /** First guest-physical address; Long.MAX_VALUE where no slot is. */
    final long[] gpa;
    /** 0 where no slot is, so that nothing lies inside. */
    final long[] size;
    /** Add to a guest-physical address to get the host's. */
    final long[] delta;
    private final Mapping[] mapping;
    private final boolean[] hugePages;
    private final DirtyLog[] log;

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
    }

    /** The last slot that begins at or below the address, or 0: the caller compares with {@link #size}. */
    int candidate(long address) {
        long[] starts = gpa;
        int i = 0;
        for (int step = starts.length >>> 1; step > 0; step >>>= 1) i += starts[i + step] <= address ? step : 0;
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
