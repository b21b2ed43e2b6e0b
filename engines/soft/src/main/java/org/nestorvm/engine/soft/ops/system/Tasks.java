package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Debug;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.Segments;

/**
 * Task state segments: the stacks of inner rings, the I/O permission map, and hardware task switches (SDM vol. 3A,
 * chapter 7).
 */
final class Tasks {
    static final int JUMP = 0, CALL = 1, RETURN = 2;

    private Tasks() {}

    /** The present TSS is a 32-bit one. */
    static boolean is32(Cpu c) {
        return (c.segAccess[Reg.TR] & 8) != 0;
    }

    private static long field(Cpu c, int at, int size) {
        if (Integer.compareUnsigned(at + size - 1, c.segLimit[Reg.TR]) > 0)
            throw c.raise(GuestFault.TS, c.selector[Reg.TR] & 0xfffc);
        return c.mmu.systemLoad(c.segBase[Reg.TR] + at, size);
    }

    static long stackPointer(Cpu c, int ring) {
        return is32(c) ? field(c, 4 + 8 * ring, 4) : field(c, 2 + 4 * ring, 2);
    }

    static int stackSelector(Cpu c, int ring) {
        return (int) (is32(c) ? field(c, 8 + 8 * ring, 2) : field(c, 4 + 4 * ring, 2));
    }

    static long stackPointer64(Cpu c, int ring) {
        return field(c, 4 + 8 * ring, 8);
    }

    static long interruptStack(Cpu c, int ist) {
        return field(c, 0x24 + 8 * (ist - 1), 8);
    }

    /** May the ports be used at CPL &gt; IOPL, or in virtual-8086 mode? */
    static boolean portsAllowed(Cpu c, int port, int size) {
        if ((c.segAccess[Reg.TR] & Segments.UNUSABLE) != 0 || !is32(c)) return false;
        int limit = c.segLimit[Reg.TR];
        if (Integer.compareUnsigned(0x67, limit) > 0) return false;
        int at = (int) c.mmu.systemLoad(c.segBase[Reg.TR] + 0x66, 2) + (port >>> 3);
        if (Integer.compareUnsigned(at + 1, limit) > 0) return false;
        int bits = (int) c.mmu.systemLoad(c.segBase[Reg.TR] + at, 2) >>> (port & 7);
        return (bits & (1 << size) - 1) == 0;
    }

    private static final int[] DATA_ORDER = {Reg.ES, Reg.CS, Reg.SS, Reg.DS, Reg.FS, Reg.GS};

    /** A task switch through a TSS selector or a task gate's. {@code returnIp} is what the old TSS keeps. */
    static void switchTo(Cpu c, int selector, int how, long returnIp, int ext) {
        int bad = how == RETURN ? GuestFault.TS : GuestFault.GP;
        if ((selector & 4) != 0) throw c.raise(bad, selector & 0xfffc | ext);
        long at = Segments.address(c, selector, bad, 8);
        long d = c.mmu.systemLoad(at, 8);
        int access = Segments.access(d);
        int type = access & 0x1f;
        boolean busy = (type & 2) != 0;
        if ((type & ~0xa) != 1 || busy != (how == RETURN)) throw c.raise(bad, selector & 0xfffc | ext);
        if ((access & Segments.P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc | ext);
        boolean wide = (type & 8) != 0;
        int limit = Segments.limit(d);
        if (Integer.compareUnsigned(limit, wide ? 0x67 : 0x2b) < 0)
            throw c.raise(GuestFault.TS, selector & 0xfffc | ext);
        long base = Segments.base(d);
        long flags = Interrupts.pushedFlags(c);
        if (how == RETURN) flags &= ~Cpu.NT;
        save(c, returnIp, flags);
        long oldDescriptor = Segments.address(c, c.selector[Reg.TR], GuestFault.TS, 8);
        if (how != CALL) c.mmu.systemStore(oldDescriptor + 5, 1, c.mmu.systemLoad(oldDescriptor + 5, 1) & ~2L);
        if (how != RETURN) c.mmu.systemStore(at + 5, 1, c.mmu.systemLoad(at + 5, 1) | 2);
        if (how == CALL) c.mmu.systemStore(base, 2, c.selector[Reg.TR]);
        c.selector[Reg.TR] = selector;
        c.segBase[Reg.TR] = base;
        c.segLimit[Reg.TR] = limit;
        c.segAccess[Reg.TR] = access | 2;
        c.cr0 |= Cpu.CR0_TS;
        try {
            restore(c, wide, how);
        } catch (GuestFault f) {
            c.leaveBlock(); // the instruction pointer is the new task's already
            throw f;
        }
    }

    private static void save(Cpu c, long ip, long flags) {
        long base = c.segBase[Reg.TR];
        if (is32(c)) {
            c.mmu.systemStore(base + 0x20, 4, ip);
            c.mmu.systemStore(base + 0x24, 4, flags);
            for (int i = 0; i < 8; i++) c.mmu.systemStore(base + 0x28 + 4 * i, 4, c.r[i]);
            for (int i = 0; i < 6; i++) c.mmu.systemStore(base + 0x48 + 4 * i, 2, c.selector[DATA_ORDER[i]]);
        } else {
            c.mmu.systemStore(base + 0x0e, 2, ip);
            c.mmu.systemStore(base + 0x10, 2, flags);
            for (int i = 0; i < 8; i++) c.mmu.systemStore(base + 0x12 + 2 * i, 2, c.r[i]);
            for (int i = 0; i < 4; i++) c.mmu.systemStore(base + 0x22 + 2 * i, 2, c.selector[DATA_ORDER[i]]);
        }
    }

    /** Loads the new task. Faults from here on happen in its context. */
    private static void restore(Cpu c, boolean wide, int how) {
        long base = c.segBase[Reg.TR];
        int[] selectors = new int[6];
        long ip, flags, cr3 = c.cr3;
        int ldt;
        boolean trap = wide && (c.mmu.systemLoad(base + 0x64, 2) & 1) != 0;
        if (wide) {
            cr3 = c.mmu.systemLoad(base + 0x1c, 4);
            ip = c.mmu.systemLoad(base + 0x20, 4);
            flags = c.mmu.systemLoad(base + 0x24, 4);
            for (int i = 0; i < 6; i++) selectors[i] = (int) c.mmu.systemLoad(base + 0x48 + 4 * i, 2);
            ldt = (int) c.mmu.systemLoad(base + 0x60, 2);
            for (int i = 0; i < 8; i++) c.r[i] = c.mmu.systemLoad(base + 0x28 + 4 * i, 4);
        } else {
            ip = c.mmu.systemLoad(base + 0x0e, 2);
            flags = c.mmu.systemLoad(base + 0x10, 2) | c.rflags & 0xffff0000L & ~Cpu.VM;
            for (int i = 0; i < 4; i++) selectors[i] = (int) c.mmu.systemLoad(base + 0x22 + 2 * i, 2);
            ldt = (int) c.mmu.systemLoad(base + 0x2a, 2);
            for (int i = 0; i < 8; i++) c.r[i] = c.r[i] & 0xffff0000L | c.mmu.systemLoad(base + 0x12 + 2 * i, 2);
        }
        if ((c.cr0 & Cpu.CR0_PG) != 0 && wide) Control.loadCr3(c, cr3);
        c.rflags = flags & 0x3f7fd5L | 2 | (how == CALL ? Cpu.NT : 0);
        c.ccKind = Flags.EXPLICIT;
        c.r[Reg.RIP] = ip & 0xffffffffL;
        for (int i = 0; i < 6; i++) Segments.setNull(c, DATA_ORDER[i], selectors[i]);
        c.segAccess[Reg.LDTR] = Segments.UNUSABLE;
        c.attend();
        if (c.virtual8086()) {
            for (int i = 0; i < 6; i++) Segments.setReal(c, DATA_ORDER[i], selectors[i]);
            c.segLimit[Reg.CS] = 0xffff;
            c.updateMode();
            Debug.taskSwitched(c, trap);
            return;
        }
        try {
            Segments.loadLdtr(c, ldt);
        } catch (GuestFault f) {
            throw c.raise(GuestFault.TS, ldt & 0xfffc);
        }
        c.cpl = selectors[1] & 3;
        loadCode(c, selectors[1]);
        Segments.loadStack(c, selectors[2], c.cpl, GuestFault.TS, GuestFault.SS);
        for (int i : new int[] {0, 3, 4, 5}) {
            try {
                Segments.load(c, DATA_ORDER[i], selectors[i]);
            } catch (GuestFault f) {
                throw f.vector == GuestFault.GP ? c.raise(GuestFault.TS, f.errorCode) : f;
            }
        }
        c.updateMode();
        Debug.taskSwitched(c, trap);
    }

    private static void loadCode(Cpu c, int selector) {
        if ((selector & 0xfffc) == 0) throw c.raise(GuestFault.TS, 0);
        long d = Segments.descriptor(c, selector, GuestFault.TS);
        int access = Segments.access(d);
        boolean ok = Segments.isCode(access)
                && (Segments.isConforming(access) ? Segments.dpl(access) <= c.cpl : Segments.dpl(access) == c.cpl);
        if (!ok) throw c.raise(GuestFault.TS, selector & 0xfffc);
        if ((access & Segments.P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc);
        Segments.setCode(c, selector, d, c.cpl);
        c.updateMode();
    }
}
