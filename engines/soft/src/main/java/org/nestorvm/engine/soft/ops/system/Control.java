package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.mmu.GuestWalk;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.Segments;

/** Writes to control registers and EFER, with the checks and side effects of SDM vol. 3A, 2.5 and 4.1. */
public final class Control {
    private static final long CR0_DEFINED = Cpu.CR0_PE
            | Cpu.CR0_MP
            | Cpu.CR0_EM
            | Cpu.CR0_TS
            | Cpu.CR0_ET
            | Cpu.CR0_NE
            | Cpu.CR0_WP
            | Cpu.CR0_AM
            | Cpu.CR0_NW
            | Cpu.CR0_CD
            | Cpu.CR0_PG;
    static final long CR4_DEFINED = Cpu.CR4_VME
            | Cpu.CR4_PVI
            | Cpu.CR4_TSD
            | Cpu.CR4_DE
            | Cpu.CR4_PSE
            | Cpu.CR4_PAE
            | Cpu.CR4_MCE
            | Cpu.CR4_PGE
            | Cpu.CR4_PCE
            | Cpu.CR4_OSFXSR
            | Cpu.CR4_OSXMMEXCPT
            | Cpu.CR4_UMIP
            | Cpu.CR4_FSGSBASE
            | Cpu.CR4_PCIDE
            | Cpu.CR4_OSXSAVE
            | Cpu.CR4_SMEP
            | Cpu.CR4_SMAP;
    private static final long EFER_DEFINED = Cpu.EFER_SCE | Cpu.EFER_LME | Cpu.EFER_LMA | Cpu.EFER_NXE;

    private Control() {}

    static void writeCr0(Cpu c, long value) {
        if ((value & 0xffffffff00000000L) != 0) throw c.gp(0);
        value = value & CR0_DEFINED | Cpu.CR0_ET;
        if ((value & Cpu.CR0_PG) != 0 && (value & Cpu.CR0_PE) == 0
                || (value & Cpu.CR0_NW) != 0 && (value & Cpu.CR0_CD) == 0) throw c.gp(0);
        long changed = value ^ c.cr0;
        boolean pagingOn = (changed & value & Cpu.CR0_PG) != 0, pagingOff = (changed & ~value & Cpu.CR0_PG) != 0;
        if (pagingOff && (c.code64() || (c.cr4 & Cpu.CR4_PCIDE) != 0)) throw c.gp(0);
        if (pagingOn) {
            boolean lme = (c.efer & Cpu.EFER_LME) != 0;
            if (lme && ((c.cr4 & Cpu.CR4_PAE) == 0 || (c.segAccess[Reg.CS] & Segments.L) != 0)) throw c.gp(0);
            if (!lme && (c.cr4 & Cpu.CR4_PAE) != 0) c.mmu.loadPdptes(c.cr3);
            if (lme) c.efer |= Cpu.EFER_LMA;
        }
        if (pagingOff) c.efer &= ~Cpu.EFER_LMA;
        c.cr0 = value;
        if ((changed & (Cpu.CR0_PG | Cpu.CR0_WP | Cpu.CR0_PE)) != 0) c.mmu.flushAll();
        c.updateMode();
        c.updateFpuAccess();
    }

    static void writeCr3(Cpu c, long value) {
        if ((c.cr4 & Cpu.CR4_PCIDE) != 0) value &= Long.MAX_VALUE;
        if (c.longMode() && value >>> GuestWalk.MAXPHYADDR != 0) throw c.gp(0);
        loadCr3(c, value);
    }

    /**
     * Entries of other process contexts are not kept: each load of CR3 drops all that is not global, which PCID allows.
     */
    static void loadCr3(Cpu c, long value) {
        if (!c.longMode() && (c.cr4 & Cpu.CR4_PAE) != 0 && (c.cr0 & Cpu.CR0_PG) != 0) c.mmu.loadPdptes(value);
        c.cr3 = value;
        c.mmu.flushNonGlobal();
    }

    static void writeCr4(Cpu c, long value) {
        if ((value & ~CR4_DEFINED) != 0) throw c.gp(0);
        long changed = value ^ c.cr4;
        if (c.longMode() && (value & Cpu.CR4_PAE) == 0) throw c.gp(0);
        if ((changed & value & Cpu.CR4_PCIDE) != 0 && (!c.longMode() || (c.cr3 & 0xfff) != 0)) throw c.gp(0);
        if ((changed & (Cpu.CR4_PAE | Cpu.CR4_PSE | Cpu.CR4_PGE)) != 0
                && !c.longMode()
                && (value & Cpu.CR4_PAE) != 0
                && (c.cr0 & Cpu.CR0_PG) != 0) c.mmu.loadPdptes(c.cr3);
        c.cr4 = value;
        if ((changed & (Cpu.CR4_PAE | Cpu.CR4_PSE | Cpu.CR4_PGE | Cpu.CR4_PCIDE | Cpu.CR4_SMEP | Cpu.CR4_SMAP)) != 0)
            c.mmu.flushAll();
        c.updateMode();
        c.updateFpuAccess();
        if ((changed & Cpu.CR4_DE) != 0) Debug.update(c);
    }

    static void writeCr8(Cpu c, long value) {
        if ((value & ~15L) != 0) throw c.gp(0);
        c.cr8 = value;
        if (c.apic != null) c.apic.setTaskPriority((int) value << 4);
        c.attend();
    }

    public static long readCr8(Cpu c) {
        return c.apic != null ? c.apic.taskPriority() >>> 4 : c.cr8;
    }

    static void writeEfer(Cpu c, long value) {
        if ((value & ~EFER_DEFINED) != 0) throw c.gp(0);
        if ((c.cr0 & Cpu.CR0_PG) != 0 && ((value ^ c.efer) & Cpu.EFER_LME) != 0) throw c.gp(0);
        long changed = value ^ c.efer;
        c.efer = value & ~Cpu.EFER_LMA | c.efer & Cpu.EFER_LMA;
        if ((changed & Cpu.EFER_NXE) != 0) c.mmu.flushAll();
    }
}
