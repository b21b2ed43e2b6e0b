package org.nestorvm.virtio.testkit;

import java.util.Arrays;
import java.util.List;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;

/** A queue as its driver keeps it: offers chains, takes them back. Used by one thread at a time. */
public abstract sealed class DriverQueue permits SplitDriver, PackedDriver {
    final DriverMemory memory;
    final int index, size;
    final boolean eventIndex;
    long descriptors, driver, device;

    DriverQueue(DriverMemory memory, int index, int size, long features) {
        this.memory = memory;
        this.index = index;
        this.size = size;
        eventIndex = (features & Features.EVENT_IDX) != 0;
    }

    public static DriverQueue create(DriverMemory memory, int index, int size, long features) {
        return (features & Features.RING_PACKED) != 0
                ? new PackedDriver(memory, index, size, features)
                : new SplitDriver(memory, index, size, features);
    }

    /** How a device finds the queue. @param kick eventfd, or -1 */
    public QueueSetup setup(int kick) {
        return new QueueSetup(
                index,
                size,
                descriptors,
                driver,
                device,
                this instanceof PackedDriver ? QueueSetup.PACKED_START : 0,
                kick);
    }

    /**
     * Offers buffers as one chain. @return the id under which it comes back @throws IllegalStateException when the
     * queue has no room
     */
    public abstract int offer(List<Buffer> buffers);

    /** The same through an indirect table. */
    public abstract int offerIndirect(List<Buffer> buffers);

    /** Offers bytes to read and then room to write, each as one buffer; see {@link #lastBuffers}. */
    public int offer(byte[] readable, int writableBytes) {
        Buffer[] buffers = new Buffer[(readable.length > 0 ? 1 : 0) + (writableBytes > 0 ? 1 : 0)];
        int count = 0;
        if (readable.length > 0) {
            long gpa = memory.allocate(readable.length, 16);
            memory.write(gpa, readable);
            buffers[count++] = new Buffer(gpa, readable.length, false);
        }
        if (writableBytes > 0) buffers[count] = new Buffer(memory.allocate(writableBytes, 16), writableBytes, true);
        lastBuffers = List.copyOf(Arrays.asList(buffers));
        return offer(lastBuffers);
    }

    private List<Buffer> lastBuffers;

    /** What the last {@link #offer(byte[], int)} consists of. */
    public List<Buffer> lastBuffers() {
        return lastBuffers;
    }

    /** The next chain that the device has given back; null when there is none. */
    public abstract Used take();

    /** Whether the device wants to hear of what was offered since this was last asked. */
    public abstract boolean needsKick();

    /** Asks for an interrupt when the next chain comes back, or for none. */
    public abstract void wantInterrupt(boolean on);

    /** Guest-physical address of the descriptor table, or of the packed ring. */
    public long descriptors() {
        return descriptors;
    }

    /** Guest-physical address of the available ring, or of the driver's event suppression. */
    public long driverArea() {
        return driver;
    }

    /** Guest-physical address of the used ring, or of the device's event suppression. */
    public long deviceArea() {
        return device;
    }

    public int index() {
        return index;
    }

    public int size() {
        return size;
    }
}
