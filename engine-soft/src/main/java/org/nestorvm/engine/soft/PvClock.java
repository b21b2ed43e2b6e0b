package org.nestorvm.engine.soft;

import java.lang.invoke.VarHandle;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.paging.Access;
import org.nestorvm.vmm.VmClock;

/**
 * kvm-clock of one processor: structures in guest memory from which the guest computes the time with its TSC. The TSC
 * counts nanoseconds and never changes its rate, so that a structure is written when the guest asks, and when it has
 * moved a TSC: see {@link PvClocks}.
 */
final class PvClock {
    private static final int SIZE_BYTES = 32;
    private static final int TSC_STABLE = 1;

    private final SoftVcpu vcpu;
    private final VmClock clock;
    private long wallClock;
    private volatile long systemTime;

    PvClock(SoftVcpu vcpu, VmClock clock) {
        this.vcpu = vcpu;
        this.clock = clock;
    }

    long systemTime() {
        return systemTime;
    }

    long wallClock() {
        return wallClock;
    }

    /** KVM_SYSTEM_TIME_NEW: bit 0 enables. struct pvclock_vcpu_time_info, 32 bytes. */
    void setSystemTime(long value) {
        systemTime = value;
        vcpu.vm.clocks.update(vcpu);
    }

    /**
     * Writes the structure anew. Another processor may be reading it: an odd version makes it read again.
     *
     * @param mmu of the processor whose thread this is
     * @param stable the TSCs of all processors are the same, so that the guest may use one processor's structure with
     * the TSC of another
     */
    void update(Mmu mmu, boolean stable) {
        long address = systemTime;
        long gpa = address & ~1L;
        if ((address & 1) == 0 || !allowed(gpa)) return;
        long version = get32(mmu, gpa) + 1 | 1;
        put32(mmu, gpa, version);
        VarHandle.storeStoreFence();
        long tsc = vcpu.tsc();
        put64(mmu, gpa + 8, tsc);
        put64(mmu, gpa + 16, vcpu.timeOfTsc(tsc));
        put32(mmu, gpa + 24, 0x80000000L);                          // ns = (tsc << 1) * 2^31 >> 32
        put32(mmu, gpa + 28, 1 | (stable ? TSC_STABLE << 8 : 0));
        VarHandle.storeStoreFence();
        put32(mmu, gpa, version + 1);
        vcpu.vm.memoryWritten(gpa, SIZE_BYTES);
    }

    /** KVM_WALL_CLOCK_NEW: struct pvclock_wall_clock {version, sec, nsec}, the wall time of the clock's zero. */
    void setWallClock(long gpa) {
        wallClock = gpa;
        if (!allowed(gpa)) return;
        Mmu mmu = vcpu.mmu;
        long ns = clock.wallClockAtZeroNs();
        long version = get32(mmu, gpa) + 1 | 1;
        put32(mmu, gpa, version);
        VarHandle.storeStoreFence();
        put32(mmu, gpa + 4, ns / 1_000_000_000L);
        put32(mmu, gpa + 8, ns % 1_000_000_000L);
        VarHandle.storeStoreFence();
        put32(mmu, gpa, version + 1);
    }

    /** Fields never cross a page when the structure is aligned to 4 bytes; one that is not, or is not in memory, is not written. */
    private static boolean allowed(long gpa) {
        return (gpa & 3) == 0 && gpa >= 0 && gpa < 1L << GuestWalk.MAXPHYADDR;
    }

    private static long host(Mmu mmu, long gpa) {
        return allowed(gpa) ? mmu.hostOf(gpa, Access.WRITE, true) : 0;
    }

    private static long get32(Mmu mmu, long gpa) {
        long host = host(mmu, gpa);
        return host == 0 ? 0 : HostMemory.getInt(host) & 0xffffffffL;
    }

    private static void put32(Mmu mmu, long gpa, long value) {
        long host = host(mmu, gpa);
        if (host != 0) HostMemory.putInt(host, (int) value);
    }

    private static void put64(Mmu mmu, long gpa, long value) {
        put32(mmu, gpa, value);
        put32(mmu, gpa + 4, value >>> 32);
    }
}
