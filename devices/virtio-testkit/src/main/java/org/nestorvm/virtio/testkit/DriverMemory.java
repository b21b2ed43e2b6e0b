package org.nestorvm.virtio.testkit;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.Mapping;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.Pages;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.virtio.DeviceMemory;

/** A guest's memory for a driver of ours: memory objects mapped here, and a place to take buffers from. */
public final class DriverMemory implements AutoCloseable {
    private static final long PAGE = 4096;

    private final List<MemoryObject> objects = new ArrayList<>();
    private final List<Mapping> mappings = new ArrayList<>();
    private final List<DeviceMemory.Region> regions = new ArrayList<>();
    private final DeviceMemory memory;
    private long next;

    /** @param layout pairs of guest-physical address and size, whole pages; buffers come from the first */
    public DriverMemory(DeviceMemory.WriteListener listener, long... layout) throws IOException {
        this(listener, 0, layout);
    }

    private DriverMemory(DeviceMemory.WriteListener listener, long guardBytes, long[] layout) throws IOException {
        for (int i = 0; i < layout.length; i += 2) map(i / 2, layout[i], layout[i + 1], guardBytes);
        memory = new DeviceMemory(regions, listener);
        next = layout[0] + PAGE;
    }

    /** The same with a page before and after each region that nobody can touch: an access outside ends the process. */
    public static DriverMemory guarded(long... layout) throws IOException {
        return new DriverMemory(null, PAGE, layout);
    }

    private void map(int index, long gpa, long sizeBytes, long guardBytes) throws IOException {
        MemoryObject object = MemoryObject.create("driver" + index, sizeBytes + 2 * guardBytes, Pages.SMALL);
        objects.add(object);
        Mapping mapping = AddressSpace.map(object, false);
        mappings.add(mapping);
        long hostAddress = mapping.hostAddress() + guardBytes;
        if (guardBytes > 0) {
            MemoryCalls.mprotect(object, mapping.hostAddress(), guardBytes, MemoryCalls.PROT_NONE);
            MemoryCalls.mprotect(object, hostAddress + sizeBytes, guardBytes, MemoryCalls.PROT_NONE);
        }
        regions.add(new DeviceMemory.Region(gpa, sizeBytes, hostAddress, object.descriptor(), guardBytes));
    }

    /** 16 MiB from address 0 on. */
    public DriverMemory() throws IOException {
        this(null, 0, 16 << 20);
    }

    public DeviceMemory memory() {
        return memory;
    }

    /** A piece of memory that nobody has had yet, zeroed. @return its guest-physical address */
    public long allocate(long sizeBytes, int alignment) {
        long at = next + alignment - 1 & -alignment;
        next = at + sizeBytes;
        if (next > regions.getFirst().end())
            throw new IllegalStateException("the driver's memory is used up: " + regions.getFirst());
        return at;
    }

    /** Where a guest-physical address is in this process. */
    public long host(long gpa, long sizeBytes) {
        long at = memory.translate(gpa, sizeBytes);
        if (at == 0) throw new IllegalArgumentException("not memory: 0x" + Long.toHexString(gpa));
        return at;
    }

    public byte[] read(long gpa, int sizeBytes) {
        byte[] bytes = new byte[sizeBytes];
        if (sizeBytes > 0) HostMemory.copyOut(host(gpa, sizeBytes), bytes, 0, sizeBytes);
        return bytes;
    }

    public void write(long gpa, byte[] bytes) {
        if (bytes.length > 0) HostMemory.copyIn(bytes, 0, host(gpa, bytes.length), bytes.length);
    }

    @Override
    public void close() throws IOException {
        for (Mapping mapping : mappings) mapping.unmap();
        for (MemoryObject object : objects) object.release();
    }
}
