package org.nestorvm.vhost;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.vhost.Payloads.MemoryRegion;
import org.nestorvm.virtio.DeviceMemory;

/**
 * The back end's memory table: regions of guest-physical addresses, which the front end calls by addresses of its own.
 * What is wrong leaves the table as it was.
 */
final class MemoryTable {
    static final int MAX_SLOTS = 256;
    private static final long PAGE = 4096;

    private record Slot(MemoryRegion region, MemoryFiles.File file) {}

    private final MemoryFiles files;
    private List<Slot> slots = List.of();

    MemoryTable(MemoryFiles files) {
        this.files = files;
    }

    boolean isEmpty() {
        return slots.isEmpty();
    }

    /** Replaces all of it; takes the message's descriptors. */
    void set(List<MemoryRegion> regions, Message message) throws IOException {
        List<Slot> replaced = slots;
        slots = List.of();
        try {
            for (int i = 0; i < regions.size(); i++) add(regions.get(i), message.take(i));
        } catch (Throwable t) {
            release(slots);
            slots = replaced;
            throw t;
        }
        release(replaced);
    }

    /** @param descriptor the table's from now on, even when this fails */
    void add(MemoryRegion region, int descriptor) throws IOException {
        MemoryFiles.File file = files.open("guest memory", descriptor);
        try {
            check(region, file.sizeBytes());
            List<Slot> more = new ArrayList<>(slots);
            more.add(new Slot(region, file));
            slots = more;
        } catch (Throwable t) {
            file.release();
            throw t;
        }
    }

    private void check(MemoryRegion region, long fileBytes) throws ProtocolException {
        long size = region.sizeBytes();
        if (size <= 0
                || region.gpa() < 0
                || region.gpa() > Long.MAX_VALUE - size
                || region.user() < 0
                || region.user() > Long.MAX_VALUE - size) throw new ProtocolException(region + " overflows");
        if (region.mmapOffset() < 0 || region.mmapOffset() > fileBytes - size)
            throw new ProtocolException(
                    region + " is not inside its file of 0x" + Long.toHexString(fileBytes) + " bytes");
        if ((region.gpa() | region.mmapOffset()) % PAGE != 0)
            throw new ProtocolException(region + " does not begin with a page");
        if (slots.size() == MAX_SLOTS)
            throw new ProtocolException(region + " is one more than the " + MAX_SLOTS + " there can be");
        for (Slot slot : slots) {
            MemoryRegion other = slot.region;
            if (overlap(region.gpa(), other.gpa(), size, other.sizeBytes())
                    || overlap(region.user(), other.user(), size, other.sizeBytes()))
                throw new ProtocolException(region + " overlaps " + other);
        }
    }

    private static boolean overlap(long one, long two, long sizeOne, long sizeTwo) {
        return one < two + sizeTwo && two < one + sizeOne;
    }

    /** Addresses and size say which. */
    void remove(MemoryRegion region) throws IOException {
        for (Slot slot : slots) {
            MemoryRegion known = slot.region;
            if (known.gpa() != region.gpa() || known.user() != region.user() || known.sizeBytes() != region.sizeBytes())
                continue;
            List<Slot> fewer = new ArrayList<>(slots);
            fewer.remove(slot);
            slots = fewer;
            slot.file.release();
            return;
        }
        throw new ProtocolException(region + " is not in the memory table");
    }

    /** Guest-physical address of what the front end has at an address of its own; -1 where there is no memory. */
    long gpa(long user) {
        for (Slot slot : slots) {
            long offset = user - slot.region.user();
            if (offset >= 0 && offset < slot.region.sizeBytes()) return slot.region.gpa() + offset;
        }
        return -1;
    }

    DeviceMemory memory(DeviceMemory.WriteListener listener) {
        List<DeviceMemory.Region> regions = new ArrayList<>();
        for (Slot slot : slots) {
            MemoryRegion region = slot.region;
            regions.add(new DeviceMemory.Region(
                    region.gpa(),
                    region.sizeBytes(),
                    slot.file.hostAddress() + region.mmapOffset(),
                    slot.file.descriptor(),
                    region.mmapOffset()));
        }
        return new DeviceMemory(regions, listener);
    }

    void clear() throws IOException {
        List<Slot> old = slots;
        slots = List.of();
        release(old);
    }

    private static void release(List<Slot> slots) throws IOException {
        for (Slot slot : slots) slot.file.release();
    }
}
