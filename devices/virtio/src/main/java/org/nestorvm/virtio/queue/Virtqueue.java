package org.nestorvm.virtio.queue;

import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;

/**
 * The device's side of a virtqueue (virtio 1.2, 2.6): takes requests, gives them back. Safe against any ring that a
 * guest can write: every field is read once, every index and address is checked, and what breaks the rules is a
 * {@link QueueViolation}. Requests may be given back in any order.
 *
 * <p>Used by one thread at a time. Nothing is allocated once each chain has been used.
 */
public abstract sealed class Virtqueue permits SplitQueue, PackedQueue {
    /** Bounds what a chain may consist of, whatever the size of the queue or of an indirect table. */
    public static final int MAX_CHAIN = 1024;
    /** Entries of a queue, 2.7 and 2.8. */
    public static final int MAX_SIZE = 32768;
    /** Virtio 1.2, 2.7.4.1: the bytes of a chain. */
    private static final long MAX_CHAIN_BYTES = 1L << 32;

    static final VarHandle U16 =
            ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    static final int DESC_BYTES = 16,
            DESC_LEN = 8,
            DESC_FLAGS_SPLIT = 12,
            DESC_NEXT_SPLIT = 14,
            DESC_ID_PACKED = 12,
            DESC_FLAGS_PACKED = 14;
    static final int F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4;

    final QueueSetup setup;
    final DeviceMemory memory;
    final int size;
    final boolean eventIndex, indirect, watched;
    private final Chain[] chains;
    private InflightLog inflight;
    private int[] underWay = {};
    private int resumedCount, inFlightCount;

    Virtqueue(QueueSetup setup, DeviceMemory memory, long features) throws QueueViolation {
        this.setup = setup;
        this.memory = memory;
        this.size = setup.size();
        eventIndex = (features & Features.EVENT_IDX) != 0;
        indirect = (features & Features.INDIRECT_DESC) != 0;
        watched = memory.isWatched();
        if (size < 1 || size > MAX_SIZE) throw violation("size must be 1 to " + MAX_SIZE + ", not " + size);
        chains = new Chain[size];
    }

    /** @throws QueueViolation when size or addresses are not what the specification allows, or not memory */
    public static Virtqueue open(QueueSetup setup, DeviceMemory memory, long features) throws QueueViolation {
        return (features & Features.RING_PACKED) != 0
                ? new PackedQueue(setup, memory, features)
                : new SplitQueue(setup, memory, features);
    }

    /** Of memory that {@link QueueSetup#inflight} names, for a queue of either kind. */
    public static long inflightBytes(int size) {
        return Math.max(SplitInflight.bytes(size), PackedInflight.bytes(size));
    }

    public final int index() {
        return setup.index();
    }

    public final int size() {
        return size;
    }

    /**
     * From here on requests that are under way are recorded, for whoever comes after this process; those of who was
     * before come first.
     */
    final void record(InflightLog log) {
        inflight = log;
        underWay = log.underWay();
    }

    /** The next request; null when there is none. */
    public final Chain poll() throws QueueViolation {
        boolean old = hasUnderWay();
        Chain chain = old ? resume(underWay[resumedCount]) : take();
        if (chain == null) return null;
        chain.inFlight = true;
        inFlightCount++;
        if (old) {
            resumedCount++;
            chain.resumed = true;
        } else if (inflight != null) {
            inflight.taken(chain);
        }
        return chain;
    }

    final boolean hasUnderWay() {
        return resumedCount < underWay.length;
    }

    /**
     * Gives a request back. @param written bytes that the device has written into its writable buffers, from their
     * beginning on
     */
    public final void push(Chain chain, long written) {
        end(chain);
        if (inflight != null) inflight.completing(chain);
        give(chain, (int) written);
        publish();
        if (inflight != null) inflight.completed(chain);
    }

    /**
     * Gives several back, elements 0 to {@code count - 1}, of which the driver sees all or none: a packet in several
     * buffers (5.1.6.4). Where requests under way are recorded it sees one after the other, since the record knows of
     * one at a time.
     */
    public final void push(Chain[] some, long[] written, int count) {
        if (inflight != null) {
            for (int i = 0; i < count; i++) push(some[i], written[i]);
            return;
        }
        for (int i = 0; i < count; i++) {
            end(some[i]);
            give(some[i], (int) written[i]);
        }
        if (count > 0) publish();
    }

    private void end(Chain chain) {
        if (!chain.inFlight)
            throw new IllegalStateException("given back twice: chain " + chain.id + " of queue " + setup.index());
        chain.inFlight = false;
        inFlightCount--;
        chain.tellWritten(memory);
    }

    /** Requests taken and not given back. */
    public final int inFlight() {
        return inFlightCount;
    }

    abstract Chain take() throws QueueViolation;

    /** A request that was under way in a process before this one; not taken from the ring again. */
    abstract Chain resume(int entry) throws QueueViolation;

    /** Writes what the driver will see with {@link #publish}. */
    abstract void give(Chain chain, int written);

    abstract void publish();

    /** Takes back the {@link #poll} of the request taken last, so that it comes again. */
    public final void unpoll(Chain chain) {
        chain.inFlight = false;
        inFlightCount--;
        if (chain.resumed) {
            resumedCount--;
            return;
        }
        if (inflight != null) inflight.undone(chain);
        untake(chain);
    }

    abstract void untake(Chain chain);

    /** Whether the driver wants an interrupt for what was pushed since this was last asked. */
    public abstract boolean needsInterrupt();

    /** Asks the driver not to notify. It may all the same. */
    public abstract void disableNotifications();

    /**
     * Asks the driver to notify again. @return true when there is a request already, for which no notification need
     * come
     */
    public abstract boolean enableNotifications();

    /**
     * What to go on from, as {@link QueueSetup#position}: split, the next available index; packed, index and wrap
     * counter of the driver's side, and of the device's in the upper half.
     */
    public abstract int position();

    final Chain chain(int id) throws QueueViolation {
        Chain chain = chains[id];
        if (chain == null) chains[id] = chain = new Chain(id);
        if (chain.inFlight) throw violation("descriptor " + id + " is offered again before it was used");
        chain.clear();
        return chain;
    }

    /** Adds one descriptor to a chain; what was read comes in, so that it is read once. */
    final void add(Chain chain, long gpa, long length, int flags) throws QueueViolation {
        boolean write = (flags & F_WRITE) != 0;
        if (!write && chain.isWritten())
            throw violation("a readable buffer follows a writable one in chain " + chain.id);
        if (!chain.add(memory, gpa, length, write))
            throw violation("buffer at 0x" + Long.toHexString(gpa) + " of " + length + " bytes is not memory");
        if (chain.readable().totalBytes() + chain.writable().totalBytes() > MAX_CHAIN_BYTES)
            throw violation("chain " + chain.id + " has more than 2^32 bytes");
    }

    /** Where an indirect table lies in this process. Its size, in entries, is length / 16. */
    final long indirectTable(long gpa, long length) throws QueueViolation {
        if (!indirect) throw violation("indirect descriptor, which was not negotiated");
        if (length == 0 || length % DESC_BYTES != 0 || length / DESC_BYTES > MAX_CHAIN)
            throw violation("indirect table of " + length + " bytes");
        long table = memory.translate(gpa, length);
        if (table == 0)
            throw violation("indirect table at 0x" + Long.toHexString(gpa) + " of " + length + " bytes is not memory");
        return table;
    }

    final long area(String name, long gpa, long sizeBytes, int alignment) throws QueueViolation {
        if (gpa % alignment != 0)
            throw violation(name + " at 0x" + Long.toHexString(gpa) + " is not aligned to " + alignment + " bytes");
        long at = memory.translate(gpa, sizeBytes);
        if (at == 0)
            throw violation(name + " at 0x" + Long.toHexString(gpa) + " of " + sizeBytes + " bytes is not memory");
        return at;
    }

    final QueueViolation violation(String what) {
        return new QueueViolation("queue " + setup.index() + ": " + what);
    }

    static int u16(long hostAddress) {
        return HostMemory.getShort(hostAddress) & 0xffff;
    }

    static int u16Acquire(long hostAddress) {
        return (short) U16.getAcquire(HostMemory.ALL, hostAddress) & 0xffff;
    }

    static void putU16Release(long hostAddress, int value) {
        U16.setRelease(HostMemory.ALL, hostAddress, (short) value);
    }
}
