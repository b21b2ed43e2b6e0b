package org.nestorvm.virtio.queue;

import java.util.Arrays;
import org.nestorvm.memory.sys.HostMemory;

/**
 * The descriptors of one chain of a packed ring, each field read once: what is checked here is what is used, and what
 * is written down as under way, whatever the driver writes over them meanwhile.
 */
final class RingCopy {
    private long[] gpa = new long[4];
    private int[] length = new int[4], id = new int[4], flags = new int[4];
    private int count;

    void clear() {
        count = 0;
    }

    /** @param entryFlags which the caller has read */
    void read(long entry, int entryFlags) {
        if (count == gpa.length) grow();
        gpa[count] = HostMemory.getLong(entry);
        length[count] = HostMemory.getInt(entry + Virtqueue.DESC_LEN);
        id[count] = Virtqueue.u16(entry + Virtqueue.DESC_ID_PACKED);
        flags[count++] = entryFlags;
    }

    private void grow() {
        gpa = Arrays.copyOf(gpa, 2 * count);
        length = Arrays.copyOf(length, 2 * count);
        id = Arrays.copyOf(id, 2 * count);
        flags = Arrays.copyOf(flags, 2 * count);
    }

    int count() {
        return count;
    }

    long gpa(int index) {
        return gpa[index];
    }

    long length(int index) {
        return length[index] & 0xffffffffL;
    }

    int id(int index) {
        return id[index];
    }

    int flags(int index) {
        return flags[index];
    }
}
