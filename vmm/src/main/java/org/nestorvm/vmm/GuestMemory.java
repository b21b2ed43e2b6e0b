package org.nestorvm.vmm;

/** SKELETON: a VM's memory as seen from this process. Bounds-safe; an access that is not wholly inside memory throws {@link GuestAddressException}. */
public final class GuestMemory {
    /** Guest-physical to host-virtual: the host address of the byte at {@code gpa}, or 0 when no memory is there. O(log slots), allocates nothing. */
    public long translate(long gpa) {
        throw new UnsupportedOperationException();
    }

    /** The same for {@code sizeBytes} bytes that must lie in one slot; 0 otherwise. Length 0 or less is never valid. */
    public long translate(long gpa, long sizeBytes) {
        throw new UnsupportedOperationException();
    }

    /** Copies; may cross from one slot into an adjacent one. */
    public void read(long gpa, byte[] to, int offset, int length) {
        throw new UnsupportedOperationException();
    }

    public void write(long gpa, byte[] from, int offset, int length) {
        throw new UnsupportedOperationException();
    }

    public int getInt(long gpa) {
        throw new UnsupportedOperationException();
    }

    public void putInt(long gpa, int value) {
        throw new UnsupportedOperationException();
    }

    public long getLong(long gpa) {
        throw new UnsupportedOperationException();
    }

    public void putLong(long gpa, long value) {
        throw new UnsupportedOperationException();
    }
}
