package org.nestorvm.devices;

/**
 * The configuration space of one PCI function (PCI Local Bus 3.0, chapter 6, header type 0): 256 bytes, each with a
 * mask of the bits that the guest may write. Identity and everything else that is not said to be writable is read only.
 * A transport adds base address registers and capabilities, and overrides {@link #configWritten}.
 */
public class PciFunction {
    public static final int VENDOR_ID = 0x00,
            DEVICE_ID = 0x02,
            COMMAND = 0x04,
            STATUS = 0x06,
            REVISION = 0x08,
            CLASS = 0x09,
            CACHE_LINE = 0x0c,
            BAR0 = 0x10,
            SUBSYSTEM_VENDOR = 0x2c,
            SUBSYSTEM = 0x2e,
            CAPABILITIES = 0x34,
            INTERRUPT_LINE = 0x3c,
            INTERRUPT_PIN = 0x3d,
            FIRST_CAPABILITY = 0x40;
    public static final int COMMAND_IO = 1 << 0,
            COMMAND_MEMORY = 1 << 1,
            COMMAND_BUS_MASTER = 1 << 2,
            COMMAND_INTX_OFF = 1 << 10;
    public static final int CONFIG_BYTES = 256, BARS = 6;
    private static final int STATUS_CAPABILITIES = 1 << 4;
    private static final int COMMAND_WRITABLE = COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_INTX_OFF;

    private final String name;
    private final byte[] config = new byte[CONFIG_BYTES];
    private final byte[] writable = new byte[CONFIG_BYTES];
    private final PciBar[] bars = new PciBar[BARS];
    private int nextCapability = FIRST_CAPABILITY;
    private int lastCapabilityLink = CAPABILITIES;

    /** @param classCode base class, subclass and interface: 24 bits */
    public PciFunction(String name, int vendor, int device, int classCode, int revision) {
        this.name = name;
        set(VENDOR_ID, 2, vendor);
        set(DEVICE_ID, 2, device);
        set(REVISION, 4, classCode << 8 | revision & 0xff);
        allow(COMMAND, 2, COMMAND_WRITABLE);
        allow(CACHE_LINE, 1, 0xff);
        allow(INTERRUPT_LINE, 1, 0xff);
    }

    public final String name() {
        return name;
    }

    /** A register as the guest sees it. Little endian, up to 4 bytes. */
    public final synchronized int get(int offset, int size) {
        int value = 0;
        for (int i = 0; i < size; i++) value |= (config[offset + i] & 0xff) << 8 * i;
        return value;
    }

    /** Sets a register, read only or not. */
    protected final synchronized void set(int offset, int size, int value) {
        for (int i = 0; i < size; i++) config[offset + i] = (byte) (value >>> 8 * i);
    }

    /** Lets the guest write these bits. */
    protected final synchronized void allow(int offset, int size, int mask) {
        for (int i = 0; i < size; i++) writable[offset + i] = (byte) (mask >>> 8 * i);
    }

    /** @param size a power of two, at least 16 */
    protected final void addMemoryBar(int index, long size, boolean wide, int maxAccessBytes, MmioDevice device) {
        addBar(index, PciBar.memory(name + " BAR" + index, size, wide, maxAccessBytes, device));
    }

    /** @param size a power of two from 4 to 256 */
    protected final void addPortBar(int index, int size, int maxAccessBytes, PortDevice device) {
        addBar(index, PciBar.ports(name + " BAR" + index, size, maxAccessBytes, device));
    }

    private void addBar(int index, PciBar bar) {
        bars[index] = bar;
        long fixed = bar.typeBits();
        long mask = bar.addressMask();
        set(BAR0 + 4 * index, 4, (int) fixed);
        allow(BAR0 + 4 * index, 4, (int) mask);
        if (bar.wide()) allow(BAR0 + 4 * index + 4, 4, (int) (mask >>> 32));
    }

    /**
     * Puts a capability behind those that are there; byte 0 is its id, byte 1 becomes the link to the next. @return its
     * offset
     */
    protected final synchronized int addCapability(byte[] capability) {
        int at = nextCapability;
        if (at + capability.length > CONFIG_BYTES)
            throw new IllegalStateException("no room for capability " + capability[0] + " of " + name);
        System.arraycopy(capability, 0, config, at, capability.length);
        config[at + 1] = 0;
        config[lastCapabilityLink] = (byte) at;
        set(STATUS, 2, get(STATUS, 2) | STATUS_CAPABILITIES);
        lastCapabilityLink = at + 1;
        nextCapability = at + capability.length + 3 & ~3;
        return at;
    }

    /** INTA, B, C or D is 1 to 4. */
    protected final void setInterruptPin(int pin, int line) {
        set(INTERRUPT_PIN, 1, pin);
        set(INTERRUPT_LINE, 1, line);
    }

    /** The guest has written a register; it is stored already. Not locked. */
    protected void configWritten(int offset, int size) {}

    /** The guest reads a register. For functions with registers that are not stored; others leave it. Not locked. */
    protected int readConfig(int offset, int size) {
        return get(offset, size);
    }

    /**
     * A window was put somewhere else on its bus. Locked: for bookkeeping only. @param address where it is now; -1 when
     * it is closed
     */
    protected void barMoved(int index, long address) {}

    /**
     * What firmware does with a function it finds: gives each window of memory a place and opens it.
     *
     * @param from the first free address
     * @return the first free address behind it
     */
    final long assignMemory(long from, PortBus ports, MmioBus mmio) {
        for (int i = 0; i < BARS; i++) {
            PciBar bar = bars[i];
            if (bar == null || bar.isPorts()) continue;
            long size = -bar.addressMask() & 0xffffffffL;
            long at = from + size - 1 & -size;
            writeConfig(BAR0 + 4 * i, 4, (int) at, ports, mmio);
            from = at + size;
        }
        writeConfig(COMMAND, 2, get(COMMAND, 2) | COMMAND_MEMORY, ports, mmio);
        return from;
    }

    /** The guest writes 1, 2 or 4 bytes inside one doubleword: each bit that may be written is, the others stay. */
    final void writeConfig(int offset, int size, int value, PortBus ports, MmioBus mmio) {
        synchronized (this) {
            for (int i = 0; i < size; i++) {
                int mask = writable[offset + i];
                config[offset + i] = (byte) (config[offset + i] & ~mask | value >>> 8 * i & mask);
            }
            if (offset < BAR0 + 4 * BARS) map(ports, mmio);
        }
        configWritten(offset, size);
    }

    /** Puts the windows where the registers say, as far as the command register opens them. */
    private void map(PortBus ports, MmioBus mmio) {
        int command = get(COMMAND, 2);
        for (int i = 0; i < BARS; i++) {
            PciBar bar = bars[i];
            if (bar == null) continue;
            long address = get(BAR0 + 4 * i, 4) & 0xffffffffL;
            if (bar.wide()) address |= (long) get(BAR0 + 4 * i + 4, 4) << 32;
            if (bar.map(command, address & bar.addressMask(), ports, mmio)) barMoved(i, bar.mappedAt());
        }
    }
}
