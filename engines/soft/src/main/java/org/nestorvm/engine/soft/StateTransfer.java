package org.nestorvm.engine.soft;

import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.system.Control;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.FpuState;
import org.nestorvm.vmm.CpuState;

/** Between a processor and the {@link CpuState} that loaders, debuggers and other engines use. */
final class StateTransfer {
    private final SoftVcpu vcpu;
    private final Cpu c;

    StateTransfer(SoftVcpu vcpu) {
        this.vcpu = vcpu;
        c = vcpu.cpu;
    }

    /** INIT (SDM vol. 3A, table 10-1): like RESET, but for what INIT keeps. */
    void reset() {
        CpuState s = new CpuState();
        read(s);
        CpuState fresh = new CpuState();
        System.arraycopy(s.xsave, 0, fresh.xsave, 0, s.xsave.length);
        fresh.xcr0 = s.xcr0;
        fresh.pat = s.pat;
        fresh.tscAux = s.tscAux;
        fresh.apicBase = s.apicBase;
        fresh.tsc = s.tsc;
        fresh.cr0 = 0x10 | s.cr0 & 0x60000000L;
        write(fresh);
    }

    void read(CpuState s) {
        System.arraycopy(c.r, 0, s.gpr, 0, 16);
        s.rip = c.r[Reg.RIP];
        s.rflags = Flags.rflags(c);
        for (int n = 0; n < 8; n++) {
            s.selector[n] = c.selector[n];
            s.base[n] = c.segBase[n];
            s.limit[n] = c.segLimit[n];
            s.access[n] = c.segAccess[n];
        }
        s.gdtrBase = c.gdtrBase;
        s.gdtrLimit = c.gdtrLimit;
        s.idtrBase = c.idtrBase;
        s.idtrLimit = c.idtrLimit;
        s.cr0 = c.cr0;
        s.cr2 = c.cr2;
        s.cr3 = c.cr3;
        s.cr4 = c.cr4;
        s.cr8 = Control.readCr8(c);
        s.xcr0 = c.xcr0;
        s.efer = c.efer;
        System.arraycopy(c.dr, 0, s.dr, 0, 8);
        s.star = c.star;
        s.lstar = c.lstar;
        s.cstar = c.cstar;
        s.sfmask = c.sfmask;
        s.kernelGsBase = c.kernelGsBase;
        s.sysenterCs = c.sysenterCs;
        s.sysenterEsp = c.sysenterEsp;
        s.sysenterEip = c.sysenterEip;
        s.tscAux = c.tscAux;
        s.pat = c.pat;
        s.miscEnable = c.miscEnable;
        s.tsc = vcpu.tsc();
        s.apicBase = vcpu.apic == null ? 0xfee00000L : vcpu.apic.base();
        s.xss = c.xss;
        FpuState.save(c, s.xsave, true, 16, FpuState.X87 | FpuState.SSE);
        s.halted = c.halted;
        s.waitForSipi = vcpu.waitsForSipi();
        s.stiShadow = c.stiShadow;
        s.movSsShadow = c.movSsShadow;
        s.nmiBlocked = c.nmiBlocked;
    }

    void write(CpuState s) {
        System.arraycopy(s.gpr, 0, c.r, 0, 16);
        c.r[Reg.RIP] = s.rip;
        c.rflags = s.rflags | 2;
        c.ccKind = Flags.EXPLICIT;
        for (int n = 0; n < 8; n++) {
            c.selector[n] = s.selector[n];
            c.segBase[n] = s.base[n];
            c.segLimit[n] = s.limit[n];
            c.segAccess[n] = s.access[n];
        }
        c.gdtrBase = s.gdtrBase;
        c.gdtrLimit = s.gdtrLimit & 0xffff;
        c.idtrBase = s.idtrBase;
        c.idtrLimit = s.idtrLimit & 0xffff;
        c.cr0 = s.cr0 | Cpu.CR0_ET;
        c.cr2 = s.cr2;
        c.cr3 = s.cr3;
        c.cr4 = s.cr4;
        c.cr8 = s.cr8;
        c.xcr0 = s.xcr0;
        c.efer = s.efer;
        System.arraycopy(s.dr, 0, c.dr, 0, 8);
        c.star = s.star;
        c.lstar = s.lstar;
        c.cstar = s.cstar;
        c.sfmask = s.sfmask;
        c.kernelGsBase = s.kernelGsBase;
        c.sysenterCs = s.sysenterCs;
        c.sysenterEsp = s.sysenterEsp;
        c.sysenterEip = s.sysenterEip;
        c.tscAux = s.tscAux;
        c.pat = s.pat;
        c.miscEnable = s.miscEnable;
        c.xss = s.xss;
        FpuState.restore(c, s.xsave, true, 16, FpuState.X87 | FpuState.SSE);
        c.halted = s.halted;
        c.stiShadow = s.stiShadow;
        c.movSsShadow = s.movSsShadow;
        c.nmiBlocked = s.nmiBlocked;
        c.pendingDebug = 0;
        c.cpl = (c.cr0 & Cpu.CR0_PE) == 0 ? 0 : s.access[CpuState.SS] >>> 5 & 3;
        c.mmu.flushAll();
        c.updateMode();
        c.updateFpuAccess();
        Debug.update(c);
        if ((c.cr0 & Cpu.CR0_PG) != 0 && (c.cr4 & Cpu.CR4_PAE) != 0 && !c.longMode()) c.mmu.loadPdptesQuietly(c.cr3);
        if (vcpu.apic != null) vcpu.apic.setTaskPriority((int) s.cr8 << 4);
        c.attend();
    }
}
