package org.nestorvm.virtio;

import java.util.Objects;

/**
 * A device's configuration space (virtio 1.2, 2.5): little endian, with a generation that changes whenever the device
 * changes something. Reads past its end give ones. Thread-safe; the listener is called without a lock.
 */
public final class ConfigSpace {
    /** The driver has written something that it may write; it is stored already. */
    @FunctionalInterface
    public interface WriteListener {
        void written(int offset, int size);
    }

    private final byte[] bytes, writable;
    private WriteListener listener = (offset, size) -> {};
    private int generation;

    public ConfigSpace(int sizeBytes) {
        bytes = new byte[sizeBytes];
        writable = new byte[sizeBytes];
    }

    public int sizeBytes() {
        return bytes.length;
    }

    /** Lets the driver write a field. */
    public synchronized ConfigSpace allow(int offset, int size) {
        for (int i = 0; i < size; i++) writable[offset + i] = -1;
        return this;
    }

    public synchronized void onWrite(WriteListener newListener) {
        listener = newListener;
    }

    /** Sets a field of 1, 2, 4 or 8 bytes. The device tells its transport with {@link DeviceEvents#configChanged}. */
    public synchronized ConfigSpace set(int offset, int size, long value) {
        Objects.checkFromIndexSize(offset, size, bytes.length);
        for (int i = 0; i < size; i++) bytes[offset + i] = (byte) (value >>> 8 * i);
        generation++;
        return this;
    }

    public synchronized ConfigSpace set(int offset, byte[] value) {
        System.arraycopy(value, 0, bytes, offset, value.length);
        generation++;
        return this;
    }

    /** @param size 1 to 8 */
    public synchronized long get(int offset, int size) {
        long value = 0;
        for (int i = 0; i < size; i++)
            value |= (offset + i < bytes.length ? bytes[offset + i] & 0xffL : 0xffL) << 8 * i;
        return value;
    }

    public synchronized byte[] get() {
        return bytes.clone();
    }

    /** The driver writes; bytes that it may not write stay. */
    public void write(int offset, int size, long value) {
        WriteListener hears = store(offset, size, value);
        if (hears != null) hears.written(offset, size);
    }

    private synchronized WriteListener store(int offset, int size, long value) {
        boolean stored = false;
        for (int i = 0; i < size; i++) {
            if (offset + i >= bytes.length || writable[offset + i] == 0) continue;
            bytes[offset + i] = (byte) (value >>> 8 * i);
            stored = true;
        }
        return stored ? listener : null;
    }

    public synchronized int generation() {
        return generation;
    }
}
