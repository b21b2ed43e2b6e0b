package org.nestorvm.engine.kvm;

import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.GuestBus;

/** Port and memory-mapped accesses, between the page shared with the kernel and the bus. Allocates nothing. */
final class KvmAccess {
    private KvmAccess() {}

    /** INS and OUTS with a repeat prefix come as several accesses in one exit, one after the other in memory. */
    static void port(KvmRun run, GuestBus bus) {
        int port = run.ioPort();
        int size = run.ioSize();
        long data = run.ioData();
        boolean out = run.ioIsOut();
        for (int left = run.ioCount(); left > 0; left--, data += size) {
            if (out) bus.portWrite(port, size, load(data, size));
            else store(data, size, bus.portRead(port, size));
        }
    }

    private static int load(long address, int size) {
        return switch (size) {
            case 1 -> HostMemory.getByte(address) & 0xff;
            case 2 -> HostMemory.getShort(address) & 0xffff;
            default -> HostMemory.getInt(address);
        };
    }

    private static void store(long address, int size, int value) {
        switch (size) {
            case 1 -> HostMemory.putByte(address, (byte) value);
            case 2 -> HostMemory.putShort(address, (short) value);
            default -> HostMemory.putInt(address, value);
        }
    }

    /**
     * The kernel cuts at eight bytes and at pages, so lengths other than 1, 2, 4 and 8 occur: such an access is made of
     * the largest pieces that fit.
     */
    static void mmio(KvmRun run, GuestBus bus) {
        long gpa = run.mmioGpa();
        long data = run.mmioData();
        boolean write = run.mmioIsWrite();
        int left = Math.min(run.mmioLength(), 8);
        while (left > 0) {
            int size = Integer.highestOneBit(left);
            if (write) bus.mmioWrite(gpa, size, loadLong(data, size));
            else storeLong(data, size, bus.mmioRead(gpa, size));
            gpa += size;
            data += size;
            left -= size;
        }
    }

    private static long loadLong(long address, int size) {
        return size == 8 ? HostMemory.getLong(address) : load(address, size) & 0xffffffffL;
    }

    private static void storeLong(long address, int size, long value) {
        if (size == 8) HostMemory.putLong(address, value);
        else store(address, size, (int) value);
    }
}
