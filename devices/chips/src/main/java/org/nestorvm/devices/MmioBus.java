package org.nestorvm.devices;

/** Registers behind guest-physical addresses; the rules are those of {@link PortBus}. */
public final class MmioBus {
    private volatile RangeMap<MmioDevice> map = new RangeMap<>();

    /**
     * @param maxAccessBytes the widest access that the device decodes: 1, 2, 4 or 8
     * @throws IllegalArgumentException when an address is taken already
     */
    public synchronized void add(String name, long gpa, long sizeBytes, int maxAccessBytes, MmioDevice device) {
        map = map.with(new RangeMap.Range<>(gpa, gpa + sizeBytes - 1, maxAccessBytes, name, device));
    }

    /** The same for a place that the guest has chosen: false when it is not free, or not below 2^63. */
    synchronized boolean tryAdd(String name, long gpa, long sizeBytes, int maxAccessBytes, MmioDevice device) {
        RangeMap.Range<MmioDevice> range = new RangeMap.Range<>(gpa, gpa + sizeBytes - 1, maxAccessBytes, name, device);
        if (gpa < 0 || gpa + sizeBytes < 0 || map.overlapping(range) != null) return false;
        map = map.with(range);
        return true;
    }

    /** Takes away the device that begins at the address, if there is one. */
    public synchronized void remove(long gpa) {
        map = map.without(gpa);
    }

    /** @return the value, zero-extended */
    public long read(long gpa, int size) {
        return read(map, gpa, size);
    }

    public void write(long gpa, int size, long value) {
        write(map, gpa, size, value);
    }

    private static long read(RangeMap<MmioDevice> map, long gpa, int size) {
        RangeMap.Range<MmioDevice> range = map.find(gpa);
        if (range != null && size <= range.maxAccessBytes() && gpa + size - 1 <= range.last()) {
            return range.device().read(gpa - range.first(), size) & ones(size);
        }
        if (size == 1) return 0xff;
        int half = size >> 1;
        return read(map, gpa, half) | read(map, gpa + half, half) << 8 * half;
    }

    private static void write(RangeMap<MmioDevice> map, long gpa, int size, long value) {
        RangeMap.Range<MmioDevice> range = map.find(gpa);
        if (range != null && size <= range.maxAccessBytes() && gpa + size - 1 <= range.last()) {
            range.device().write(gpa - range.first(), size, value & ones(size));
        } else if (size > 1) {
            int half = size >> 1;
            write(map, gpa, half, value);
            write(map, gpa + half, half, value >>> 8 * half);
        }
    }

    private static long ones(int size) {
        return -1L >>> 64 - 8 * size;
    }
}
