package org.nestorvm.engine.tests.oracle;

import java.io.IOException;
import org.nestorvm.engine.tests.PageTables;
import org.nestorvm.engine.tests.Segments;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.Exit;
import org.nestorvm.vmm.GuestBus;
import org.nestorvm.vmm.HostClock;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.Vcpu;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/**
 * Executes instructions on an engine's virtual processor at privilege level 0: in 64-bit or compatibility mode, at the
 * same linear addresses as {@link HostCpu}, where window and instructions are mapped; or in real mode, with the window
 * in the first 64 KiB and the instructions in the second. A HLT stands behind the instructions; nothing is there to
 * take an exception, which ends in a shutdown.
 */
final class EngineCpu implements AutoCloseable {
    private static final long PAGE_TABLES = 0x20000;
    /** Where the window lies in real mode, in every segment but CS; instructions begin at CS:0. */
    static final long REAL_WINDOW = 0x4000, REAL_CODE = 0x10000;

    static final int REAL_SLOTS = (1 << 16) / HostCpu.SLOT_BYTES;
    private final long windowGpa, codeGpa;
    private final HostClock clock = new HostClock();
    private final VirtualMachine vm;
    private final Vcpu vcpu;
    private final long windowAddress, codeAddress;
    private final CpuState cpu = new CpuState();
    private final CpuState after = new CpuState();

    /** @param mode 64, 32 for compatibility mode, 16 for real mode */
    EngineCpu(Engine engine, EntryFormat format, int mode, long windowAddress, long codeAddress) throws IOException {
        this.windowAddress = windowAddress;
        this.codeAddress = codeAddress;
        MemoryMap map = MemoryMap.of(new MemoryRange(0, 8 << 20, MemoryRange.Type.RAM));
        vm = Vmm.processDefault()
                .create(VmConfig.of("oracle", map).withFormat(format).withEngine(engine, EngineOptions.bare(clock)));
        vcpu = vm.vcpu(0);
        vcpu.readState(cpu);
        windowGpa = mode == 16 ? REAL_WINDOW : 0x100000;
        codeGpa = mode == 16 ? REAL_CODE : 0x200000;
        cpu.idtrLimit = 0;
        if (mode == 16) realMode();
        else longMode(mode);
    }

    private void realMode() {
        cpu.cr0 = 0x10;
        cpu.cr4 = 0x600;
        for (int s = CpuState.ES; s <= CpuState.GS; s++) Segments.set(cpu, s, 0, 0, 0xffff, 0x93);
        Segments.set(cpu, CpuState.CS, (int) REAL_CODE >> 4, REAL_CODE, 0xffff, 0x9b);
    }

    private void longMode(int mode) {
        PageTables t = PageTables.at(vm.memory(), PageTables.Kind.LONG, PAGE_TABLES);
        long flags = PageTables.P | PageTables.W | PageTables.A | PageTables.D;
        t.map(windowAddress, windowGpa, CaseState.WINDOW_BYTES, 12, flags)
                .map(codeAddress, codeGpa, (long) HostCpu.SLOTS * HostCpu.SLOT_BYTES, 12, flags);
        cpu.cr3 = t.root();
        cpu.cr0 = 0x80010033L;
        cpu.cr4 = 0x620;
        cpu.efer = 0xd01;
        Segments.set(cpu, CpuState.CS, 0x08, 0, 0xffffffff, mode == 64 ? 0xa09b : 0xc09b);
        for (int s : new int[] {CpuState.ES, CpuState.SS, CpuState.DS, CpuState.FS, CpuState.GS})
            Segments.set(cpu, s, 0x10, 0, 0xffffffff, 0xc093);
    }

    void putCode(int slot, byte[] code) {
        byte[] withHalt = java.util.Arrays.copyOf(code, code.length + 1);
        withHalt[code.length] = (byte) 0xf4;
        vm.memory().write(codeGpa + (long) slot * HostCpu.SLOT_BYTES, withHalt, 0, withHalt.length);
    }

    /** @return null, or what else happened instead of the HLT */
    String run(int slot, int codeBytes, CaseState s) {
        long rip = codeAddress + (long) slot * HostCpu.SLOT_BYTES;
        System.arraycopy(s.gpr, 0, cpu.gpr, 0, 16);
        cpu.rflags = s.rflags;
        cpu.rip = rip;
        cpu.cr2 = 0;
        System.arraycopy(s.fx.array(), 0, cpu.xsave, 0, CaseState.FX_BYTES);
        cpu.xsave[512] = 3;
        vm.memory().write(windowGpa, s.window.array(), 0, CaseState.WINDOW_BYTES);
        vcpu.writeState(cpu);
        Exit exit = vcpu.run(GuestBus.EMPTY);
        if (exit instanceof Exit.InternalError) return exit.toString(); // and the processor is gone
        vcpu.readState(after);
        System.arraycopy(after.gpr, 0, s.gpr, 0, 16);
        s.rflags = after.rflags;
        System.arraycopy(after.xsave, 0, s.fx.array(), 0, CaseState.FX_BYTES);
        vm.memory().read(windowGpa, s.window.array(), 0, CaseState.WINDOW_BYTES);
        boolean halted = exit instanceof Exit.Halt && after.rip == rip + codeBytes + 1;
        return halted ? null : exit + " rip=+" + (after.rip - rip) + " cr2=" + Long.toHexString(after.cr2);
    }

    /** What an unprivileged instruction must have left alone, in words. */
    String systemState() {
        StringBuilder s = new StringBuilder();
        for (int i = CpuState.ES; i <= CpuState.GS; i++)
            s.append(String.format("%x:%x/%x/%x ", after.selector[i], after.base[i], after.limit[i], after.access[i]));
        return s.append(String.format(
                        "cr0=%x cr3=%x cr4=%x efer=%x rip=%x", after.cr0, after.cr3, after.cr4, after.efer, after.rip))
                .toString();
    }

    @Override
    public void close() {
        vm.close();
        clock.close();
    }
}
