package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.Segments;

/** SYSCALL, SYSRET, SYSENTER, SYSEXIT (SDM vol. 2B). The segments they load are flat and not read from a table. */
final class Syscalls {
    private static final int CODE64 = 0xa09b, CODE32 = 0xc09b, DATA = 0xc093;

    private Syscalls() {}

    private static void code(Cpu c, int selector, int access, int ring) {
        c.selector[Reg.CS] = selector & 0xfffc | ring;
        c.segBase[Reg.CS] = 0;
        c.segLimit[Reg.CS] = 0xffffffff;
        c.segAccess[Reg.CS] = access | ring << 5;
        c.cpl = ring;
    }

    private static void stack(Cpu c, int selector, int ring) {
        c.selector[Reg.SS] = selector & 0xfffc | ring;
        c.segBase[Reg.SS] = 0;
        c.segLimit[Reg.SS] = 0xffffffff;
        c.segAccess[Reg.SS] = DATA | ring << 5;
    }

    static void syscall(Cpu c, long next) {
        if ((c.efer & Cpu.EFER_SCE) == 0 || !c.code64()) throw c.ud();
        c.r[Reg.RCX] = next;
        c.r[11] = Flags.rflags(c) & ~Cpu.RF;
        c.r[Reg.RIP] = c.lstar;
        c.rflags = c.rflags & ~c.sfmask & ~Cpu.RF | 2;
        int selector = (int) (c.star >>> 32);
        code(c, selector, CODE64, 0);
        stack(c, selector + 8, 0);
        c.updateMode();
        Debug.stepByNewFlags(c);
    }

    static void sysret(Cpu c, int size) {
        if ((c.efer & Cpu.EFER_SCE) == 0 || !c.code64()) throw c.ud();
        if (c.cpl != 0) throw c.gp(0);
        boolean wide = size == 8;
        if (wide && !Segments.canonical(c.r[Reg.RCX])) throw c.gp(0);
        c.r[Reg.RIP] = wide ? c.r[Reg.RCX] : c.r[Reg.RCX] & 0xffffffffL;
        int selector = (int) (c.star >>> 48);
        code(c, wide ? selector + 16 : selector, wide ? CODE64 : CODE32, 3);
        stack(c, selector + 8, 3);
        Flags.set(c, c.r[11]);
        c.rflags = c.r[11] & 0x3c7fd7L | 2;
        c.attend();
        c.updateMode();
        Debug.stepByNewFlags(c);
    }

    static void sysenter(Cpu c) {
        if (!c.protectedMode() || (c.sysenterCs & 0xfffc) == 0) throw c.gp(0);
        boolean wide = c.longMode();
        c.rflags &= ~(Cpu.IF | Cpu.VM | Cpu.RF);
        int selector = (int) c.sysenterCs;
        code(c, selector, wide ? CODE64 : CODE32, 0);
        stack(c, selector + 8, 0);
        c.r[Reg.RSP] = wide ? c.sysenterEsp : c.sysenterEsp & 0xffffffffL;
        c.r[Reg.RIP] = wide ? c.sysenterEip : c.sysenterEip & 0xffffffffL;
        c.updateMode();
    }

    static void sysexit(Cpu c, int size) {
        if (!c.protectedMode() || (c.sysenterCs & 0xfffc) == 0 || c.cpl != 0) throw c.gp(0);
        boolean wide = size == 8;
        if (wide && (!Segments.canonical(c.r[Reg.RCX]) || !Segments.canonical(c.r[Reg.RDX]))) throw c.gp(0);
        int selector = (int) c.sysenterCs;
        c.r[Reg.RSP] = wide ? c.r[Reg.RCX] : c.r[Reg.RCX] & 0xffffffffL;
        c.r[Reg.RIP] = wide ? c.r[Reg.RDX] : c.r[Reg.RDX] & 0xffffffffL;
        code(c, wide ? selector + 32 : selector + 16, wide ? CODE64 : CODE32, 3);
        stack(c, wide ? selector + 40 : selector + 24, 3);
        c.updateMode();
    }
}
