package org.nestorvm.virtio.testkit;

import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.List;
import org.nestorvm.memory.sys.HostMemory;

/** The driver's side of a split virtqueue: virtio 1.2, 2.7.13 and 2.7.14. */
public final class SplitDriver extends DriverQueue {
    static final VarHandle U16 =
            ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final int F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4;

    private final int[] next;
    private final int[] length; // descriptors of the chain that begins here
    private int free, freeCount, availIndex, lastUsed, lastKick;

    SplitDriver(DriverMemory memory, int index, int size, long features) {
        super(memory, index, size, features);
        descriptors = memory.allocate(16L * size, 16);
        driver = memory.allocate(6 + 2L * size, 2);
        device = memory.allocate(6 + 8L * size, 4);
        next = new int[size];
        length = new int[size];
        for (int i = 0; i < size; i++) next[i] = i + 1;
        freeCount = size;
    }

    /** Writes a descriptor as it is given: for rings that break the rules, too. */
    public void descriptor(int at, long gpa, int sizeBytes, int flags, int nextIndex) {
        long entry = memory.host(descriptors + 16L * at, 16);
        put(entry, gpa, sizeBytes, flags, nextIndex);
    }

    private static void put(long entry, long gpa, int sizeBytes, int flags, int nextIndex) {
        HostMemory.putLong(entry, gpa);
        HostMemory.putInt(entry + 8, sizeBytes);
        HostMemory.putShort(entry + 12, (short) flags);
        HostMemory.putShort(entry + 14, (short) nextIndex);
    }

    /** Makes a descriptor available, whatever it is. */
    public void publish(int head) {
        HostMemory.putShort(memory.host(driver + 4 + 2L * (availIndex & size - 1), 2), (short) head);
        availIndex = availIndex + 1 & 0xffff;
        publishIndex(availIndex);
    }

    /** Sets avail.idx to anything. */
    public void publishIndex(int value) {
        U16.setRelease(HostMemory.ALL, memory.host(driver + 2, 2), (short) value);
    }

    @Override
    public int offer(List<Buffer> buffers) {
        if (buffers.size() > freeCount || buffers.isEmpty())
            throw new IllegalStateException(
                    "no room for " + buffers.size() + " descriptors: " + freeCount + " are free");
        int head = free, at = free;
        for (int i = 0; i < buffers.size(); i++) {
            Buffer buffer = buffers.get(i);
            boolean last = i == buffers.size() - 1;
            descriptor(
                    at,
                    buffer.gpa(),
                    buffer.sizeBytes(),
                    (buffer.deviceWrites() ? F_WRITE : 0) | (last ? 0 : F_NEXT),
                    last ? 0 : next[at]);
            if (last) free = next[at];
            else at = next[at];
        }
        length[head] = buffers.size();
        freeCount -= buffers.size();
        publish(head);
        return head;
    }

    @Override
    public int offerIndirect(List<Buffer> buffers) {
        if (freeCount == 0) throw new IllegalStateException("no room");
        long table = memory.allocate(16L * buffers.size(), 16);
        for (int i = 0; i < buffers.size(); i++) {
            Buffer buffer = buffers.get(i);
            boolean last = i == buffers.size() - 1;
            put(
                    memory.host(table + 16L * i, 16),
                    buffer.gpa(),
                    buffer.sizeBytes(),
                    (buffer.deviceWrites() ? F_WRITE : 0) | (last ? 0 : F_NEXT),
                    last ? 0 : i + 1);
        }
        int head = free;
        free = next[head];
        freeCount--;
        length[head] = 1;
        descriptor(head, table, 16 * buffers.size(), F_INDIRECT, 0);
        publish(head);
        return head;
    }

    @Override
    public Used take() {
        int published = (short) U16.getAcquire(HostMemory.ALL, memory.host(device + 2, 2)) & 0xffff;
        if (published == lastUsed) return null;
        long element = memory.host(device + 4 + 8L * (lastUsed & size - 1), 8);
        lastUsed = lastUsed + 1 & 0xffff;
        int head = HostMemory.getInt(element);
        giveBack(head);
        return new Used(head, HostMemory.getInt(element + 4) & 0xffffffffL);
    }

    private void giveBack(int head) {
        int last = head;
        for (int i = 1; i < length[head]; i++) last = next[last];
        next[last] = free;
        free = head;
        freeCount += length[head];
    }

    @Override
    public boolean needsKick() {
        int old = lastKick;
        lastKick = availIndex;
        VarHandle.fullFence();
        if (!eventIndex) return (HostMemory.getShort(memory.host(device, 2)) & 1) == 0;
        int event = HostMemory.getShort(memory.host(device + 4 + 8L * size, 2)) & 0xffff;
        return (availIndex - event - 1 & 0xffff) < (availIndex - old & 0xffff);
    }

    @Override
    public void wantInterrupt(boolean on) {
        if (eventIndex)
            HostMemory.putShort(memory.host(driver + 4 + 2L * size, 2), (short) (on ? lastUsed : lastUsed - 1));
        else HostMemory.putShort(memory.host(driver, 2), (short) (on ? 0 : 1));
        VarHandle.fullFence();
    }
}
