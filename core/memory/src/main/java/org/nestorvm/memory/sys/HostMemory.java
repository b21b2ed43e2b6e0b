package org.nestorvm.memory.sys;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The memory of this process, addressed by absolute host-virtual address.
 *
 * <p>One segment that spans all of it is a constant, so that HotSpot folds the bounds check away: an access compiles to
 * a single load or store. Nothing here checks anything. A caller proves beforehand that the address lies inside a live
 * mapping. x86-64 only: values are little endian and may be unaligned.
 */
public final class HostMemory {
    /** Every address of the process. Constant, never closed. */
    public static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    public static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    public static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Aligned handles for ordered and atomic access; coordinates are (MemorySegment ALL, long hostAddress). */
    public static final VarHandle ATOMIC_INT =
            ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    public static final VarHandle ATOMIC_LONG =
            ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    private HostMemory() {}

    public static byte getByte(long hostAddress) {
        return ALL.get(BYTE, hostAddress);
    }

    public static short getShort(long hostAddress) {
        return ALL.get(SHORT, hostAddress);
    }

    public static int getInt(long hostAddress) {
        return ALL.get(INT, hostAddress);
    }

    public static long getLong(long hostAddress) {
        return ALL.get(LONG, hostAddress);
    }

    public static void putByte(long hostAddress, byte value) {
        ALL.set(BYTE, hostAddress, value);
    }

    public static void putShort(long hostAddress, short value) {
        ALL.set(SHORT, hostAddress, value);
    }

    public static void putInt(long hostAddress, int value) {
        ALL.set(INT, hostAddress, value);
    }

    public static void putLong(long hostAddress, long value) {
        ALL.set(LONG, hostAddress, value);
    }

    /** Aligned 8-byte load, acquire. */
    public static long getLongAcquire(long hostAddress) {
        return (long) ATOMIC_LONG.getAcquire(ALL, hostAddress);
    }

    /** Aligned 8-byte store, release. */
    public static void putLongRelease(long hostAddress, long value) {
        ATOMIC_LONG.setRelease(ALL, hostAddress, value);
    }

    /** @return the first byte that differs, or -1 */
    public static long mismatch(long hostAddress, long otherHostAddress, long sizeBytes) {
        return MemorySegment.mismatch(
                ALL, hostAddress, hostAddress + sizeBytes, ALL, otherHostAddress, otherHostAddress + sizeBytes);
    }

    public static void copy(long fromHostAddress, long toHostAddress, long sizeBytes) {
        MemorySegment.copy(ALL, fromHostAddress, ALL, toHostAddress, sizeBytes);
    }

    public static void copyIn(byte[] from, int offset, long toHostAddress, int sizeBytes) {
        MemorySegment.copy(from, offset, ALL, BYTE, toHostAddress, sizeBytes);
    }

    public static void copyOut(long fromHostAddress, byte[] to, int offset, int sizeBytes) {
        MemorySegment.copy(ALL, BYTE, fromHostAddress, to, offset, sizeBytes);
    }

    public static void fill(long hostAddress, long sizeBytes, byte value) {
        ALL.asSlice(hostAddress, sizeBytes).fill(value);
    }
}
