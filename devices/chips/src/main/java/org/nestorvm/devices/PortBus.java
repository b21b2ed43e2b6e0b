package org.nestorvm.devices;

/**
 * The 64 Ki I/O ports. An access wider than the device behind it, or one that leaves its ports, is cut in halves, lower
 * address first, as the bridge of a PC does; what nobody claims reads all ones. Ranges may come and go while virtual
 * CPUs run.
 */
public final class PortBus {
    public static final int PORTS = 1 << 16;
    private volatile RangeMap<PortDevice> map = new RangeMap<>();

    /**
     * @param maxAccessBytes the widest access that the device decodes: 1, 2 or 4
     * @throws IllegalArgumentException when a port is taken already
     */
    public synchronized void add(String name, int firstPort, int ports, int maxAccessBytes, PortDevice device) {
        if (firstPort + ports > PORTS)
            throw new IllegalArgumentException(
                    "beyond the last port: " + name + " at 0x" + Integer.toHexString(firstPort));
        map = map.with(new RangeMap.Range<>(firstPort, firstPort + ports - 1L, maxAccessBytes, name, device));
    }

    /** The same for a place that the guest has chosen: false when it is not free. */
    synchronized boolean tryAdd(String name, int firstPort, int ports, int maxAccessBytes, PortDevice device) {
        RangeMap.Range<PortDevice> range =
                new RangeMap.Range<>(firstPort, firstPort + ports - 1L, maxAccessBytes, name, device);
        if (firstPort < 0 || firstPort + ports > PORTS || map.overlapping(range) != null) return false;
        map = map.with(range);
        return true;
    }

    /** Takes away the device that begins at the port, if there is one. */
    public synchronized void remove(int firstPort) {
        map = map.without(firstPort);
    }

    /** @return the value, zero-extended */
    public int read(int port, int size) {
        return read(map, port, size);
    }

    public void write(int port, int size, int value) {
        write(map, port, size, value);
    }

    private static int read(RangeMap<PortDevice> map, int port, int size) {
        RangeMap.Range<PortDevice> range = map.find(port);
        if (range != null && size <= range.maxAccessBytes() && port + size - 1 <= range.last()) {
            return range.device().read((int) (port - range.first()), size) & ones(size);
        }
        if (size == 1) return 0xff;
        int half = size >> 1;
        return read(map, port, half) | read(map, port + half, half) << 8 * half;
    }

    private static void write(RangeMap<PortDevice> map, int port, int size, int value) {
        RangeMap.Range<PortDevice> range = map.find(port);
        if (range != null && size <= range.maxAccessBytes() && port + size - 1 <= range.last()) {
            range.device().write((int) (port - range.first()), size, value & ones(size));
        } else if (size > 1) {
            int half = size >> 1;
            write(map, port, half, value);
            write(map, port + half, half, value >>> 8 * half);
        }
    }

    private static int ones(int size) {
        return -1 >>> 32 - 8 * size;
    }
}
