package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;
import java.util.Objects;

/**
 * A list of pieces of this process's memory, in the kernel's own form: an array of struct iovec, so that preadv(2) and
 * pwritev(2) take it as it is. What virtio calls a chain of buffers and a disk image a vector is one of these. Reused:
 * filling, cutting and moving bytes allocate nothing, but for growth to the longest list yet.
 *
 * <p>Used by one thread at a time. The addresses are the caller's concern: they must stay mapped while the vector is in
 * use.
 */
public final class IoVector {
    /** Bytes of one struct iovec. */
    public static final int ENTRY_BYTES = 16;
    /** What one preadv(2) or pwritev(2) takes, IOV_MAX. */
    public static final int KERNEL_LIMIT = 1024;

    private static final int LENGTH = 8;

    @SuppressWarnings("unused") // keeps the memory of the entries
    private Arena arena;

    private long entries;
    private int capacity, count;
    private long totalBytes;

    /** @param capacity pieces that fit without growing, at least 1 */
    public IoVector(int capacity) {
        allocate(Math.max(1, capacity));
    }

    private void allocate(int pieces) {
        // Collected with the vector: the memory is small, and nobody could say when the last user is gone.
        Arena next = Arena.ofAuto();
        long at = next.allocate((long) pieces * ENTRY_BYTES, Long.BYTES).address();
        if (count > 0) HostMemory.copy(entries, at, (long) count * ENTRY_BYTES);
        arena = next;
        entries = at;
        capacity = pieces;
    }

    public IoVector clear() {
        count = 0;
        totalBytes = 0;
        return this;
    }

    /**
     * Adds a piece at the end; an empty one is left out. The total stays below 2^63: a caller adds pieces of memory
     * that exists.
     */
    public IoVector add(long hostAddress, long sizeBytes) {
        if (sizeBytes == 0) return this;
        assert sizeBytes > 0 : sizeBytes;
        if (count == capacity) allocate(2 * capacity);
        long at = entries + (long) count++ * ENTRY_BYTES;
        HostMemory.putLong(at, hostAddress);
        HostMemory.putLong(at + LENGTH, sizeBytes);
        totalBytes += sizeBytes;
        return this;
    }

    /** Adds {@code sizeBytes} bytes of another vector, from {@code offset} on. */
    public IoVector add(IoVector other, long offset, long sizeBytes) {
        Objects.checkFromIndexSize(offset, sizeBytes, other.totalBytes);
        for (int i = 0; sizeBytes > 0; i++) {
            long length = other.length(i);
            if (offset >= length) {
                offset -= length;
                continue;
            }
            long piece = Math.min(length - offset, sizeBytes);
            add(other.base(i) + offset, piece);
            sizeBytes -= piece;
            offset = 0;
        }
        return this;
    }

    /** Pieces. */
    public int count() {
        return count;
    }

    public long totalBytes() {
        return totalBytes;
    }

    public boolean isEmpty() {
        return totalBytes == 0;
    }

    public long base(int index) {
        return HostMemory.getLong(entries + (long) index * ENTRY_BYTES);
    }

    public long length(int index) {
        return HostMemory.getLong(entries + (long) index * ENTRY_BYTES + LENGTH);
    }

    /** Where the array of struct iovec lies; good until the next {@link #add}. */
    public long address() {
        return entries;
    }

    /** Takes bytes away at the front. */
    public IoVector skip(long sizeBytes) {
        Objects.checkFromIndexSize(0, sizeBytes, totalBytes);
        totalBytes -= sizeBytes;
        int gone = 0;
        while (sizeBytes > 0) {
            long at = entries + (long) gone * ENTRY_BYTES;
            long length = HostMemory.getLong(at + LENGTH);
            if (sizeBytes < length) {
                HostMemory.putLong(at, HostMemory.getLong(at) + sizeBytes);
                HostMemory.putLong(at + LENGTH, length - sizeBytes);
                break;
            }
            sizeBytes -= length;
            gone++;
        }
        if (gone > 0) {
            count -= gone;
            HostMemory.copy(entries + (long) gone * ENTRY_BYTES, entries, (long) count * ENTRY_BYTES);
        }
        return this;
    }

    /** Takes bytes away at the end, so that this many stay. */
    public IoVector truncate(long sizeBytes) {
        Objects.checkFromIndexSize(0, sizeBytes, totalBytes);
        while (totalBytes > sizeBytes) {
            long last = length(count - 1);
            long excess = totalBytes - sizeBytes;
            if (excess >= last) {
                count--;
                totalBytes -= last;
            } else {
                HostMemory.putLong(entries + (long) (count - 1) * ENTRY_BYTES + LENGTH, last - excess);
                totalBytes = sizeBytes;
            }
        }
        return this;
    }

    /** Copies the bytes from {@code offset} on to one place. The caller has checked that they are there. */
    public void copyOut(long offset, long toHostAddress, long sizeBytes) {
        move(Move.TO_MEMORY, offset, sizeBytes, toHostAddress, null);
    }

    /** Copies bytes from one place over those from {@code offset} on. */
    public void copyIn(long offset, long fromHostAddress, long sizeBytes) {
        move(Move.FROM_MEMORY, offset, sizeBytes, fromHostAddress, null);
    }

    public void copyOut(long offset, byte[] to, int at, int sizeBytes) {
        Objects.checkFromIndexSize(at, sizeBytes, to.length);
        move(Move.TO_ARRAY, offset, sizeBytes, at, to);
    }

    public void copyIn(long offset, byte[] from, int at, int sizeBytes) {
        Objects.checkFromIndexSize(at, sizeBytes, from.length);
        move(Move.FROM_ARRAY, offset, sizeBytes, at, from);
    }

    public void fill(long offset, long sizeBytes, byte value) {
        move(Move.FILL, offset, sizeBytes, value, null);
    }

    private enum Move {
        TO_MEMORY,
        FROM_MEMORY,
        TO_ARRAY,
        FROM_ARRAY,
        FILL
    }

    /** @param other the host address or the index of the other side, or the value to fill with */
    private void move(Move what, long offset, long sizeBytes, long other, byte[] array) {
        Objects.checkFromIndexSize(offset, sizeBytes, totalBytes);
        for (int i = 0; sizeBytes > 0; i++) {
            long length = length(i);
            if (offset >= length) {
                offset -= length;
                continue;
            }
            long here = base(i) + offset, piece = Math.min(length - offset, sizeBytes);
            switch (what) {
                case TO_MEMORY -> HostMemory.copy(here, other, piece);
                case FROM_MEMORY -> HostMemory.copy(other, here, piece);
                case TO_ARRAY -> HostMemory.copyOut(here, array, (int) other, (int) piece);
                case FROM_ARRAY -> HostMemory.copyIn(array, (int) other, here, (int) piece);
                case FILL -> HostMemory.fill(here, piece, (byte) other);
            }
            if (what != Move.FILL) other += piece;
            sizeBytes -= piece;
            offset = 0;
        }
    }
}
