package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.Segments;

/**
 * Model-specific registers: of the architectural ones (SDM vol. 4, table 2-2) those that every processor of family 6
 * has and those whose CPUID bit {@link Cpuid} sets, and KVM's own. Others are #GP, as on a processor. Few are of this
 * processor's model (vol. 4, 2.17): what monitors and operating systems read without asking.
 */
final class Msrs {
    private static final int P5_MC_ADDR = 0x0,
            P5_MC_TYPE = 0x1,
            TSC = 0x10,
            PLATFORM_ID = 0x17,
            APIC_BASE = 0x1b,
            SMI_COUNT = 0x34,
            CORE_THREAD_COUNT = 0x35,
            FEATURE_CONTROL = 0x3a,
            TSC_ADJUST = 0x3b,
            SPEC_CTRL = 0x48,
            PRED_CMD = 0x49,
            BIOS_UPDT_TRIG = 0x79,
            BIOS_SIGN_ID = 0x8b,
            PLATFORM_INFO = 0xce,
            ARCH_CAPABILITIES = 0x10a,
            SYSENTER_CS = 0x174,
            SYSENTER_ESP = 0x175,
            SYSENTER_EIP = 0x176,
            MCG_CAP = 0x179,
            MCG_STATUS = 0x17a,
            PERF_STATUS = 0x198,
            PERF_CTL = 0x199,
            MISC_ENABLE = 0x1a0,
            DEBUGCTL = 0x1d9,
            PAT = 0x277,
            TSC_DEADLINE = 0x6e0,
            X2APIC_FIRST = 0x800,
            X2APIC_LAST = 0x8ff,
            EFER = 0xc0000080,
            STAR = 0xc0000081,
            LSTAR = 0xc0000082,
            CSTAR = 0xc0000083,
            SFMASK = 0xc0000084,
            FS_BASE = 0xc0000100,
            GS_BASE = 0xc0000101,
            KERNEL_GS_BASE = 0xc0000102,
            TSC_AUX = 0xc0000103;
    private static final int KVM_WALL_CLOCK_OLD = 0x11,
            KVM_SYSTEM_TIME_OLD = 0x12,
            KVM_WALL_CLOCK = 0x4b564d00,
            KVM_SYSTEM_TIME = 0x4b564d01;
    /** What a microcode revision of 1 looks like. */
    private static final long MICROCODE = 1L << 32;
    /** No banks, and the CMCI entry of the local APIC. */
    private static final long MCG_CAP_VALUE = 1 << 10;
    /** RIPV, EIPV, MCIP. */
    private static final long MCG_STATUS_DEFINED = 7;
    /**
     * 1 GHz as a multiple of 100 MHz: the present speed in bits 15:8 of PERF_STATUS, the greatest and the least one in
     * bits 15:8 and 47:40 of PLATFORM_INFO.
     */
    private static final long RATIO = 10;
    /** IBRS, STIBP. */
    private static final long SPEC_CTRL_DEFINED = 3;
    /**
     * What the guest may change of IA32_MISC_ENABLE: fast strings. Neither performance counters nor BTS nor PEBS are
     * there, of which three bits tell that nobody can write.
     */
    private static final long MISC_ENABLE_WRITABLE = 1, MISC_ENABLE_FIXED = 1 << 11 | 1 << 12;
    /**
     * Not affected by: RDCL, L1D flush on entry, SSB, MDS, page-size-change machine checks, TAA, the stale-data family,
     * BHI, PBRSB, GDS, RFDS, ITS; enhanced IBRS.
     */
    private static final long NOT_AFFECTED = 1 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 13 | 1 << 14
            | 1 << 15 | 1 << 20 | 1 << 24 | 1 << 26 | 1 << 27 | 1L << 62;

    private Msrs() {}

    static long read(Cpu c, int msr) {
        if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST) {
            if (c.apic == null || !c.apic.readable(msr - X2APIC_FIRST)) throw c.gp(0);
            return c.apic.msrRead(msr - X2APIC_FIRST);
        }
        if (msr != PAT && msr >= Mtrrs.FIRST && msr <= Mtrrs.LAST) return Mtrrs.read(c, msr);
        return switch (msr) {
            case P5_MC_ADDR, P5_MC_TYPE, PLATFORM_ID, SMI_COUNT -> 0;
            case CORE_THREAD_COUNT -> (long) c.vcpu.cpuCount() << 16 | c.vcpu.cpuCount();
            case TSC -> c.vcpu.tsc();
            case APIC_BASE -> c.apic == null ? 0xfee00000L : c.apic.base();
            case FEATURE_CONTROL -> 1; // locked, nothing enabled
            case TSC_ADJUST -> c.vcpu.tscAdjust();
            case SPEC_CTRL -> c.specCtrl;
            case BIOS_SIGN_ID -> MICROCODE;
            case PLATFORM_INFO -> RATIO << 40 | RATIO << 8;
            case MCG_CAP -> MCG_CAP_VALUE;
            case MCG_STATUS -> c.mcgStatus;
            case PERF_STATUS -> RATIO << 8;
            case PERF_CTL -> c.perfCtl;
            case DEBUGCTL -> c.debugCtl;
            case Mtrrs.CAP -> Mtrrs.CAP_VALUE;
            case ARCH_CAPABILITIES -> NOT_AFFECTED;
            case SYSENTER_CS -> c.sysenterCs;
            case SYSENTER_ESP -> c.sysenterEsp;
            case SYSENTER_EIP -> c.sysenterEip;
            case MISC_ENABLE -> c.miscEnable & MISC_ENABLE_WRITABLE | MISC_ENABLE_FIXED;
            case PAT -> c.pat;
            case TSC_DEADLINE -> {
                if (c.apic == null) throw c.gp(0);
                yield c.apic.timer.deadline();
            }
            case EFER -> c.efer;
            case STAR -> c.star;
            case LSTAR -> c.lstar;
            case CSTAR -> c.cstar;
            case SFMASK -> c.sfmask;
            case FS_BASE -> c.segBase[Reg.FS];
            case GS_BASE -> c.segBase[Reg.GS];
            case KERNEL_GS_BASE -> c.kernelGsBase;
            case TSC_AUX -> c.tscAux;
            case KVM_SYSTEM_TIME, KVM_SYSTEM_TIME_OLD -> c.pvclock.systemTime();
            case KVM_WALL_CLOCK, KVM_WALL_CLOCK_OLD -> c.pvclock.wallClock();
            default -> throw c.gp(0);
        };
    }

    static void write(Cpu c, int msr, long v) {
        if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST) {
            if (c.apic == null || !c.apic.msrWrite(msr - X2APIC_FIRST, v)) throw c.gp(0);
            return;
        }
        if (msr != PAT && msr >= Mtrrs.FIRST && msr <= Mtrrs.LAST) {
            Mtrrs.write(c, msr, v);
            return;
        }
        switch (msr) {
            case P5_MC_ADDR, P5_MC_TYPE -> {} // there are no machine checks
            // no update is the right one, so that the revision stays
            case BIOS_UPDT_TRIG, BIOS_SIGN_ID -> {}
            case TSC -> c.vcpu.setTsc(v);
            case APIC_BASE -> {
                if (c.apic == null || !c.apic.setBase(v)) throw c.gp(0);
                c.mmu.flushAll();
            }
            case TSC_ADJUST -> c.vcpu.setTscAdjust(v);
            case SPEC_CTRL -> c.specCtrl = defined(c, v, SPEC_CTRL_DEFINED);
            case PRED_CMD -> defined(c, v, 1);
            case MCG_STATUS -> c.mcgStatus = defined(c, v, MCG_STATUS_DEFINED);
            case PERF_CTL -> c.perfCtl = defined(c, v, 1L << 32 | 0xffff);
            case DEBUGCTL -> c.debugCtl = defined(c, v, Debug.CTL_DEFINED) & Debug.CTL_KEPT;
            case SYSENTER_CS -> c.sysenterCs = v;
            case SYSENTER_ESP -> c.sysenterEsp = canonical(c, v);
            case SYSENTER_EIP -> c.sysenterEip = canonical(c, v);
            case MISC_ENABLE -> c.miscEnable = v & MISC_ENABLE_WRITABLE;
            case PAT -> {
                for (int n = 0; n < 8; n++) {
                    long type = v >>> 8 * n & 0xff;
                    if (type > 7 || type == 2 || type == 3) throw c.gp(0);
                }
                c.pat = v;
            }
            case TSC_DEADLINE -> {
                if (c.apic == null) throw c.gp(0);
                c.apic.timer.setDeadline(v);
            }
            case EFER -> Control.writeEfer(c, v);
            case STAR -> c.star = v;
            case LSTAR -> c.lstar = canonical(c, v);
            case CSTAR -> c.cstar = canonical(c, v);
            case SFMASK -> c.sfmask = v & 0xffffffffL;
            case FS_BASE -> c.segBase[Reg.FS] = canonical(c, v);
            case GS_BASE -> c.segBase[Reg.GS] = canonical(c, v);
            case KERNEL_GS_BASE -> c.kernelGsBase = canonical(c, v);
            case TSC_AUX -> c.tscAux = defined(c, v, 0xffffffffL);
            case KVM_SYSTEM_TIME, KVM_SYSTEM_TIME_OLD -> c.pvclock.setSystemTime(v);
            case KVM_WALL_CLOCK, KVM_WALL_CLOCK_OLD -> c.pvclock.setWallClock(v);
            default -> throw c.gp(0);
        }
    }

    private static long canonical(Cpu c, long v) {
        if (!Segments.canonical(v)) throw c.gp(0);
        return v;
    }

    /** The value, unless it sets a reserved bit. */
    private static long defined(Cpu c, long v, long bits) {
        if ((v & ~bits) != 0) throw c.gp(0);
        return v;
    }
}
