package org.nestorvm.virtio.queue;

import java.lang.invoke.VarHandle;
import org.nestorvm.memory.sys.HostMemory;

/**
 * {@code QueueRegionPacked}: a copy of every descriptor that is under way, since used descriptors are written over them
 * in the ring. The entries that are not taken form a list.
 *
 * <p>Once it is open nothing is read from the region any more: the list is kept here as well.
 */
final class PackedInflight extends InflightLog {
    static final int FREE_HEAD = 12,
            OLD_FREE_HEAD = 14,
            USED_IDX = 16,
            OLD_USED_IDX = 18,
            USED_WRAP = 20,
            OLD_USED_WRAP = 21;
    static final int HEADER_BYTES = 32,
            ENTRY_BYTES = 32,
            NEXT = 2,
            LAST = 4,
            NUM = 6,
            ID = 16,
            FLAGS = 18,
            LEN = 20,
            ADDR = 24;

    private final long ring;
    private final RingCopy copy;
    private final int[] next;
    private final int[] slots; // of requests that were under way, by their first entry
    private final int[] underWay;
    private int freeHead, usedIndex;
    private boolean usedWrap;

    /**
     * @param copy has the descriptors of the chain that {@link #taken} records
     * @param usedIndex where a new queue begins; a region that is in use knows better
     */
    PackedInflight(long region, int size, long ring, RingCopy copy, int usedIndex, boolean usedWrap)
            throws QueueViolation {
        super(region, size);
        this.ring = ring;
        this.copy = copy;
        this.usedIndex = usedIndex;
        this.usedWrap = usedWrap;
        next = new int[size];
        slots = new int[size];
        if (isFresh()) {
            HostMemory.fill(region, bytes(size), (byte) 0);
            underWay = new int[0];
        } else {
            finishLastBatch();
            forgetFree();
            underWay = marked();
        }
        rebuild();
        finish();
    }

    static long bytes(int size) {
        return HEADER_BYTES + (long) ENTRY_BYTES * size;
    }

    @Override
    long entry(int index) {
        return region + HEADER_BYTES + (long) ENTRY_BYTES * index;
    }

    /** What the process before was about to give back is given back if the driver can see it; else it was not. */
    private void finishLastBatch() throws QueueViolation {
        int oldIndex = Virtqueue.u16(region + OLD_USED_IDX);
        boolean oldWrap = HostMemory.getByte(region + OLD_USED_WRAP) != 0;
        int index = Virtqueue.u16(region + USED_IDX);
        boolean wrap = HostMemory.getByte(region + USED_WRAP) != 0;
        if (oldIndex >= size || index >= size)
            throw new QueueViolation(
                    "in-flight region: used index " + index + ", before it " + oldIndex + ", of " + size);
        if ((index != oldIndex || wrap != oldWrap)
                && !PackedQueue.isAvailable(PackedQueue.flags(ring, oldIndex), oldWrap)) {
            commit(Virtqueue.u16(region + FREE_HEAD), index, wrap);
            oldIndex = index;
            oldWrap = wrap;
        }
        usedIndex = oldIndex;
        usedWrap = oldWrap;
    }

    /** The index comes last: as long as it differs a successor does this again. */
    private void commit(int head, int index, boolean wrap) {
        store16(OLD_FREE_HEAD, head);
        VarHandle.storeStoreFence();
        HostMemory.putByte(region + OLD_USED_WRAP, (byte) (wrap ? 1 : 0));
        VarHandle.storeStoreFence();
        store16(OLD_USED_IDX, index);
        VarHandle.storeStoreFence();
    }

    private void forgetFree() {
        int at = Virtqueue.u16(region + OLD_FREE_HEAD);
        for (int steps = 0; steps < size && at < size; steps++) {
            setInflight(at, false);
            at = Virtqueue.u16(entry(at) + NEXT);
        }
    }

    /** Every entry that belongs to no request is free. */
    private void rebuild() throws QueueViolation {
        boolean[] taken = new boolean[size];
        for (int head : underWay) claim(head, taken);
        freeHead = size;
        for (int i = size - 1; i >= 0; i--) {
            if (taken[i]) continue;
            link(i, freeHead);
            freeHead = i;
        }
        store16(FREE_HEAD, freeHead);
        HostMemory.putByte(region + USED_WRAP, (byte) (usedWrap ? 1 : 0));
        store16(USED_IDX, usedIndex);
        commit(freeHead, usedIndex, usedWrap);
    }

    private void claim(int head, boolean[] taken) throws QueueViolation {
        int count = Virtqueue.u16(entry(head) + NUM);
        if (count == 0)
            throw new QueueViolation("in-flight region: the request at entry " + head + " has no descriptor");
        slots[head] = count;
        int at = head;
        for (int i = 0; i < count; i++) {
            if (at >= size || taken[at])
                throw new QueueViolation(
                        "in-flight region: the request at entry " + head + " is no list of " + count + " entries");
            taken[at] = true;
            next[at] = Virtqueue.u16(entry(at) + NEXT);
            at = next[at];
        }
    }

    private void link(int index, int to) {
        next[index] = to;
        HostMemory.putShort(entry(index) + NEXT, (short) to);
    }

    @Override
    int[] underWay() {
        return underWay;
    }

    int usedIndex() {
        return usedIndex;
    }

    boolean usedWrap() {
        return usedWrap;
    }

    int slots(int head) {
        return slots[head];
    }

    /** The entry that follows in a request. */
    int next(int index) {
        return next[index];
    }

    @Override
    void taken(Chain chain) {
        int head = freeHead, at = head, last = head;
        for (int i = 0; i < chain.slots; i++) {
            write(i, entry(at));
            last = at;
            at = next[at];
        }
        chain.entry = head;
        chain.lastEntry = last;
        HostMemory.putLong(entry(head) + COUNTER, counter++);
        HostMemory.putShort(entry(head) + NUM, (short) chain.slots);
        HostMemory.putShort(entry(head) + LAST, (short) last);
        setInflight(head, true); // in a free entry it does not count yet
        freeHead = at;
        store16(FREE_HEAD, at);
        VarHandle.storeStoreFence();
        store16(OLD_FREE_HEAD, at);
        VarHandle.storeStoreFence();
    }

    private void write(int index, long entry) {
        HostMemory.putLong(entry + ADDR, copy.gpa(index));
        HostMemory.putInt(entry + LEN, (int) copy.length(index));
        HostMemory.putShort(entry + ID, (short) copy.id(index));
        HostMemory.putShort(entry + FLAGS, (short) copy.flags(index));
    }

    @Override
    void completing(Chain chain) {
        release(chain);
        usedIndex += chain.slots;
        if (usedIndex >= size) {
            usedIndex -= size;
            usedWrap = !usedWrap;
        }
        HostMemory.putByte(region + USED_WRAP, (byte) (usedWrap ? 1 : 0));
        store16(USED_IDX, usedIndex);
        VarHandle.storeStoreFence();
    }

    private void release(Chain chain) {
        link(chain.lastEntry, freeHead);
        freeHead = chain.entry;
        VarHandle.storeStoreFence();
        store16(FREE_HEAD, freeHead);
        VarHandle.storeStoreFence();
    }

    @Override
    void completed(Chain chain) {
        setInflight(chain.entry, false);
        commit(freeHead, usedIndex, usedWrap);
    }

    /** Free first: an entry that is free does not count, whatever it is marked as. */
    @Override
    void undone(Chain chain) {
        release(chain);
        store16(OLD_FREE_HEAD, freeHead);
        setInflight(chain.entry, false);
    }
}
