package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.Segments;
import org.nestorvm.engine.soft.state.Stack;

/**
 * Delivery of exceptions and interrupts through the IVT or IDT (SDM vol. 3A, chapter 6; 5.8 for gates): real mode,
 * protected mode with interrupt, trap and task gates, virtual-8086 mode, and long mode with the interrupt stack table.
 * A fault during delivery becomes a double fault, one during that shutdown.
 */
public final class Interrupts {
    private Interrupts() {}

    /** How the event came about: hardware interrupts and exceptions pass the gate's privilege check, INT n does not. */
    public static final int EXCEPTION = 0, EXTERNAL = 1, SOFTWARE = 2;

    private static boolean contributory(int vector) {
        return vector == GuestFault.DE || vector >= GuestFault.TS && vector <= GuestFault.GP;
    }

    /**
     * Delivers a fault, with all that can follow from it. The instruction pointer stands at the instruction to restart.
     *
     * @return false: triple fault, the processor has shut down
     */
    public static boolean deliver(Cpu c, int vector, int errorCode, int kind) {
        for (; ; ) {
            try {
                enter(c, vector, errorCode, kind, c.r[Reg.RIP]);
                return true;
            } catch (GuestFault f) {
                int second = f.vector;
                boolean isException = kind == EXCEPTION;
                if (isException && vector == GuestFault.DF) return false;
                boolean twice = isException
                        && (contributory(vector) && contributory(second)
                                || vector == GuestFault.PF && (contributory(second) || second == GuestFault.PF));
                vector = twice ? GuestFault.DF : second;
                errorCode = twice ? 0 : f.errorCode;
                kind = EXCEPTION;
                c.faultNotTrap = !twice;
                if (!twice)
                    c.vcpu.leaveIfKicked(); // #AC on a handler's stack can lead to #AC for ever: then a stop request
                // is all that ends it
            }
        }
    }

    /** One attempt; changes nothing if it faults. {@code returnIp} is what the handler finds on its stack. */
    static void enter(Cpu c, int vector, int errorCode, int kind, long returnIp) {
        long debug = c.pendingDebug;
        if (!c.protectedMode()) realMode(c, vector, returnIp);
        else if (c.longMode()) longMode(c, vector, errorCode, kind, returnIp);
        else protectedMode(c, vector, errorCode, kind, returnIp);
        c.halted = false;
        if (kind == EXCEPTION) Debug.entered(c, vector, debug);
    }

    private static void realMode(Cpu c, int vector, long returnIp) {
        if (4 * vector + 3 > c.idtrLimit) throw c.gp(0);
        long entry = c.mmu.systemLoad(c.idtrBase + 4 * vector, 4);
        long sp = c.r[Reg.RSP];
        push16(c, sp - 2, Flags.rflags(c));
        push16(c, sp - 4, c.selector[Reg.CS]);
        push16(c, sp - 6, returnIp);
        Stack.setSp(c, sp - 6);
        c.rflags &= ~(Cpu.IF | Cpu.TF | Cpu.RF | Cpu.AC);
        Segments.setReal(c, Reg.CS, (int) (entry >>> 16));
        c.r[Reg.RIP] = entry & 0xffff;
        c.updateMode();
    }

    private static void push16(Cpu c, long sp, long value) {
        c.store16(Stack.address(c, sp & c.spMask, 2, true), (int) value);
    }

    // ---- protected mode ----

    private static void protectedMode(Cpu c, int vector, int errorCode, int kind, long returnIp) {
        int ext = kind == SOFTWARE ? 0 : 1;
        if (8 * vector + 7 > c.idtrLimit) throw c.gp(vector << 3 | 2 | ext);
        long gate = c.mmu.systemLoad(c.idtrBase + 8 * vector, 8);
        int access = Segments.access(gate) & 0xff;
        int type = access & 0x1f;
        if (type != 5 && type != 6 && type != 7 && type != 14 && type != 15) throw c.gp(vector << 3 | 2 | ext);
        if (kind == SOFTWARE && Segments.dpl(access) < c.cpl) throw c.gp(vector << 3 | 2);
        if ((access & Segments.P) == 0) throw c.raise(GuestFault.NP, vector << 3 | 2 | ext);
        int selector = (int) (gate >>> 16) & 0xffff;
        if (type == 5) {
            Tasks.switchTo(c, selector, Tasks.CALL, returnIp, ext);
            if (errorCode >= 0) Stack.push(c, Tasks.is32(c) ? 4 : 2, errorCode);
            return;
        }
        int size = type >= 14 ? 4 : 2;
        long offset = size == 4 ? gate & 0xffff | gate >>> 32 & 0xffff0000L : gate & 0xffff;
        boolean interrupt = (type & 1) == 0;
        if ((selector & 0xfffc) == 0) throw c.gp(ext);
        long d = Segments.descriptor(c, selector, GuestFault.GP);
        int code = Segments.access(d);
        if (!Segments.isCode(code) || Segments.dpl(code) > c.cpl) throw c.gp(selector & 0xfffc | ext);
        if ((code & Segments.P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc | ext);
        boolean inner = !Segments.isConforming(code) && Segments.dpl(code) < c.cpl;
        boolean v86 = c.virtual8086();
        if (v86 && (!inner || Segments.dpl(code) != 0)) throw c.gp(selector & 0xfffc | ext);
        if (!inner && !Segments.isConforming(code) && Segments.dpl(code) != c.cpl) throw c.gp(selector & 0xfffc | ext);
        Segments.checkTarget(c, offset, d);
        if (inner) innerRing(c, selector, d, Segments.dpl(code), size, offset, errorCode, returnIp, v86, ext);
        else {
            long sp = c.r[Reg.RSP];
            long flags = pushedFlags(c);
            sp = put(c, sp, size, flags);
            sp = put(c, sp, size, c.selector[Reg.CS]);
            sp = put(c, sp, size, returnIp);
            if (errorCode >= 0) sp = put(c, sp, size, errorCode);
            Segments.setCode(c, selector, d, c.cpl);
            Stack.setSp(c, sp);
            c.r[Reg.RIP] = offset;
        }
        c.rflags &= ~(Cpu.TF | Cpu.NT | Cpu.RF | Cpu.VM | (interrupt ? Cpu.IF : 0));
        c.updateMode();
    }

    /** The flags that a handler's frame, or the TSS of the task that is left, shows. */
    static long pushedFlags(Cpu c) {
        return Flags.rflags(c) | (c.faultNotTrap ? Cpu.RF : 0);
    }

    private static long put(Cpu c, long sp, int size, long value) {
        sp = sp - size & c.spMask;
        c.store(Stack.address(c, sp, size, true), size, value);
        return sp;
    }

    private static void innerRing(
            Cpu c,
            int selector,
            long d,
            int ring,
            int size,
            long offset,
            int errorCode,
            long returnIp,
            boolean v86,
            int ext) {
        long esp = Tasks.stackPointer(c, ring);
        int ss = Tasks.stackSelector(c, ring);
        if ((ss & 0xfffc) == 0) throw c.raise(GuestFault.TS, ext);
        long sd;
        try {
            sd = Segments.stackDescriptor(c, ss, ring, GuestFault.TS, GuestFault.SS);
        } catch (GuestFault f) {
            if (f.errorCode >= 0 && f.vector != GuestFault.PF) f.errorCode |= ext;
            throw f;
        }
        boolean wide = (Segments.access(sd) & Segments.DB) != 0;
        NewStack s = new NewStack(c, sd, wide ? esp : esp & 0xffff, wide, ring);
        if (v86) {
            s.push(size, c.selector[Reg.GS]);
            s.push(size, c.selector[Reg.FS]);
            s.push(size, c.selector[Reg.DS]);
            s.push(size, c.selector[Reg.ES]);
        }
        s.push(size, c.selector[Reg.SS]);
        s.push(size, c.r[Reg.RSP]);
        s.push(size, pushedFlags(c));
        s.push(size, c.selector[Reg.CS]);
        s.push(size, returnIp);
        if (errorCode >= 0) s.push(size, errorCode);
        if (v86) {
            for (int seg : V86_DATA) Segments.setNull(c, seg, 0);
            c.rflags &= ~Cpu.VM;
        }
        Segments.setCode(c, selector, d, ring);
        Segments.setAccessed(c, ss, sd);
        Segments.set(c, Reg.SS, ss, sd);
        c.updateMode();
        Stack.setSp(c, s.sp);
        c.r[Reg.RIP] = offset;
    }

    private static final int[] V86_DATA = {Reg.ES, Reg.DS, Reg.FS, Reg.GS};

    // ---- long mode ----

    private static void longMode(Cpu c, int vector, int errorCode, int kind, long returnIp) {
        int ext = kind == SOFTWARE ? 0 : 1;
        if (16 * vector + 15 > c.idtrLimit) throw c.gp(vector << 3 | 2 | ext);
        long low = c.mmu.systemLoad(c.idtrBase + 16 * vector, 8),
                high = c.mmu.systemLoad(c.idtrBase + 16 * vector + 8, 8);
        int access = Segments.access(low) & 0xff;
        int type = access & 0x1f;
        if (type != 14 && type != 15 || (high >>> 40 & 0x1f) != 0) throw c.gp(vector << 3 | 2 | ext);
        if (kind == SOFTWARE && Segments.dpl(access) < c.cpl) throw c.gp(vector << 3 | 2);
        if ((access & Segments.P) == 0) throw c.raise(GuestFault.NP, vector << 3 | 2 | ext);
        long offset = low & 0xffff | low >>> 32 & 0xffff0000L | high << 32;
        int selector = (int) (low >>> 16) & 0xffff;
        int ist = (int) (low >>> 32) & 7;
        if ((selector & 0xfffc) == 0) throw c.gp(ext);
        long d = Segments.descriptor(c, selector, GuestFault.GP);
        int code = Segments.access(d);
        if (!Segments.isCode(code) || Segments.dpl(code) > c.cpl || (code & (Segments.L | Segments.DB)) != Segments.L)
            throw c.gp(selector & 0xfffc | ext);
        if ((code & Segments.P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc | ext);
        int ring = Segments.isConforming(code) ? c.cpl : Segments.dpl(code);
        if (!Segments.canonical(offset)) throw c.gp(ext);
        long rsp =
                ist != 0 ? Tasks.interruptStack(c, ist) : ring < c.cpl ? Tasks.stackPointer64(c, ring) : c.r[Reg.RSP];
        if (!Segments.canonical(rsp)) throw c.raise(GuestFault.SS, ext);
        long oldRsp = c.r[Reg.RSP];
        rsp &= ~15L;
        // The new privilege decides what the pushes may touch, and they may fault: the old one comes back then.
        int oldCpl = c.cpl;
        c.cpl = ring;
        c.mmu.selectTags();
        try {
            long flags = pushedFlags(c);
            c.probeWrite(rsp - 40, 40);
            c.store64(rsp - 8, c.selector[Reg.SS]);
            c.store64(rsp - 16, oldRsp);
            c.store64(rsp - 24, flags);
            c.store64(rsp - 32, c.selector[Reg.CS]);
            c.store64(rsp - 40, returnIp);
            if (errorCode >= 0) c.store64(rsp - 48, errorCode);
            Segments.setAccessed(c, selector, d);
        } catch (GuestFault f) {
            c.cpl = oldCpl;
            c.mmu.selectTags();
            throw f;
        }
        if (ring < oldCpl) {
            Segments.setNull(c, Reg.SS, ring);
            c.segAccess[Reg.SS] = Segments.UNUSABLE | ring << 5;
        }
        c.cpl = ring;
        Segments.set(c, Reg.CS, selector & 0xfffc | ring, d);
        c.r[Reg.RSP] = errorCode >= 0 ? rsp - 48 : rsp - 40;
        c.r[Reg.RIP] = offset;
        c.rflags &= ~(Cpu.TF | Cpu.NT | Cpu.RF | Cpu.VM | (type == 14 ? Cpu.IF : 0));
        c.updateMode();
    }
}
