package org.nestorvm.disk;

import org.nestorvm.memory.sys.HostMemory;

/**
 * Entries of a refcount block: 1 to 64 bits wide, by the header's refcount_order. Narrow ones fill a byte from its
 * least significant bit on, wide ones are big endian.
 */
final class RefcountEntry {
    private RefcountEntry() {}

    /** The greatest count, as an unsigned number. */
    static long max(int order) {
        return order == 6 ? -1 : (1L << (1 << order)) - 1;
    }

    static long get(long blockAddress, int index, int order) {
        return switch (order) {
            case 6 -> Long.reverseBytes(HostMemory.getLong(blockAddress + 8L * index));
            case 5 -> Integer.toUnsignedLong(Integer.reverseBytes(HostMemory.getInt(blockAddress + 4L * index)));
            case 4 -> Short.reverseBytes(HostMemory.getShort(blockAddress + 2L * index)) & 0xffffL;
            case 3 -> HostMemory.getByte(blockAddress + index) & 0xffL;
            default -> HostMemory.getByte(blockAddress + (index << order >> 3)) >>> shift(index, order) & max(order);
        };
    }

    static void put(long blockAddress, int index, int order, long value) {
        switch (order) {
            case 6 -> HostMemory.putLong(blockAddress + 8L * index, Long.reverseBytes(value));
            case 5 -> HostMemory.putInt(blockAddress + 4L * index, Integer.reverseBytes((int) value));
            case 4 -> HostMemory.putShort(blockAddress + 2L * index, Short.reverseBytes((short) value));
            case 3 -> HostMemory.putByte(blockAddress + index, (byte) value);
            default -> {
                long at = blockAddress + (index << order >> 3);
                int others = HostMemory.getByte(at) & ~((int) max(order) << shift(index, order));
                HostMemory.putByte(at, (byte) (others | (int) value << shift(index, order)));
            }
        }
    }

    private static int shift(int index, int order) {
        return (index << order) & 7;
    }
}
