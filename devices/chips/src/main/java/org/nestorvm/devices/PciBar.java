package org.nestorvm.devices;

/**
 * A base address register: a window of the device that the guest moves about on one of the buses (PCI Local Bus 3.0,
 * 6.2.5). Its function locks it.
 */
final class PciBar {
    private static final long UNMAPPED = -1;
    private static final int TYPE_PORTS = 1, TYPE_64 = 1 << 2;

    private final String name;
    private final long size;
    private final boolean wide;
    private final int maxAccessBytes;
    private final MmioDevice registers; // this one
    private final PortDevice ports; // or that one
    private long mappedAt = UNMAPPED;

    private PciBar(String name, long size, boolean wide, int maxAccessBytes, MmioDevice registers, PortDevice ports) {
        if (Long.bitCount(size) != 1)
            throw new IllegalArgumentException("size of " + name + " must be a power of two: " + size);
        this.name = name;
        this.size = size;
        this.wide = wide;
        this.maxAccessBytes = maxAccessBytes;
        this.registers = registers;
        this.ports = ports;
    }

    static PciBar memory(String name, long size, boolean wide, int maxAccessBytes, MmioDevice registers) {
        if (size < 16 || !wide && size > 1L << 31) throw new IllegalArgumentException("size of " + name + ": " + size);
        return new PciBar(name, size, wide, maxAccessBytes, registers, null);
    }

    static PciBar ports(String name, int size, int maxAccessBytes, PortDevice ports) {
        if (size < 4 || size > 256) throw new IllegalArgumentException("size of " + name + ": " + size);
        return new PciBar(name, size, false, maxAccessBytes, null, ports);
    }

    boolean wide() {
        return wide;
    }

    int typeBits() {
        return ports != null ? TYPE_PORTS : wide ? TYPE_64 : 0;
    }

    /** The bits that the guest may write: all ones written and read back tell it the size. */
    long addressMask() {
        return wide ? -size : -size & 0xffffffffL;
    }

    boolean isPorts() {
        return ports != null;
    }

    /** Where the window is on its bus; -1 while it is closed. */
    long mappedAt() {
        return mappedAt;
    }

    /** A window stays closed when its place is taken, or while it is being sized. @return whether it has moved */
    boolean map(int command, long address, PortBus portBus, MmioBus mmioBus) {
        boolean open =
                (command & (ports != null ? PciFunction.COMMAND_IO : PciFunction.COMMAND_MEMORY)) != 0 && address != 0;
        long wanted = open ? address : UNMAPPED;
        if (wanted == mappedAt) return false;
        long before = mappedAt;
        if (mappedAt != UNMAPPED) {
            if (ports != null) portBus.remove((int) mappedAt);
            else mmioBus.remove(mappedAt);
        }
        boolean placed = open
                && (ports != null
                        ? address < PortBus.PORTS
                                && portBus.tryAdd(name, (int) address, (int) size, maxAccessBytes, ports)
                        : mmioBus.tryAdd(name, address, size, maxAccessBytes, registers));
        mappedAt = placed ? address : UNMAPPED;
        return mappedAt != before;
    }
}
