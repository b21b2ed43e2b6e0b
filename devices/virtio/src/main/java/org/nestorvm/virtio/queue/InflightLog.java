package org.nestorvm.virtio.queue;

import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.stream.IntStream;
import org.nestorvm.memory.sys.HostMemory;

/**
 * Where a device process writes down which requests are under way, so that one that comes after it finishes them: the
 * queue region of vhost-user's "Inflight I/O tracking". It lies in memory that another process keeps. Written in an
 * order that leaves it true wherever this process is killed; what is read back from it is checked as if a guest had
 * written it.
 */
abstract sealed class InflightLog permits SplitInflight, PackedInflight {
    static final int VERSION_1 = 1;
    static final int VERSION = 8, DESC_NUM = 10;
    /** Of an entry, in both layouts. */
    static final int INFLIGHT = 0, COUNTER = 8;

    final long region;
    final int size;
    long counter;

    InflightLog(long region, int size) {
        this.region = region;
        this.size = size;
    }

    /**
     * Entries of requests that a process before this one has taken and not given back, in the order in which it took
     * them.
     */
    abstract int[] underWay();

    /** Not visible to anybody yet: a process that is killed before this has not taken the request. */
    abstract void taken(Chain chain);

    /** The request is about to be visible to the driver as used. */
    abstract void completing(Chain chain);

    abstract void completed(Chain chain);

    /** The request taken last goes back into the ring. */
    abstract void undone(Chain chain);

    abstract long entry(int index);

    final boolean isFresh() {
        return Virtqueue.u16(region + VERSION) != VERSION_1 || Virtqueue.u16(region + DESC_NUM) != size;
    }

    /** Makes the region valid, last of all. */
    final void finish() {
        HostMemory.putShort(region + DESC_NUM, (short) size);
        VarHandle.storeStoreFence();
        HostMemory.putShort(region + VERSION, (short) VERSION_1);
    }

    final boolean isInflight(int index) {
        return HostMemory.getByte(entry(index) + INFLIGHT) == 1;
    }

    final void setInflight(int index, boolean on) {
        VarHandle.storeStoreFence();
        HostMemory.putByte(entry(index) + INFLIGHT, (byte) (on ? 1 : 0));
        VarHandle.storeStoreFence();
    }

    /** The entries that are marked, by age, which is read once. Later requests count on from them. */
    final int[] marked() {
        record Marked(int index, long age) {}
        List<Marked> found = IntStream.range(0, size)
                .filter(this::isInflight)
                .mapToObj(i -> new Marked(i, HostMemory.getLong(entry(i) + COUNTER)))
                .sorted((a, b) -> Long.compareUnsigned(a.age, b.age))
                .toList();
        if (!found.isEmpty()) counter = found.getLast().age + 1;
        return found.stream().mapToInt(Marked::index).toArray();
    }

    final void store16(int field, int value) {
        HostMemory.putShort(region + field, (short) value);
    }
}
