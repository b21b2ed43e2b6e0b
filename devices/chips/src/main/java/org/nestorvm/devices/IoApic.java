package org.nestorvm.devices;

import java.util.Arrays;

/**
 * I/O APIC with 24 pins: Intel 82093AA data sheet (order 290566), and the EOI register of version 20h (ICH families).
 * An interrupt leaves as a message to the local APICs (SDM vol. 3A, 11.11). Lines arrive as "asserted" or not: the
 * polarity bit is kept and has no effect, since a wire here has no voltage. Left out: arbitration.
 */
public final class IoApic implements MmioDevice {
    public static final int PINS = 24;
    public static final int SIZE_BYTES = 0x1000;

    static final int IOREGSEL = 0x00, IOWIN = 0x10, EOIR = 0x40;
    static final int ID = 0x00, VERSION = 0x01, ARBITRATION = 0x02, REDIRECTION = 0x10;
    static final int VERSION_VALUE = PINS - 1 << 16 | 0x20;
    private static final int ID_SHIFT = 24, ID_MASK = 0x0f000000;

    /** Redirection table entry, 82093AA section 3.2.4. */
    static final Bits VECTOR = Bits.at(0, 8);

    static final Bits DELIVERY_MODE = VECTOR.then(3);
    static final Bits DEST_MODE = DELIVERY_MODE.then(1); // 0 physical, 1 logical
    static final Bits STATUS = DEST_MODE.then(1); // RO; always idle, a message is sent at once
    static final Bits POLARITY = STATUS.then(1);
    static final Bits REMOTE_IRR = POLARITY.then(1); // RO
    static final Bits TRIGGER = REMOTE_IRR.then(1); // 0 edge, 1 level
    static final Bits MASKED = TRIGGER.then(1);
    static final Bits RESERVED = MASKED.then(39);
    static final Bits DESTINATION = RESERVED.then(8);
    static final long WRITABLE = ~(STATUS.mask() | REMOTE_IRR.mask() | RESERVED.mask());

    private static final long MSI_ADDRESS = 0xfee00000L;
    private static final int MSI_DEST_SHIFT = 12, MSI_REDIRECTION_HINT = 1 << 3, MSI_DEST_LOGICAL = 1 << 2;
    private static final int MSI_DELIVERY_SHIFT = 8, MSI_ASSERT = 1 << 14, MSI_LEVEL = 1 << 15;
    private static final int LOWEST_PRIORITY = 1;

    private final MsiSink sink;
    private final long[] entries = new long[PINS];
    private int select, id, lines;

    /** @param sink the local APICs. It must not wait for a thread that is inside {@link #endOfInterrupt}. */
    public IoApic(MsiSink sink) {
        this.sink = sink;
        Arrays.fill(entries, MASKED.mask());
    }

    /** What firmware does at the start. The register has four bits; larger numbers wrap. */
    public synchronized void setId(int value) {
        id = value << ID_SHIFT & ID_MASK;
    }

    /** @param pin 0..23 */
    public IrqLine line(int pin) {
        if (pin < 0 || pin >= PINS) throw new IllegalArgumentException("no such pin: " + pin);
        return asserted -> setLine(pin, asserted);
    }

    private synchronized void setLine(int pin, boolean asserted) {
        int bit = 1 << pin;
        if (asserted == ((lines & bit) != 0)) return;
        lines ^= bit;
        // An edge on a masked pin is neither delivered nor held pending (82093AA, "interrupt mask"); a level is seen
        // when the mask goes.
        if (asserted) deliver(pin);
    }

    private void deliver(int pin) {
        long entry = entries[pin];
        if (MASKED.isSet(entry)) return;
        int data = VECTOR.of(entry) | DELIVERY_MODE.of(entry) << MSI_DELIVERY_SHIFT;
        if (TRIGGER.isSet(entry)) {
            if (REMOTE_IRR.isSet(entry)) return;
            entries[pin] = entry | REMOTE_IRR.mask();
            data |= MSI_ASSERT | MSI_LEVEL;
        }
        long address = MSI_ADDRESS | (long) DESTINATION.of(entry) << MSI_DEST_SHIFT;
        if (DEST_MODE.isSet(entry)) address |= MSI_DEST_LOGICAL;
        if (DELIVERY_MODE.of(entry) == LOWEST_PRIORITY) address |= MSI_REDIRECTION_HINT;
        sink.send(address, data);
    }

    /** A local APIC has ended a level-triggered interrupt; a line that is still asserted interrupts again. */
    public synchronized void endOfInterrupt(int vector) {
        for (int pin = 0; pin < PINS; pin++) {
            long entry = entries[pin];
            if (REMOTE_IRR.isSet(entry) && VECTOR.of(entry) == vector) {
                entries[pin] = entry & ~REMOTE_IRR.mask();
                deliverLevel(pin);
            }
        }
    }

    private void deliverLevel(int pin) {
        if (TRIGGER.isSet(entries[pin]) && (lines >>> pin & 1) != 0) deliver(pin);
    }

    @Override
    public synchronized long read(long offset, int size) {
        return switch ((int) offset) {
            case IOREGSEL -> select;
            case IOWIN -> readRegister() & 0xffffffffL;
            default -> 0;
        };
    }

    private int readRegister() {
        if (select == ID || select == ARBITRATION) return id;
        if (select == VERSION) return VERSION_VALUE;
        int pin = select - REDIRECTION >> 1;
        if (select < REDIRECTION || pin >= PINS) return 0;
        return (int) (entries[pin] >>> 32 * (select & 1));
    }

    @Override
    public synchronized void write(long offset, int size, long value) {
        switch ((int) offset) {
            case IOREGSEL -> select = (int) value & 0xff;
            case IOWIN -> writeRegister(value & 0xffffffffL);
            case EOIR -> endOfInterrupt((int) value & 0xff);
            default -> {}
        }
    }

    private void writeRegister(long value) {
        int pin = select - REDIRECTION >> 1;
        if (select == ID) id = (int) value & ID_MASK;
        else if (select >= REDIRECTION && pin < PINS) writeEntry(pin, value, 32 * (select & 1));
    }

    private void writeEntry(int pin, long half, int shift) {
        long writable = WRITABLE & 0xffffffffL << shift;
        long entry = entries[pin] & ~writable | half << shift & writable;
        if (!TRIGGER.isSet(entry))
            entry &= ~REMOTE_IRR.mask(); // Linux ends a lost level interrupt by switching to edge and back
        entries[pin] = entry;
        deliverLevel(pin);
    }
}
