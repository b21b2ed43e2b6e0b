package org.nestorvm.virtio.queue;

import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.DeviceMemory;

/**
 * One request of the driver: buffers the device reads, and then buffers it writes. Belongs to its queue, which uses it
 * again for another request after {@link Virtqueue#push}. Both vectors may be cut by the device.
 */
public final class Chain {
    final int id;
    /** Entries of the ring that it takes: 1 in a split queue. */
    int slots;

    boolean inFlight;
    /** It was under way in a process before this one. */
    boolean resumed;
    /** Where a {@link PackedInflight} has it. */
    int entry, lastEntry;

    private final IoVector readable = new IoVector(4), writable = new IoVector(4);
    private long[] writableGpa = new long[4];
    private long[] writableSize = new long[4];
    private int writableCount;

    Chain(int id) {
        this.id = id;
    }

    /** The number the driver knows it by: below the queue's size. */
    public int id() {
        return id;
    }

    public IoVector readable() {
        return readable;
    }

    public IoVector writable() {
        return writable;
    }

    void clear() {
        slots = 0;
        resumed = false;
        writableCount = 0;
        readable.clear();
        writable.clear();
    }

    boolean isWritten() {
        return writableCount > 0 || !writable.isEmpty();
    }

    boolean add(DeviceMemory memory, long gpa, long sizeBytes, boolean write) {
        if (!write) return memory.add(gpa, sizeBytes, readable);
        if (memory.isWatched()) remember(gpa, sizeBytes);
        return memory.add(gpa, sizeBytes, writable);
    }

    private void remember(long gpa, long sizeBytes) {
        if (writableCount == writableGpa.length) {
            writableGpa = java.util.Arrays.copyOf(writableGpa, 2 * writableCount);
            writableSize = java.util.Arrays.copyOf(writableSize, 2 * writableCount);
        }
        writableGpa[writableCount] = gpa;
        writableSize[writableCount++] = sizeBytes;
    }

    /**
     * Tells who watches memory. All of the buffers, though fewer bytes may be used: a device may have written what it
     * does not count.
     */
    void tellWritten(DeviceMemory memory) {
        for (int i = 0; i < writableCount; i++) memory.written(writableGpa[i], writableSize[i]);
    }
}
