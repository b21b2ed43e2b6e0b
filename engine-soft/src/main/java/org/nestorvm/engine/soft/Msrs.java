package org.nestorvm.engine.soft;

/** Model-specific registers (SDM vol. 4, and KVM's own). Unknown ones are #GP, as on a processor. */
final class Msrs {
    private static final int TSC = 0x10, APIC_BASE = 0x1b, FEATURE_CONTROL = 0x3a, TSC_ADJUST = 0x3b, SPEC_CTRL = 0x48, PRED_CMD = 0x49, BIOS_SIGN_ID = 0x8b, MTRR_CAP = 0xfe, ARCH_CAPABILITIES = 0x10a, FLUSH_CMD = 0x10b,
            SYSENTER_CS = 0x174, SYSENTER_ESP = 0x175, SYSENTER_EIP = 0x176, MCG_CAP = 0x179, MCG_STATUS = 0x17a, MISC_ENABLE = 0x1a0, MTRR_FIRST = 0x200, MTRR_LAST = 0x2ff, PAT = 0x277, TSC_DEADLINE = 0x6e0, X2APIC_FIRST = 0x800,
            X2APIC_LAST = 0x8ff, EFER = 0xc0000080, STAR = 0xc0000081, LSTAR = 0xc0000082, CSTAR = 0xc0000083, SFMASK = 0xc0000084, FS_BASE = 0xc0000100, GS_BASE = 0xc0000101, KERNEL_GS_BASE = 0xc0000102, TSC_AUX = 0xc0000103;
    private static final int KVM_WALL_CLOCK_OLD = 0x11, KVM_SYSTEM_TIME_OLD = 0x12, KVM_WALL_CLOCK = 0x4b564d00, KVM_SYSTEM_TIME = 0x4b564d01;
    /** Not affected by: RDCL, L1D flush on entry, SSB, MDS, page-size-change machine checks, TAA, the stale-data family, BHI, PBRSB, GDS, RFDS, ITS; enhanced IBRS. */
    private static final long NOT_AFFECTED = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 13 | 1 << 14 | 1 << 15 | 1 << 20 | 1 << 24 | 1 << 26 | 1 << 27 | 1L << 62;

    private Msrs() {
    }

    static long read(Cpu c, int msr) {
        if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST) {
            if (c.mmu.apic == null || !c.mmu.apic.readable(msr - X2APIC_FIRST)) throw c.gp(0);
            return c.mmu.apic.msrRead(msr - X2APIC_FIRST);
        }
        if (msr != PAT && msr >= MTRR_FIRST && msr <= MTRR_LAST) return mtrr(c, msr);
        return switch (msr) {
            case TSC -> c.vcpu.tsc();
            case APIC_BASE -> c.mmu.apic == null ? 0xfee00000L : c.mmu.apic.base();
            case FEATURE_CONTROL -> 1;                              // locked, nothing enabled
            case TSC_ADJUST -> c.vcpu.tscAdjust();
            case SPEC_CTRL -> c.specCtrl;
            case BIOS_SIGN_ID, MCG_CAP, MCG_STATUS -> 0;
            case MTRR_CAP -> 0x508;                                 // 8 variable ranges, fixed ranges, write combining
            case ARCH_CAPABILITIES -> NOT_AFFECTED;
            case SYSENTER_CS -> c.sysenterCs;
            case SYSENTER_ESP -> c.sysenterEsp;
            case SYSENTER_EIP -> c.sysenterEip;
            case MISC_ENABLE -> c.miscEnable;
            case PAT -> c.pat;
            case TSC_DEADLINE -> {
                if (c.mmu.apic == null) throw c.gp(0);
                yield c.mmu.apic.tscDeadline();
            }
            case EFER -> c.efer;
            case STAR -> c.star;
            case LSTAR -> c.lstar;
            case CSTAR -> c.cstar;
            case SFMASK -> c.sfmask;
            case FS_BASE -> c.segBase[Cpu.FS];
            case GS_BASE -> c.segBase[Cpu.GS];
            case KERNEL_GS_BASE -> c.kernelGsBase;
            case TSC_AUX -> c.tscAux;
            case KVM_SYSTEM_TIME, KVM_SYSTEM_TIME_OLD -> c.vcpu.pvclock.systemTime();
            case KVM_WALL_CLOCK, KVM_WALL_CLOCK_OLD -> c.vcpu.pvclock.wallClock();
            default -> throw c.gp(0);
        };
    }

    static void write(Cpu c, int msr, long v) {
        if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST) {
            if (c.mmu.apic == null || !c.mmu.apic.msrWrite(msr - X2APIC_FIRST, v)) throw c.gp(0);
            return;
        }
        if (msr != PAT && msr >= MTRR_FIRST && msr <= MTRR_LAST) {
            mtrr(c, msr);
            c.mtrr[msr - MTRR_FIRST] = v;
            return;
        }
        switch (msr) {
            case TSC -> c.vcpu.setTsc(v);
            case APIC_BASE -> {
                if (c.mmu.apic == null || !c.mmu.apic.setBase(v)) throw c.gp(0);
                c.mmu.flushAll();
            }
            case TSC_ADJUST -> c.vcpu.setTscAdjust(v);
            case SPEC_CTRL -> {
                if ((v & ~7L) != 0) throw c.gp(0);
                c.specCtrl = v;
            }
            case PRED_CMD, FLUSH_CMD -> {
                if ((v & ~1L) != 0) throw c.gp(0);
            }
            case BIOS_SIGN_ID, MCG_STATUS -> { }
            case SYSENTER_CS -> c.sysenterCs = v;
            case SYSENTER_ESP -> c.sysenterEsp = canonical(c, v);
            case SYSENTER_EIP -> c.sysenterEip = canonical(c, v);
            case MISC_ENABLE -> c.miscEnable = v;
            case PAT -> {
                for (int n = 0; n < 8; n++) {
                    long type = v >>> 8 * n & 0xff;
                    if (type > 7 || type == 2 || type == 3) throw c.gp(0);
                }
                c.pat = v;
            }
            case TSC_DEADLINE -> {
                if (c.mmu.apic == null) throw c.gp(0);
                c.mmu.apic.setTscDeadline(v);
            }
            case EFER -> Control.writeEfer(c, v);
            case STAR -> c.star = v;
            case LSTAR -> c.lstar = canonical(c, v);
            case CSTAR -> c.cstar = canonical(c, v);
            case SFMASK -> c.sfmask = v & 0xffffffffL;
            case FS_BASE -> c.segBase[Cpu.FS] = canonical(c, v);
            case GS_BASE -> c.segBase[Cpu.GS] = canonical(c, v);
            case KERNEL_GS_BASE -> c.kernelGsBase = canonical(c, v);
            case TSC_AUX -> {
                if (v >>> 32 != 0) throw c.gp(0);
                c.tscAux = v;
            }
            case KVM_SYSTEM_TIME, KVM_SYSTEM_TIME_OLD -> c.vcpu.pvclock.setSystemTime(v);
            case KVM_WALL_CLOCK, KVM_WALL_CLOCK_OLD -> c.vcpu.pvclock.setWallClock(v);
            default -> throw c.gp(0);
        }
    }

    private static long canonical(Cpu c, long v) {
        if (!Segments.canonical(v)) throw c.gp(0);
        return v;
    }

    /** The memory type ranges are kept for the guest and mean nothing: all memory is write-back. */
    private static long mtrr(Cpu c, int msr) {
        boolean known = msr < 0x210 || msr == 0x250 || msr == 0x258 || msr == 0x259 || msr >= 0x268 && msr <= 0x26f || msr == 0x2ff;
        if (!known) throw c.gp(0);
        return c.mtrr[msr - MTRR_FIRST];
    }
}
