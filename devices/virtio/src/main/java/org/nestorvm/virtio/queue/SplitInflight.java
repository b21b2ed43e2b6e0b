package org.nestorvm.virtio.queue;

import java.lang.invoke.VarHandle;
import org.nestorvm.memory.sys.HostMemory;

/**
 * {@code QueueRegionSplit}: an entry for each head descriptor. One request is given back at a time, so the last batch
 * is one entry.
 */
final class SplitInflight extends InflightLog {
    static final int LAST_BATCH_HEAD = 12, USED_IDX = 14;
    static final int HEADER_BYTES = 16, ENTRY_BYTES = 16, NEXT = 6;

    private final int[] underWay;
    private final int availIndex;
    private int usedIndex;

    /**
     * @param availIndex where a new queue begins; a region that is in use knows better
     * @param usedIndex of the used ring, as the driver sees it
     */
    SplitInflight(long region, int size, int availIndex, int usedIndex) {
        super(region, size);
        this.usedIndex = usedIndex;
        boolean fresh = isFresh();
        if (fresh) {
            HostMemory.fill(region, bytes(size), (byte) 0);
            store16(USED_IDX, usedIndex);
            finish();
        } else {
            forgetLastBatch();
        }
        underWay = marked();
        this.availIndex = fresh ? availIndex : usedIndex + underWay.length & 0xffff;
    }

    static long bytes(int size) {
        return HEADER_BYTES + (long) ENTRY_BYTES * size;
    }

    @Override
    long entry(int index) {
        return region + HEADER_BYTES + (long) ENTRY_BYTES * index;
    }

    /** What the used ring has and the region does not know of yet was given back. */
    private void forgetLastBatch() {
        int batch = Math.min(usedIndex - Virtqueue.u16(region + USED_IDX) & 0xffff, size);
        int index = Virtqueue.u16(region + LAST_BATCH_HEAD);
        for (; batch > 0 && index < size; batch--) {
            setInflight(index, false);
            index = Virtqueue.u16(entry(index) + NEXT);
        }
        store16(USED_IDX, usedIndex);
    }

    @Override
    int[] underWay() {
        return underWay;
    }

    /** Behind what was given back, and what was taken besides. */
    int availIndex() {
        return availIndex;
    }

    @Override
    void taken(Chain chain) {
        HostMemory.putLong(entry(chain.id) + COUNTER, counter++);
        setInflight(chain.id, true);
    }

    @Override
    void completing(Chain chain) {
        HostMemory.putShort(entry(chain.id) + NEXT, HostMemory.getShort(region + LAST_BATCH_HEAD));
        VarHandle.storeStoreFence();
        store16(LAST_BATCH_HEAD, chain.id);
        VarHandle.storeStoreFence();
    }

    @Override
    void completed(Chain chain) {
        setInflight(chain.id, false);
        usedIndex = usedIndex + 1 & 0xffff;
        store16(USED_IDX, usedIndex);
        VarHandle.storeStoreFence();
    }

    @Override
    void undone(Chain chain) {
        setInflight(chain.id, false);
    }
}
