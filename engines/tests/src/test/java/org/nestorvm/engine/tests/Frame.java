package org.nestorvm.engine.tests;

import org.nestorvm.vmm.CpuState;

/** What an exception has pushed, read from the handler's stack. */
public final class Frame {
    /** Vectors that push an error code: #DF, #TS to #PF, #AC, #CP. */
    private static final int WITH_ERROR_CODE =
            1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21;

    public final int errorCode, cs;
    public final long rip, rflags;
    /** Meaningful in long mode, and elsewhere after a change of privilege. */
    public final long rsp;

    public final int ss;

    Frame(TestMachine vm, int vector) {
        CpuState cpu = vm.cpu;
        boolean real = (cpu.cr0 & 1) == 0, wide = (cpu.efer & 0x400) != 0;
        int unit = real ? 2 : wide ? 8 : 4;
        long at = cpu.gpr[CpuState.RSP] + (wide ? 0 : cpu.base[CpuState.SS]);
        boolean pushed = !real && vector < 32 && (WITH_ERROR_CODE & 1 << vector) != 0;
        errorCode = pushed ? vm.memory.getInt(at) : -1;
        if (pushed) at += unit;
        rip = read(vm, at, unit);
        cs = (int) read(vm, at + unit, unit) & 0xffff;
        rflags = read(vm, at + 2 * unit, unit);
        rsp = real ? 0 : read(vm, at + 3 * unit, unit);
        ss = real ? 0 : (int) read(vm, at + 4 * unit, unit) & 0xffff;
    }

    private static long read(TestMachine vm, long at, int unit) {
        if (at < 0 || at + 8 > Layout.RAM_BYTES) return -1;
        return unit == 8
                ? vm.memory.getLong(at)
                : unit == 4 ? vm.memory.getInt(at) & 0xffffffffL : vm.memory.getInt(at) & 0xffffL;
    }
}
