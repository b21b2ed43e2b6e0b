package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.Segments;
import org.nestorvm.engine.soft.state.Stack;
import org.nestorvm.paging.Access;

/**
 * Far JMP, CALL, RET and IRET: real mode, protected mode with call gates and task switches, long mode (SDM vol. 2A/2B,
 * the pseudo-code of each; vol. 3A, 5.8).
 */
final class Far {
    private Far() {}

    private static boolean real(Cpu c) {
        return !c.protectedMode() || c.virtual8086();
    }

    // ---- JMP, CALL ----

    /** @param size operand size; @param next offset of the following instruction, which CALL pushes */
    static void jump(Cpu c, int selector, long offset, int size, long next) {
        transfer(c, selector, offset, size, next, false);
    }

    static void call(Cpu c, int selector, long offset, int size, long next) {
        transfer(c, selector, offset, size, next, true);
    }

    private static void transfer(Cpu c, int selector, long offset, int size, long next, boolean call) {
        if (real(c)) {
            if (offset > (c.segLimit[Reg.CS] & 0xffffffffL)) throw c.gp(0);
            if (call) pushReturn(c, size, next);
            Segments.setReal(c, Reg.CS, selector);
            c.r[Reg.RIP] = size == 2 ? offset & 0xffff : offset;
            c.updateMode();
            return;
        }
        if ((selector & 0xfffc) == 0) throw c.gp(0);
        long d = Segments.descriptor(c, selector, GuestFault.GP);
        int access = Segments.access(d);
        if ((access & Segments.S) == 0) {
            gate(c, selector, d, size, next, call);
            return;
        }
        checkCode(c, selector, access, false);
        offset = size == 2 ? offset & 0xffff : size == 4 ? offset & 0xffffffffL : offset;
        Segments.checkTarget(c, offset, d);
        if (call) pushReturn(c, size, next);
        Segments.setCode(c, selector, d, c.cpl);
        c.r[Reg.RIP] = offset;
        c.updateMode();
    }

    private static void pushReturn(Cpu c, int size, long next) {
        long sp = c.r[Reg.RSP];
        c.store(Stack.address(c, sp - size & c.spMask, size, true), size, c.selector[Reg.CS]);
        c.store(Stack.address(c, sp - 2L * size & c.spMask, size, true), size, next);
        Stack.setSp(c, sp - 2L * size);
    }

    private static void checkCode(Cpu c, int selector, int access, boolean gate) {
        if (!Segments.isCode(access) || Segments.badLongCode(c, access)) throw c.gp(selector & 0xfffc);
        boolean ok = Segments.isConforming(access)
                ? Segments.dpl(access) <= c.cpl
                : gate ? Segments.dpl(access) <= c.cpl : (selector & 3) <= c.cpl && Segments.dpl(access) == c.cpl;
        if (!ok) throw c.gp(selector & 0xfffc);
        if ((access & Segments.P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc);
    }

    private static void gate(Cpu c, int selector, long d, int size, long next, boolean call) {
        int access = Segments.access(d) & 0xff;
        int type = access & 0x1f;
        boolean lm = c.longMode();
        boolean callGate = type == 12 || !lm && type == 4;
        boolean task = !lm && (type == 1 || type == 9 || type == 5);
        if (!callGate && !task) throw c.gp(selector & 0xfffc);
        if (Segments.dpl(access) < c.cpl || Segments.dpl(access) < (selector & 3)) throw c.gp(selector & 0xfffc);
        if ((access & Segments.P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc);
        if (task) {
            Tasks.switchTo(
                    c, type == 5 ? (int) (d >>> 16) & 0xffff : selector, call ? Tasks.CALL : Tasks.JUMP, next, 0);
            return;
        }
        callGate(c, selector, d, type, next, call);
    }

    private static void callGate(Cpu c, int gateSelector, long gate, int type, long next, boolean call) {
        boolean lm = c.longMode();
        long offset = type == 12 ? gate & 0xffff | gate >>> 32 & 0xffff0000L : gate & 0xffff;
        int size = lm ? 8 : type == 12 ? 4 : 2;
        if (lm) {
            long high = c.mmu.systemLoad(Segments.address(c, gateSelector, GuestFault.GP, 16) + 8, 8);
            if ((high >>> 40 & 0x1f) != 0) throw c.gp(gateSelector & 0xfffc);
            offset |= high << 32;
        }
        int selector = (int) (gate >>> 16) & 0xffff;
        if ((selector & 0xfffc) == 0) throw c.gp(0);
        long d = Segments.descriptor(c, selector, GuestFault.GP);
        int access = Segments.access(d);
        if (!Segments.isCode(access) || Segments.dpl(access) > c.cpl) throw c.gp(selector & 0xfffc);
        if (lm && (access & (Segments.L | Segments.DB)) != Segments.L) throw c.gp(selector & 0xfffc);
        if (!call && !Segments.isConforming(access) && Segments.dpl(access) != c.cpl) throw c.gp(selector & 0xfffc);
        if ((access & Segments.P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc);
        Segments.checkTarget(c, offset, d);
        int ring = Segments.dpl(access);
        if (call && !Segments.isConforming(access) && ring < c.cpl) {
            if (lm) inner64(c, selector, d, ring, offset, next);
            else inner(c, selector, d, ring, size, offset, next, (int) (gate >>> 32) & 0x1f);
            return;
        }
        if (call) {
            long sp = c.r[Reg.RSP];
            c.store(pushAddress(c, sp - size, size), size, c.selector[Reg.CS]);
            c.store(pushAddress(c, sp - 2L * size, size), size, next);
            sp -= 2L * size;
            if (lm) c.r[Reg.RSP] = c.codeSize == 8 ? sp : sp & 0xffffffffL;
            else Stack.setSp(c, sp);
        }
        Segments.setCode(c, selector, d, c.cpl);
        c.r[Reg.RIP] = offset;
        c.updateMode();
    }

    private static long pushAddress(Cpu c, long sp, int size) {
        return Stack.address(c, sp & c.spMask, size, true);
    }

    private static void inner64(Cpu c, int selector, long d, int ring, long offset, long next) {
        long rsp = Tasks.stackPointer64(c, ring);
        if (!Segments.canonical(rsp)) throw c.raise(GuestFault.SS, 0);
        long[] values = {c.selector[Reg.SS], c.r[Reg.RSP], c.selector[Reg.CS], next};
        for (int i = 0; i < 4; i++) c.mmu.systemStore(rsp - 8 * (i + 1), 8, values[i]);
        if (c.dataBreakpoints) Debug.access(c, rsp - 32, 32, Access.WRITE);
        Segments.setCode(c, selector, d, ring);
        Segments.setNull(c, Reg.SS, ring);
        c.segAccess[Reg.SS] = Segments.UNUSABLE | ring << 5;
        c.r[Reg.RSP] = rsp - 32;
        c.r[Reg.RIP] = offset;
        c.updateMode();
    }

    private static void inner(Cpu c, int selector, long d, int ring, int size, long offset, long next, int parameters) {
        long sp = Tasks.stackPointer(c, ring);
        int ss = Tasks.stackSelector(c, ring);
        if ((ss & 0xfffc) == 0) throw c.raise(GuestFault.TS, 0);
        long sd = Segments.stackDescriptor(c, ss, ring, GuestFault.TS, GuestFault.SS);
        boolean wide = (Segments.access(sd) & Segments.DB) != 0;
        NewStack s = new NewStack(c, sd, wide ? sp : sp & 0xffff, wide, ring);
        s.push(size, c.selector[Reg.SS]);
        s.push(size, c.r[Reg.RSP]);
        for (int i = parameters - 1; i >= 0; i--) s.push(size, Stack.peek(c, size * i, size));
        s.push(size, c.selector[Reg.CS]);
        s.push(size, next);
        Segments.setCode(c, selector, d, ring);
        Segments.setAccessed(c, ss, sd);
        Segments.set(c, Reg.SS, ss & 0xfffc | ring, sd);
        c.updateMode();
        Stack.setSp(c, s.sp);
        c.r[Reg.RIP] = offset;
    }

    // ---- RET ----

    static void ret(Cpu c, int size, int release) {
        long ip = Stack.peek(c, 0, size);
        int selector = (int) Stack.peek(c, size, size) & 0xffff;
        if (real(c)) {
            if (ip > (c.segLimit[Reg.CS] & 0xffffffffL)) throw c.gp(0);
            Segments.setReal(c, Reg.CS, selector);
            c.r[Reg.RIP] = ip;
            Stack.setSp(c, c.r[Reg.RSP] + 2L * size + release);
            c.updateMode();
            return;
        }
        int ring = selector & 3;
        long d = returnCode(c, selector, ip);
        if (ring == c.cpl) {
            Segments.setCode(c, selector, d, ring);
            Stack.setSp(c, c.r[Reg.RSP] + 2L * size + release);
            c.r[Reg.RIP] = ip;
            c.updateMode();
            return;
        }
        long sp = Stack.peek(c, 2 * size + release, size);
        int ss = (int) Stack.peek(c, 3 * size + release, size) & 0xffff;
        outer(c, selector, d, ip, ss, sp);
        if (c.stackSize != 8) Stack.setSp(c, c.r[Reg.RSP] + release);
        else c.r[Reg.RSP] += release;
    }

    /** The checks of a return's CS: privilege not more than now. */
    private static long returnCode(Cpu c, int selector, long ip) {
        if ((selector & 0xfffc) == 0) throw c.gp(0);
        long d = Segments.descriptor(c, selector, GuestFault.GP);
        int access = Segments.access(d);
        int ring = selector & 3;
        boolean ok = Segments.isCode(access)
                && !Segments.badLongCode(c, access)
                && ring >= c.cpl
                && (Segments.isConforming(access) ? Segments.dpl(access) <= ring : Segments.dpl(access) == ring);
        if (!ok) throw c.gp(selector & 0xfffc);
        if ((access & Segments.P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc);
        Segments.checkTarget(c, ip, d);
        return d;
    }

    /** To an outer ring, or in 64-bit mode to any with a new stack. */
    private static void outer(Cpu c, int selector, long d, long ip, int ss, long sp) {
        int ring = selector & 3;
        long sd = 0;
        boolean nullStack = (ss & 0xfffc) == 0;
        if (nullStack) {
            if (!Segments.isLong(c, d) || ring == 3 || (ss & 3) != ring) throw c.gp(0);
        } else {
            sd = Segments.stackDescriptor(c, ss, ring, GuestFault.GP, GuestFault.SS);
        }
        int old = c.cpl;
        Segments.setCode(c, selector, d, ring);
        if (nullStack) {
            Segments.setNull(c, Reg.SS, ss);
            c.segAccess[Reg.SS] = Segments.UNUSABLE | ring << 5;
        } else {
            Segments.setAccessed(c, ss, sd);
            Segments.set(c, Reg.SS, ss, sd);
        }
        c.r[Reg.RIP] = ip;
        c.updateMode();
        Stack.setSp(c, sp);
        if (ring > old) Segments.dropPrivileged(c);
    }

    // ---- IRET ----

    static void iret(Cpu c, int size, long next) {
        if (c.nmiBlocked) { // also when it faults: SDM vol. 3A, 6.7.1
            c.nmiBlocked = false;
            c.attend();
        }
        if (c.virtual8086() && c.iopl() < 3) throw c.gp(0);
        if (real(c)) {
            iretReal(c, size);
            return;
        }
        if ((c.rflags & Cpu.NT) != 0) {
            if (c.longMode()) throw c.gp(0);
            int link = (int) c.mmu.systemLoad(c.segBase[Reg.TR], 2);
            Tasks.switchTo(c, link, Tasks.RETURN, next, 0);
            return;
        }
        long ip = Stack.peek(c, 0, size);
        int selector = (int) Stack.peek(c, size, size) & 0xffff;
        long flags = Stack.peek(c, 2 * size, size);
        if (!c.longMode() && size == 4 && (flags & Cpu.VM) != 0 && c.cpl == 0) {
            toVirtual8086(c, ip, selector, flags);
            return;
        }
        int ring = selector & 3;
        long d = returnCode(c, selector, ip);
        long mask = Flags.writable(c, size);
        if (ring > c.cpl || c.codeSize == 8) {
            long sp = Stack.peek(c, 3 * size, size);
            int ss = (int) Stack.peek(c, 4 * size, size) & 0xffff;
            outer(c, selector, d, ip, ss, sp);
        } else {
            Segments.setCode(c, selector, d, ring);
            Stack.setSp(c, c.r[Reg.RSP] + 3L * size);
            c.r[Reg.RIP] = ip;
        }
        Flags.write(c, flags, mask);
        c.updateMode();
    }

    private static void iretReal(Cpu c, int size) {
        long ip = Stack.peek(c, 0, size);
        int selector = (int) Stack.peek(c, size, size) & 0xffff;
        long flags = Stack.peek(c, 2 * size, size);
        if (ip > (c.segLimit[Reg.CS] & 0xffffffffL)) throw c.gp(0);
        long mask = Flags.ALWAYS | Cpu.IF | (c.virtual8086() ? 0 : Cpu.IOPL);
        Segments.setReal(c, Reg.CS, selector);
        c.r[Reg.RIP] = ip;
        Stack.setSp(c, c.r[Reg.RSP] + 3L * size);
        Flags.write(c, flags, size == 2 ? mask & 0xffff : mask);
        c.updateMode();
    }

    private static void toVirtual8086(Cpu c, long ip, int selector, long flags) {
        long sp = Stack.peek(c, 12, 4);
        int[] segs = {Reg.SS, Reg.ES, Reg.DS, Reg.FS, Reg.GS};
        int[] selectors = new int[5];
        for (int i = 0; i < 5; i++) selectors[i] = (int) Stack.peek(c, 16 + 4 * i, 4) & 0xffff;
        Flags.set(c, flags);
        c.rflags = flags & 0x3f7fd5L | 2;
        for (int i = 0; i < 5; i++) Segments.setReal(c, segs[i], selectors[i]);
        Segments.setReal(c, Reg.CS, selector);
        c.cpl = 3;
        c.r[Reg.RSP] = sp & 0xffffffffL;
        c.r[Reg.RIP] = ip & 0xffff;
        c.attend();
        c.updateMode();
    }
}
