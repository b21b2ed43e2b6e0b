package org.nestorvm.devices;

/**
 * PCI bus 0 with its host bridge, reached by configuration mechanism 1: ports CF8h to CFFh (PCI Local Bus 3.0,
 * 3.2.2.3.2). Port CF9h, which lies in between, is the reset control register of the chip set (Intel PIIX3 data sheet,
 * 2.5.6).
 */
public final class PciBus {
    public static final int DEVICES = 32;
    private static final int ADDRESS_ENABLE = 1 << 31, ADDRESS_WRITABLE = 0x80fffffc;
    private static final int RESET_PORT = 1, RESET_CPU = 1 << 2, RESET_WRITABLE = 0x0e;
    private static final int DATA = 4;

    /** A host bridge with nothing to set, under an identity for which no system has a driver or a quirk. */
    private static final int BRIDGE_VENDOR = 0x8086, BRIDGE_DEVICE = 0x0d57, BRIDGE_CLASS = 0x060000;

    private final PortBus ports;
    private final MmioBus mmio;
    private final Runnable reset;
    private final PciFunction[] functions = new PciFunction[DEVICES];
    private int address, resetControl;

    /** @param reset called, without a lock, when the guest writes the reset control register */
    public PciBus(PortBus ports, MmioBus mmio, Runnable reset) {
        this.ports = ports;
        this.mmio = mmio;
        this.reset = reset;
        functions[0] = new PciFunction("host bridge", BRIDGE_VENDOR, BRIDGE_DEVICE, BRIDGE_CLASS, 0);
    }

    /** @param device 1..31; each has function 0 only */
    public synchronized void add(int device, PciFunction function) {
        if (functions[device] != null)
            throw new IllegalArgumentException("PCI device " + device + " is " + functions[device].name() + " already");
        functions[device] = function;
    }

    /**
     * Gives every window of memory a place from here on, as firmware does before a guest starts. @throws
     * IllegalStateException when there is no room for all
     */
    public synchronized void assignMemory(long gpa, long sizeBytes) {
        long next = gpa;
        for (PciFunction function : functions) if (function != null) next = function.assignMemory(next, ports, mmio);
        if (next > gpa + sizeBytes)
            throw new IllegalStateException("windows of PCI devices take " + (next - gpa) + " bytes of " + sizeBytes);
    }

    /** The wire, 0..3, that a device's INTA is soldered to: they are rotated, so that neighbours do not share. */
    public static int interruptWire(int device) {
        return device % InterruptRouter.PCI_PINS;
    }

    private synchronized PciFunction selected() {
        boolean here = (address & ADDRESS_ENABLE) != 0 && (address >> 16 & 0xff) == 0 && (address >> 8 & 7) == 0;
        return here ? functions[address >> 11 & 31] : null;
    }

    private synchronized int register() {
        return address & 0xfc;
    }

    /**
     * Eight ports from CF8h. The address is written as a doubleword; anything narrower at its port is somebody else's,
     * as the specification has it.
     */
    public PortDevice configPorts() {
        return new PortDevice() {
            @Override
            public int read(int offset, int size) {
                if (offset >= DATA) {
                    PciFunction function = selected();
                    return function == null || offset + size > 2 * DATA
                            ? -1
                            : function.readConfig(register() + offset - DATA, size);
                }
                return readAddress(offset, size);
            }

            @Override
            public void write(int offset, int size, int value) {
                if (offset >= DATA) {
                    PciFunction function = selected();
                    if (function != null && offset + size <= 2 * DATA)
                        function.writeConfig(register() + offset - DATA, size, value, ports, mmio);
                } else if (writeAddress(offset, size, value)) {
                    reset.run();
                }
            }
        };
    }

    private synchronized int readAddress(int offset, int size) {
        if (offset == 0 && size == 4) return address;
        return offset == RESET_PORT && size == 1 ? resetControl : -1;
    }

    /** @return whether the machine is reset: on the rising edge of its bit */
    private synchronized boolean writeAddress(int offset, int size, int value) {
        if (offset == 0 && size == 4) address = value & ADDRESS_WRITABLE;
        if (offset != RESET_PORT || size != 1) return false;
        boolean rises = (value & ~resetControl & RESET_CPU) != 0;
        resetControl = value & RESET_WRITABLE;
        return rises;
    }
}
