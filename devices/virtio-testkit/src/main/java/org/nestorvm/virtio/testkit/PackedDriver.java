package org.nestorvm.virtio.testkit;

import java.lang.invoke.VarHandle;
import java.util.List;
import org.nestorvm.memory.sys.HostMemory;

/** The driver's side of a packed virtqueue: virtio 1.2, 2.8.21 and 2.8.22. */
public final class PackedDriver extends DriverQueue {
    private static final int F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4, F_AVAIL = 1 << 7, F_USED = 1 << 15;

    private final int[] slots; // by id; 0 when the id is free
    private int availIndex, usedIndex, freeCount, offeredSinceKick;
    private boolean availWrap = true, usedWrap = true;

    PackedDriver(DriverMemory memory, int index, int size, long features) {
        super(memory, index, size, features);
        descriptors = memory.allocate(16L * size, 16);
        driver = memory.allocate(4, 4);
        device = memory.allocate(4, 4);
        slots = new int[size];
        freeCount = size;
    }

    @Override
    public int offer(List<Buffer> buffers) {
        if (buffers.size() > freeCount || buffers.isEmpty())
            throw new IllegalStateException(
                    "no room for " + buffers.size() + " descriptors: " + freeCount + " are free");
        int id = freeId();
        int firstIndex = availIndex, firstFlags = 0;
        for (int i = 0; i < buffers.size(); i++) {
            Buffer buffer = buffers.get(i);
            int flags = availFlags() | (buffer.deviceWrites() ? F_WRITE : 0) | (i < buffers.size() - 1 ? F_NEXT : 0);
            if (i == 0) firstFlags = flags;
            descriptor(availIndex, buffer.gpa(), buffer.sizeBytes(), id, i == 0 ? -1 : flags);
            advance();
        }
        finish(id, buffers.size(), firstIndex, firstFlags);
        return id;
    }

    @Override
    public int offerIndirect(List<Buffer> buffers) {
        if (freeCount == 0) throw new IllegalStateException("no room");
        int id = freeId();
        long table = memory.allocate(16L * buffers.size(), 16);
        for (int i = 0; i < buffers.size(); i++) {
            long entry = memory.host(table + 16L * i, 16);
            HostMemory.putLong(entry, buffers.get(i).gpa());
            HostMemory.putInt(entry + 8, buffers.get(i).sizeBytes());
            HostMemory.putShort(entry + 14, (short) (buffers.get(i).deviceWrites() ? F_WRITE : 0));
        }
        int index = availIndex, flags = availFlags() | F_INDIRECT;
        descriptor(index, table, 16 * buffers.size(), id, -1);
        advance();
        finish(id, 1, index, flags);
        return id;
    }

    /** The first descriptor's flags come last: they make the whole chain available. */
    private void finish(int id, int count, int firstIndex, int firstFlags) {
        slots[id] = count;
        freeCount -= count;
        offeredSinceKick += count;
        SplitDriver.U16.setRelease(
                HostMemory.ALL, memory.host(descriptors + 16L * firstIndex + 14, 2), (short) firstFlags);
    }

    /** @param flags -1 to leave them */
    public void descriptor(int at, long gpa, int sizeBytes, int id, int flags) {
        long entry = memory.host(descriptors + 16L * at, 16);
        HostMemory.putLong(entry, gpa);
        HostMemory.putInt(entry + 8, sizeBytes);
        HostMemory.putShort(entry + 12, (short) id);
        if (flags != -1) SplitDriver.U16.setRelease(HostMemory.ALL, entry + 14, (short) flags);
    }

    public int availFlags() {
        return availWrap ? F_AVAIL : F_USED;
    }

    private int freeId() {
        int id = 0;
        while (slots[id] != 0) id++;
        return id;
    }

    private void advance() {
        if (++availIndex == size) {
            availIndex = 0;
            availWrap = !availWrap;
        }
    }

    @Override
    public Used take() {
        long entry = memory.host(descriptors + 16L * usedIndex, 16);
        int flags = (short) SplitDriver.U16.getAcquire(HostMemory.ALL, entry + 14);
        boolean avail = (flags & F_AVAIL) != 0, used = (flags & F_USED) != 0;
        if (avail != used || used != usedWrap) return null;
        int id = HostMemory.getShort(entry + 12) & 0xffff;
        long written = (flags & F_WRITE) != 0 ? HostMemory.getInt(entry + 8) & 0xffffffffL : 0;
        usedIndex += slots[id];
        if (usedIndex >= size) {
            usedIndex -= size;
            usedWrap = !usedWrap;
        }
        freeCount += slots[id];
        slots[id] = 0;
        return new Used(id, written);
    }

    @Override
    public boolean needsKick() {
        int offered = offeredSinceKick;
        offeredSinceKick = 0;
        VarHandle.fullFence();
        int event = HostMemory.getInt(memory.host(device, 4));
        int flags = event >>> 16 & 3;
        if (flags != 2) return flags == 0;
        int back = availIndex - (event & 0x7fff);
        if ((event & 1 << 15) != 0 != availWrap) back += size;
        return (back > 0 ? back : back + 2 * size) <= offered;
    }

    @Override
    public void wantInterrupt(boolean on) {
        long event = memory.host(driver, 4);
        if (on && eventIndex) HostMemory.putInt(event, 2 << 16 | usedIndex | (usedWrap ? 1 << 15 : 0));
        else HostMemory.putInt(event, on ? 0 : 1 << 16);
        VarHandle.fullFence();
    }
}
