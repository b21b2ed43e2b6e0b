package org.nestorvm.virtio.pci;

import org.nestorvm.devices.MmioDevice;
import org.nestorvm.devices.MsiSink;

/** The MSI-X table and pending bit array of a function, in one window: PCI Local Bus 3.0, section 6.8.2. */
final class MsixTable implements MmioDevice {
    static final int MAX_VECTORS = 64, WINDOW_BYTES = 0x1000, PENDING = 0x800;
    static final int CAPABILITY_ID = 0x11,
            CAPABILITY_BYTES = 12,
            CONTROL = 2,
            ENABLE = 1 << 15,
            FUNCTION_MASK = 1 << 14;
    private static final int ENTRY_BYTES = 16, ADDRESS = 0, ADDRESS_HIGH = 4, DATA = 8, VECTOR_CONTROL = 12, MASKED = 1;

    /** Hears that messages or masks have changed; called without the table's lock. */
    interface Listener {
        void messagesChanged();
    }

    private final MsiSink sink;
    private final int vectors;
    private final int[] table; // four doublewords a vector
    private volatile Listener listener = () -> {};
    private long pending;
    private boolean enabled, masked;

    MsixTable(int vectors, MsiSink sink) {
        this.vectors = vectors;
        this.sink = sink;
        table = new int[vectors * ENTRY_BYTES / 4];
        for (int i = 0; i < vectors; i++) table[i * 4 + VECTOR_CONTROL / 4] = MASKED;
    }

    int vectors() {
        return vectors;
    }

    void listen(Listener newListener) {
        listener = newListener;
    }

    /**
     * The capability, of which the guest may write the two upper bits of its message control. @param bar which window
     * the table is in
     */
    byte[] capability(int bar) {
        byte[] bytes = new byte[CAPABILITY_BYTES];
        bytes[0] = CAPABILITY_ID;
        bytes[CONTROL] = (byte) (vectors - 1);
        bytes[4] = (byte) bar;
        bytes[8] = (byte) (PENDING | bar);
        bytes[9] = (byte) (PENDING >> 8);
        return bytes;
    }

    /** The guest has written message control. */
    void control(int value) {
        synchronized (this) {
            enabled = (value & ENABLE) != 0;
            masked = (value & FUNCTION_MASK) != 0;
            deliverPending();
        }
        listener.messagesChanged();
    }

    synchronized boolean enabled() {
        return enabled;
    }

    /** Sends a vector's message, or remembers it while it is masked. A vector that is not there is no interrupt. */
    synchronized void signal(int vector) {
        if (vector >= vectors) return;
        if (deliverable(vector)) sink.send(address(vector), data(vector));
        else pending |= 1L << vector;
    }

    /** Whether messages of this vector go out at once. */
    synchronized boolean deliverable(int vector) {
        return vector < vectors && enabled && !masked && (table[vector * 4 + VECTOR_CONTROL / 4] & MASKED) == 0;
    }

    synchronized long address(int vector) {
        return table[vector * 4 + ADDRESS / 4] & 0xffffffffL | (long) table[vector * 4 + ADDRESS_HIGH / 4] << 32;
    }

    synchronized int data(int vector) {
        return table[vector * 4 + DATA / 4];
    }

    private void deliverPending() {
        for (int i = 0; i < vectors; i++) {
            if ((pending & 1L << i) == 0 || !deliverable(i)) continue;
            pending &= ~(1L << i);
            sink.send(address(i), data(i));
        }
    }

    /** Forgets what is pending: the device was reset. */
    synchronized void clearPending() {
        pending = 0;
    }

    @Override
    public synchronized long read(long offset, int size) {
        if (size != 4 || (offset & 3) != 0) return -1;
        if (offset < (long) vectors * ENTRY_BYTES) return table[(int) offset / 4];
        return offset == PENDING ? (int) pending : offset == PENDING + 4 ? (int) (pending >>> 32) : 0;
    }

    @Override
    public void write(long offset, int size, long value) {
        if (size != 4 || (offset & 3) != 0 || offset >= (long) vectors * ENTRY_BYTES) return;
        store(offset, value);
        listener.messagesChanged();
    }

    private synchronized void store(long offset, long value) {
        int field = (int) offset % ENTRY_BYTES;
        table[(int) offset / 4] = switch (field) {
            case ADDRESS -> (int) value & ~3;
            case VECTOR_CONTROL -> (int) value & MASKED;
            default -> (int) value;
        };
        if (field == VECTOR_CONTROL) deliverPending();
    }
}
