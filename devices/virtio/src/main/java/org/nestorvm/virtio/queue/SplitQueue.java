package org.nestorvm.virtio.queue;

import java.lang.invoke.VarHandle;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.QueueSetup;

/** A split virtqueue: virtio 1.2, 2.7. */
public final class SplitQueue extends Virtqueue {
    private static final int AVAIL_IDX = 2, AVAIL_RING = 4, USED_IDX = 2, USED_RING = 4, USED_ELEMENT = 8, USED_LEN = 4;
    private static final int INDICES = 1 << 16;
    private static final int NO_INTERRUPT = 1, NO_NOTIFY = 1;
    private final long descriptors, avail, used;
    private final int mask;
    private int lastAvail, usedIndex, pushedSinceSignal;

    SplitQueue(QueueSetup setup, DeviceMemory memory, long features) throws QueueViolation {
        super(setup, memory, features);
        if (Integer.bitCount(size) != 1) throw violation("size must be a power of two, not " + size);
        mask = size - 1;
        int event = Short.BYTES;
        descriptors = area("descriptor table", setup.descriptors(), (long) DESC_BYTES * size, 16);
        avail = area("available ring", setup.driver(), AVAIL_RING + 2L * size + event, 2);
        used = area("used ring", setup.device(), USED_RING + (long) USED_ELEMENT * size + event, 4);
        lastAvail = setup.position() & 0xffff;
        usedIndex = u16(used + USED_IDX);
        if (setup.inflight() == 0) return;
        SplitInflight log = new SplitInflight(setup.inflight(), size, lastAvail, usedIndex);
        record(log);
        lastAvail = log.availIndex();
    }

    @Override
    Chain take() throws QueueViolation {
        int published = u16Acquire(avail + AVAIL_IDX); // pairs with the driver's write barrier
        int pending = published - lastAvail & 0xffff;
        if (pending == 0) return null;
        if (pending > size) throw violation("avail.idx=" + published + " pending=" + pending + " size=" + size);
        Chain chain = walk(u16(avail + AVAIL_RING + 2L * (lastAvail & mask)));
        lastAvail = lastAvail + 1 & 0xffff;
        return chain;
    }

    @Override
    Chain resume(int entry) throws QueueViolation {
        return walk(entry);
    }

    private Chain walk(int head) throws QueueViolation {
        if (head >= size) throw violation("available descriptor " + head + " size=" + size);
        Chain chain = chain(head);
        chain.slots = 1;
        long table = descriptors;
        boolean inTable = false; // not told by the table's address: a guest may name the ring's own
        int entries = size, next = head;
        for (int steps = 0; ; ) {
            if (++steps > entries || steps > MAX_CHAIN)
                throw violation(
                        "chain " + head + " has a loop or more than " + Math.min(entries, MAX_CHAIN) + " descriptors");
            long at = table + (long) next * DESC_BYTES;
            long gpa = HostMemory.getLong(at);
            long length = HostMemory.getInt(at + DESC_LEN) & 0xffffffffL;
            int flagsAndNext = HostMemory.getInt(at + DESC_FLAGS_SPLIT);
            int flags = flagsAndNext & 0xffff;
            if ((flags & F_INDIRECT) != 0) {
                if ((flags & F_NEXT) != 0 || inTable)
                    throw violation(
                            "indirect descriptor inside an indirect table, or with a next one, in chain " + head);
                table = indirectTable(gpa, length);
                inTable = true;
                entries = (int) (length / DESC_BYTES);
                next = 0;
                steps = 0;
                continue;
            }
            add(chain, gpa, length, flags);
            if ((flags & F_NEXT) == 0) return chain;
            next = flagsAndNext >>> 16;
            if (next >= entries) throw violation("next descriptor " + next + " of " + entries + " in chain " + head);
        }
    }

    @Override
    void give(Chain chain, int written) {
        long offset = USED_RING + (long) (usedIndex & mask) * USED_ELEMENT;
        HostMemory.putInt(used + offset, chain.id);
        HostMemory.putInt(used + offset + USED_LEN, written);
        usedIndex = usedIndex + 1 & 0xffff;
        if (pushedSinceSignal < INDICES) pushedSinceSignal++;
        if (watched) memory.written(setup.device() + offset, USED_ELEMENT);
    }

    @Override
    void publish() {
        putU16Release(used + USED_IDX, usedIndex); // pairs with the driver's read barrier
        if (watched) memory.written(setup.device() + USED_IDX, Short.BYTES);
    }

    @Override
    void untake(Chain chain) {
        lastAvail = lastAvail - 1 & 0xffff;
    }

    @Override
    public boolean needsInterrupt() {
        int pushed = pushedSinceSignal;
        if (pushed == 0) return false;
        pushedSinceSignal = 0;
        VarHandle.fullFence(); // the used index is visible before the driver's wish is read
        if (!eventIndex) return (u16(avail) & NO_INTERRUPT) == 0;
        int event = u16(avail + AVAIL_RING + 2L * size);
        return (usedIndex - event - 1 & 0xffff) < pushed; // 2.7.10: the entry with this index is among those
    }

    @Override
    public void disableNotifications() {
        if (!eventIndex) wish(0, NO_NOTIFY);
    }

    @Override
    public boolean enableNotifications() {
        if (eventIndex) wish(USED_RING + (long) USED_ELEMENT * size, lastAvail);
        else wish(0, 0);
        VarHandle.fullFence(); // the wish is visible before the index is read again
        return hasUnderWay() || u16Acquire(avail + AVAIL_IDX) != lastAvail;
    }

    private void wish(long offset, int value) {
        HostMemory.putShort(used + offset, (short) value);
        if (watched) memory.written(setup.device() + offset, Short.BYTES);
    }

    @Override
    public int position() {
        return lastAvail;
    }

    /** What the driver sees as used. */
    public int usedIndex() {
        return usedIndex;
    }
}
