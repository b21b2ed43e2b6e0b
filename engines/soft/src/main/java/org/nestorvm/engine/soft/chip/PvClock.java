package org.nestorvm.engine.soft.chip;

import java.lang.invoke.VarHandle;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.VmClock;

/**
 * kvm-clock of one processor: structures in guest memory from which the guest computes the time with its TSC. The TSC
 * counts nanoseconds and never changes its rate, so that a structure is written when the guest asks, and when it has
 * moved a TSC: see {@code PvClocks}.
 */
public final class PvClock {
    /** Guest memory as one processor sees it, on that processor's thread. */
    interface Memory {
        /**
         * The host address of guest-physical memory that is about to be written; 0 when no memory is there, or the
         * address is wider than the processor's.
         */
        long hostForWrite(long gpa);
    }

    /** What the clock asks of its processor. */
    public interface Processor extends Memory {
        /** The time stamp counter as the guest reads it. */
        long tsc();

        /** The clock's time at which the TSC has, or had, this value. */
        long timeOfTsc(long tsc);

        /**
         * The guest has given the clock another structure: it is to be written, and to say whether all TSCs are the
         * same.
         */
        void clockMoved();

        /** Memory has been written beside the processor's own stores. */
        void memoryWritten(long gpa, int sizeBytes);
    }

    private static final int SIZE_BYTES = 32;
    private static final int TSC_STABLE = 1;

    private final Processor processor;
    private final VmClock clock;
    private long wallClock;
    private volatile long systemTime;

    public PvClock(Processor processor, VmClock clock) {
        this.processor = processor;
        this.clock = clock;
    }

    public long systemTime() {
        return systemTime;
    }

    public long wallClock() {
        return wallClock;
    }

    /** KVM_SYSTEM_TIME_NEW: bit 0 enables. struct pvclock_vcpu_time_info, 32 bytes. */
    public void setSystemTime(long value) {
        systemTime = value;
        processor.clockMoved();
    }

    /**
     * Writes the structure anew. Another processor may be reading it: an odd version makes it read again.
     *
     * @param memory as the processor sees it whose thread this is
     * @param stable the TSCs of all processors are the same, so that the guest may use one processor's structure with
     *     the TSC of another
     */
    public void update(Memory memory, boolean stable) {
        long address = systemTime;
        long gpa = address & ~1L;
        if ((address & 1) == 0 || !allowed(gpa)) return;
        long version = get32(memory, gpa) + 1 | 1;
        put32(memory, gpa, version);
        VarHandle.storeStoreFence();
        long tsc = processor.tsc();
        put64(memory, gpa + 8, tsc);
        put64(memory, gpa + 16, processor.timeOfTsc(tsc));
        put32(memory, gpa + 24, 0x80000000L); // ns = (tsc << 1) * 2^31 >> 32
        put32(memory, gpa + 28, 1 | (stable ? TSC_STABLE << 8 : 0));
        VarHandle.storeStoreFence();
        put32(memory, gpa, version + 1);
        processor.memoryWritten(gpa, SIZE_BYTES);
    }

    /** KVM_WALL_CLOCK_NEW: struct pvclock_wall_clock {version, sec, nsec}, the wall time of the clock's zero. */
    public void setWallClock(long gpa) {
        wallClock = gpa;
        if (!allowed(gpa)) return;
        Memory memory = processor;
        long ns = clock.wallClockAtZeroNs();
        long version = get32(memory, gpa) + 1 | 1;
        put32(memory, gpa, version);
        VarHandle.storeStoreFence();
        put32(memory, gpa + 4, ns / 1_000_000_000L);
        put32(memory, gpa + 8, ns % 1_000_000_000L);
        VarHandle.storeStoreFence();
        put32(memory, gpa, version + 1);
    }

    /**
     * Fields never cross a page when the structure is aligned to 4 bytes; one that is not, or is not in memory, is not
     * written.
     */
    private static boolean allowed(long gpa) {
        return (gpa & 3) == 0;
    }

    private static long host(Memory memory, long gpa) {
        return allowed(gpa) ? memory.hostForWrite(gpa) : 0;
    }

    private static long get32(Memory memory, long gpa) {
        long host = host(memory, gpa);
        return host == 0 ? 0 : HostMemory.getInt(host) & 0xffffffffL;
    }

    private static void put32(Memory memory, long gpa, long value) {
        long host = host(memory, gpa);
        if (host != 0) HostMemory.putInt(host, (int) value);
    }

    private static void put64(Memory memory, long gpa, long value) {
        put32(memory, gpa, value);
        put32(memory, gpa + 4, value >>> 32);
    }
}
