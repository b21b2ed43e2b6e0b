package org.nestorvm.engine.soft;

import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.paging.Access;
import org.nestorvm.vmm.VmClock;

/**
 * kvm-clock: structures in guest memory from which the guest computes the time with its TSC. The TSC counts nanoseconds and never changes its rate, so that a structure is written once, when the guest asks.
 */
final class PvClock {
    private static final int TSC_STABLE = 1;

    private final SoftVcpu vcpu;
    private final VmClock clock;
    private long systemTime, wallClock;

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
        if ((value & 1) != 0) update();
    }

    /** Writes the structure anew: after the guest has moved the TSC. */
    void update() {
        if ((systemTime & 1) == 0) return;
        long gpa = systemTime & ~1L;
        long version = get32(gpa) + 1 | 1;
        put32(gpa, version);
        long tsc = vcpu.tsc();
        put64(gpa + 8, tsc);
        put64(gpa + 16, vcpu.timeOfTsc(tsc));
        put32(gpa + 24, 0x80000000L);                               // ns = (tsc << 1) * 2^31 >> 32
        put32(gpa + 28, 1 | TSC_STABLE << 8);
        put32(gpa, version + 1);
    }

    /** KVM_WALL_CLOCK_NEW: struct pvclock_wall_clock {version, sec, nsec}, the wall time of the clock's zero. */
    void setWallClock(long gpa) {
        wallClock = gpa;
        long ns = clock.wallClockAtZeroNs();
        long version = get32(gpa) + 1 | 1;
        put32(gpa, version);
        put32(gpa + 4, ns / 1_000_000_000L);
        put32(gpa + 8, ns % 1_000_000_000L);
        put32(gpa, version + 1);
    }

    /** Fields never cross a page when the structure is aligned to 4 bytes; one that is not, or is not in memory, is not written. */
    private long host(long gpa) {
        return (gpa & 3) != 0 || gpa < 0 || gpa >= 1L << GuestWalk.MAXPHYADDR ? 0 : vcpu.mmu.hostOf(gpa, Access.WRITE, true);
    }

    private long get32(long gpa) {
        long host = host(gpa);
        return host == 0 ? 0 : HostMemory.getInt(host) & 0xffffffffL;
    }

    private void put32(long gpa, long value) {
        long host = host(gpa);
        if (host != 0) HostMemory.putInt(host, (int) value);
    }

    private void put64(long gpa, long value) {
        put32(gpa, value);
        put32(gpa + 4, value >>> 32);
    }
}
