package org.nestorvm.virtio.queue;

import java.lang.invoke.VarHandle;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.QueueSetup;

/** A packed virtqueue: virtio 1.2, 2.8. */
public final class PackedQueue extends Virtqueue {
    private static final int F_AVAIL = 1 << 7, F_USED = 1 << 15;
    private static final int EVENT_BYTES = 4, EVENT_FLAGS = 2, EVENT_WRAP = 1 << 15;
    private static final int EVENT_ENABLE = 0, EVENT_DISABLE = 1, EVENT_DESC = 2;
    private final long ring, driverEvent, deviceEvent;
    private final PackedInflight inflight; // null where nobody comes after this process
    private final RingCopy copy = new RingCopy();
    private int availIndex, usedIndex, pushedSinceSignal, inFlightSlots;
    private boolean availWrap, usedWrap;
    /** Where the flags of the first used descriptor lie that the driver does not see yet; 0 when there is none. */
    private long unpublished;

    private int unpublishedFlags;

    PackedQueue(QueueSetup setup, DeviceMemory memory, long features) throws QueueViolation {
        super(setup, memory, features);
        ring = area("descriptor ring", setup.descriptors(), (long) DESC_BYTES * size, 16);
        driverEvent = area("driver event suppression", setup.driver(), EVENT_BYTES, 4);
        deviceEvent = area("device event suppression", setup.device(), EVENT_BYTES, 4);
        int position = setup.position();
        availIndex = position & 0x7fff;
        availWrap = (position & EVENT_WRAP) != 0;
        usedIndex = position >>> 16 & 0x7fff;
        usedWrap = position < 0;
        if (availIndex >= size || usedIndex >= size)
            throw violation("starts at " + availIndex + " and " + usedIndex + " of " + size);
        inflight = setup.inflight() == 0
                ? null
                : new PackedInflight(setup.inflight(), size, ring, copy, usedIndex, usedWrap);
        if (inflight != null) goOn();
    }

    /** Behind what the process before has given back, and what it had taken besides. */
    private void goOn() throws QueueViolation {
        record(inflight);
        int[] entries = inflight.underWay();
        for (int entry : entries) inFlightSlots += inflight.slots(entry);
        if (inFlightSlots > size) throw violation("more descriptors are under way than the ring has");
        usedIndex = inflight.usedIndex();
        usedWrap = inflight.usedWrap();
        availIndex = usedIndex;
        availWrap = usedWrap;
        advanceAvail(inFlightSlots);
    }

    private int nextFlags() {
        return u16Acquire(ring + (long) availIndex * DESC_BYTES + DESC_FLAGS_PACKED);
    }

    static boolean isAvailable(int flags, boolean wrap) {
        return (flags & F_AVAIL) != 0 == wrap && (flags & F_USED) != 0 != wrap;
    }

    static int flags(long ring, int index) {
        return u16(ring + (long) index * DESC_BYTES + DESC_FLAGS_PACKED);
    }

    @Override
    Chain take() throws QueueViolation {
        int flags = nextFlags();
        if (!isAvailable(flags, availWrap)) return null;
        read(flags);
        int slots = copy.count(), id = copy.id(slots - 1);
        if (id >= size) throw violation("buffer id " + id + " size=" + size);
        if (slots + inFlightSlots > size) throw violation("more descriptors are offered than the ring has");
        Chain chain = chain(id);
        chain.slots = slots;
        for (int i = 0; i < slots; i++) fill(chain, copy.gpa(i), copy.length(i), copy.flags(i));
        inFlightSlots += slots;
        advanceAvail(slots);
        return chain;
    }

    /** The next chain's descriptors. @param flags of the first, which pair with the driver's write barrier */
    private void read(int flags) throws QueueViolation {
        copy.clear();
        for (int at = availIndex; ; flags = flags(ring, at)) {
            copy.read(ring + (long) at * DESC_BYTES, flags);
            if ((flags & F_NEXT) == 0) return;
            if (copy.count() == Math.min(size, MAX_CHAIN)) throw violation("chain at " + availIndex + " has no end");
            if (++at == size) at = 0;
        }
    }

    private void fill(Chain chain, long gpa, long length, int flags) throws QueueViolation {
        if ((flags & F_INDIRECT) == 0) add(chain, gpa, length, flags);
        else if (chain.slots != 1) throw violation("indirect descriptor in a list, in chain " + chain.id);
        else fillIndirect(chain, gpa, length);
    }

    /** From the copies: in the ring there may be used descriptors by now. */
    @Override
    Chain resume(int entry) throws QueueViolation {
        int slots = inflight.slots(entry);
        int last = entry;
        for (int i = 1; i < slots; i++) last = inflight.next(last);
        int id = u16(inflight.entry(last) + PackedInflight.ID);
        if (id >= size) throw violation("buffer id " + id + " under way, size=" + size);
        Chain chain = chain(id);
        chain.slots = slots;
        chain.entry = entry;
        chain.lastEntry = last;
        int at = entry;
        for (int i = 0; i < slots; i++, at = inflight.next(at)) {
            long copy = inflight.entry(at);
            fill(
                    chain,
                    HostMemory.getLong(copy + PackedInflight.ADDR),
                    HostMemory.getInt(copy + PackedInflight.LEN) & 0xffffffffL,
                    u16(copy + PackedInflight.FLAGS));
        }
        return chain;
    }

    /** The table's entries follow each other; of their flags only WRITE counts, and no other is looked at (2.8.7). */
    private void fillIndirect(Chain chain, long gpa, long length) throws QueueViolation {
        long table = indirectTable(gpa, length);
        for (long entry = table; entry < table + length; entry += DESC_BYTES) {
            int flags = u16(entry + DESC_FLAGS_PACKED);
            add(chain, HostMemory.getLong(entry), HostMemory.getInt(entry + DESC_LEN) & 0xffffffffL, flags);
        }
    }

    private void advanceAvail(int slots) {
        availIndex += slots;
        if (availIndex >= size) {
            availIndex -= size;
            availWrap = !availWrap;
        }
    }

    @Override
    void give(Chain chain, int written) {
        long entry = ring + (long) usedIndex * DESC_BYTES;
        HostMemory.putShort(entry + DESC_ID_PACKED, (short) chain.id);
        HostMemory.putInt(entry + DESC_LEN, written);
        int flags = (usedWrap ? F_AVAIL | F_USED : 0) | (written != 0 ? F_WRITE : 0);
        if (unpublished == 0) {
            unpublished = entry + DESC_FLAGS_PACKED;
            unpublishedFlags = flags;
        } else {
            HostMemory.putShort(entry + DESC_FLAGS_PACKED, (short) flags);
            if (watched) tellUsed(entry);
        }
        inFlightSlots -= chain.slots;
        pushedSinceSignal = Math.min(pushedSinceSignal + chain.slots, 2 * size);
        usedIndex += chain.slots;
        if (usedIndex >= size) {
            usedIndex -= size;
            usedWrap = !usedWrap;
        }
    }

    /** The driver looks at used descriptors in their order: those behind the first wait for it. */
    @Override
    void publish() {
        putU16Release(unpublished, unpublishedFlags); // pairs with the driver's read barrier
        if (watched) tellUsed(unpublished - DESC_FLAGS_PACKED);
        unpublished = 0;
    }

    private void tellUsed(long entry) {
        memory.written(setup.descriptors() + (entry - ring), DESC_BYTES);
    }

    @Override
    void untake(Chain chain) {
        inFlightSlots -= chain.slots;
        availIndex -= chain.slots;
        if (availIndex < 0) {
            availIndex += size;
            availWrap = !availWrap;
        }
    }

    @Override
    public boolean needsInterrupt() {
        int pushed = pushedSinceSignal;
        if (pushed == 0) return false;
        pushedSinceSignal = 0;
        VarHandle.fullFence(); // the used descriptors are visible before the driver's wish is read
        int event = HostMemory.getInt(driverEvent);
        int flags = event >>> 16 & 3;
        if (flags != EVENT_DESC || !eventIndex) return flags != EVENT_DISABLE;
        int back = usedIndex
                - (event & 0x7fff); // how long ago this descriptor was written last; index and wrap counter come again
        // every other round
        if ((event & EVENT_WRAP) != 0 != usedWrap) back += size;
        return (back > 0 ? back : back + 2 * size) <= pushed;
    }

    @Override
    public void disableNotifications() {
        wish(EVENT_DISABLE);
    }

    @Override
    public boolean enableNotifications() {
        if (eventIndex) {
            HostMemory.putShort(deviceEvent, (short) (availIndex | (availWrap ? EVENT_WRAP : 0)));
            VarHandle.storeStoreFence();
        }
        wish(eventIndex ? EVENT_DESC : EVENT_ENABLE);
        VarHandle.fullFence(); // the wish is visible before the ring is looked at again
        return hasUnderWay() || isAvailable(nextFlags(), availWrap);
    }

    private void wish(int flags) {
        HostMemory.putShort(deviceEvent + EVENT_FLAGS, (short) flags);
        if (watched) memory.written(setup.device(), EVENT_BYTES);
    }

    @Override
    public int position() {
        return availIndex | (availWrap ? EVENT_WRAP : 0) | usedIndex << 16 | (usedWrap ? 1 << 31 : 0);
    }
}
