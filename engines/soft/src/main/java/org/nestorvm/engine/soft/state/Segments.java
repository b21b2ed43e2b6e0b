package org.nestorvm.engine.soft.state;

import org.nestorvm.engine.soft.isa.Reg;

/**
 * Segment registers: descriptors, loading, and the checks of every access outside 64-bit code (SDM vol. 3A, chapters 3
 * and 5; vol. 1, chapter 3 for real mode).
 */
public final class Segments {
    /** Access rights in VMCS layout. */
    public static final int TYPE = 0xf,
            A = 1,
            W = 2,
            R = 2,
            E = 4,
            C = 4,
            CODE = 8,
            S = 0x10,
            DPL = 0x60,
            P = 0x80,
            AVL = 0x1000,
            L = 0x2000,
            DB = 0x4000,
            G = 0x8000,
            UNUSABLE = 0x10000;

    private Segments() {}

    public static int dpl(int access) {
        return access >>> 5 & 3;
    }

    public static boolean isCode(int access) {
        return (access & (S | CODE)) == (S | CODE);
    }

    public static boolean isConforming(int access) {
        return (access & (S | CODE | C)) == (S | CODE | C);
    }

    // ---- accesses ----

    /**
     * The linear address of {@code size} bytes at {@code offset}, after the checks of legacy code; never for 64-bit
     * code.
     */
    static long linear(Cpu c, int seg, long offset, int size, boolean write) {
        int access = c.segAccess[seg];
        long limit = c.segLimit[seg] & 0xffffffffL;
        boolean ok;
        if ((c.cr0 & Cpu.CR0_PE) == 0 || (c.rflags & Cpu.VM) != 0) {
            ok = offset + size - 1 <= limit;
        } else if ((access & UNUSABLE) != 0) {
            ok = false;
        } else {
            boolean code = (access & CODE) != 0;
            ok = write ? !code && (access & W) != 0 : !code || (access & R) != 0;
            if (!code && (access & E) != 0) {
                long top = (access & DB) != 0 ? 0xffffffffL : 0xffffL;
                ok &= offset > limit && offset + size - 1 <= top;
            } else {
                ok &= offset + size - 1 <= limit;
            }
        }
        if (!ok) throw seg == Reg.SS ? c.raise(GuestFault.SS, 0) : c.gp(0);
        return offset + c.segBase[seg] & 0xffffffffL;
    }

    // ---- descriptors ----

    public static long base(long descriptor) {
        return descriptor >>> 16 & 0xffffff | descriptor >>> 32 & 0xff000000L;
    }

    public static int limit(long descriptor) {
        int limit = (int) (descriptor & 0xffff | descriptor >>> 32 & 0xf0000);
        return (descriptor >>> 55 & 1) != 0 ? limit << 12 | 0xfff : limit;
    }

    public static int access(long descriptor) {
        return (int) (descriptor >>> 40) & 0xf0ff;
    }

    /**
     * The descriptor that a selector names, from GDT or LDT; a selector beyond the table's limit is {@code vector} with
     * the selector.
     */
    public static long descriptor(Cpu c, int selector, int vector) {
        return c.mmu.systemLoad(address(c, selector, vector, 8), 8);
    }

    /** The linear address of a selector's descriptor of {@code size} bytes. */
    public static long address(Cpu c, int selector, int vector, int size) {
        long table;
        int limit;
        if ((selector & 4) != 0) {
            if ((c.segAccess[Reg.LDTR] & UNUSABLE) != 0) throw c.raise(vector, selector & 0xfffc);
            table = c.segBase[Reg.LDTR];
            limit = c.segLimit[Reg.LDTR];
        } else {
            table = c.gdtrBase;
            limit = c.gdtrLimit;
        }
        if (Integer.compareUnsigned((selector & 0xfff8) + size - 1, limit) > 0)
            throw c.raise(vector, selector & 0xfffc);
        return table + (selector & 0xfff8);
    }

    public static void setAccessed(Cpu c, int selector, long descriptor) {
        if ((descriptor >>> 40 & 1) != 0) return;
        c.mmu.systemStore(address(c, selector, GuestFault.GP, 8) + 5, 1, descriptor >>> 40 & 0xff | 1);
    }

    public static void set(Cpu c, int seg, int selector, long descriptor) {
        c.selector[seg] = selector & 0xffff;
        c.segBase[seg] = base(descriptor);
        c.segLimit[seg] = limit(descriptor);
        c.segAccess[seg] = access(descriptor) | (seg <= Reg.GS ? A : 0);
    }

    public static void setNull(Cpu c, int seg, int selector) {
        c.selector[seg] = selector & 0xffff;
        c.segAccess[seg] = UNUSABLE;
        c.segBase[seg] = 0;
        c.segLimit[seg] = 0;
    }

    /**
     * Real and virtual-8086 mode: the base is sixteen times the selector. Real mode keeps limit and rights, so that
     * "unreal" mode works.
     */
    public static void setReal(Cpu c, int seg, int selector) {
        c.selector[seg] = selector & 0xffff;
        c.segBase[seg] = (selector & 0xffffL) << 4;
        if (c.virtual8086()) {
            c.segLimit[seg] = 0xffff;
            c.segAccess[seg] = 0xf3;
        } else if (seg == Reg.CS) {
            c.segAccess[seg] = 0x9b;
            c.segLimit[seg] = 0xffff;
        }
    }

    /** MOV, POP, LDS and the like to a segment register other than CS. */
    public static void load(Cpu c, int seg, int selector) {
        selector &= 0xffff;
        if (!c.protectedMode() || c.virtual8086()) {
            setReal(c, seg, selector);
            if (seg == Reg.SS) c.updateMode();
            return;
        }
        if (seg == Reg.SS) loadStack(c, selector, c.cpl, GuestFault.GP, GuestFault.SS);
        else loadData(c, seg, selector);
    }

    private static void loadData(Cpu c, int seg, int selector) {
        if ((selector & 0xfffc) == 0) {
            setNull(c, seg, selector);
            return;
        }
        long d = descriptor(c, selector, GuestFault.GP);
        int access = access(d);
        boolean readable = (access & S) != 0 && ((access & CODE) == 0 || (access & R) != 0);
        boolean privileged = isConforming(access) || dpl(access) >= Math.max(c.cpl, selector & 3);
        if (!readable || !privileged) throw c.gp(selector & 0xfffc);
        if ((access & P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc);
        setAccessed(c, selector, d);
        set(c, seg, selector, d);
    }

    /** SS for privilege {@code cpl}. */
    public static void loadStack(Cpu c, int selector, int cpl, int badVector, int absentVector) {
        if ((selector & 0xfffc) == 0) {
            if (!c.longMode() || !c.code64() || cpl == 3 || (selector & 3) != cpl)
                throw c.raise(badVector, badVector == GuestFault.GP ? 0 : selector & 0xfffc);
            setNull(c, Reg.SS, selector);
            c.segAccess[Reg.SS] = UNUSABLE | cpl << 5;
            c.updateMode();
            return;
        }
        long d = stackDescriptor(c, selector, cpl, badVector, absentVector);
        setAccessed(c, selector, d);
        set(c, Reg.SS, selector, d);
        c.updateMode();
    }

    /** Checks, and sets nothing. */
    public static long stackDescriptor(Cpu c, int selector, int cpl, int badVector, int absentVector) {
        long d = descriptor(c, selector, badVector);
        int access = access(d);
        if ((selector & 3) != cpl || dpl(access) != cpl || (access & (S | CODE | W)) != (S | W))
            throw c.raise(badVector, selector & 0xfffc);
        if ((access & P) == 0) throw c.raise(absentVector, selector & 0xfffc);
        return d;
    }

    /**
     * After a return to an outer ring: data segments that are more privileged than it become null, and a null selector
     * loses its RPL. The bases of FS and GS stay.
     */
    public static void dropPrivileged(Cpu c) {
        for (int seg = Reg.ES; seg <= Reg.GS; seg++) {
            if (seg == Reg.CS || seg == Reg.SS) continue;
            int access = c.segAccess[seg];
            boolean isNull = (c.selector[seg] & 0xfffc) == 0;
            boolean privileged = (access & UNUSABLE) == 0 && dpl(access) < c.cpl && !isConforming(access);
            if (!isNull && !privileged) continue;
            c.selector[seg] = 0;
            c.segAccess[seg] = UNUSABLE;
        }
    }

    /** CS from a checked descriptor, with the new privilege in the selector. */
    public static void setCode(Cpu c, int selector, long descriptor, int cpl) {
        setAccessed(c, selector, descriptor);
        set(c, Reg.CS, selector & 0xfffc | cpl, descriptor);
        c.cpl = cpl;
    }

    /** L and D together are reserved in long mode. */
    public static boolean badLongCode(Cpu c, int access) {
        return c.longMode() && (access & (L | DB)) == (L | DB);
    }

    public static boolean canonical(long address) {
        return address << 16 >> 16 == address;
    }

    /** Does the descriptor's code run in 64-bit mode? */
    public static boolean isLong(Cpu c, long descriptor) {
        return c.longMode() && (descriptor >>> 53 & 1) != 0;
    }

    public static void checkTarget(Cpu c, long ip, long descriptor) {
        if (isLong(c, descriptor)) {
            if (!canonical(ip)) throw c.gp(0);
        } else if (Long.compareUnsigned(ip & 0xffffffffL, limit(descriptor) & 0xffffffffL) > 0) {
            throw c.gp(0);
        }
    }

    // ---- LDTR, TR ----

    private static void systemSegment(Cpu c, int seg, int selector, int... types) {
        if ((selector & 4) != 0) throw c.gp(selector & 0xfffc);
        boolean wide = c.longMode();
        long at = address(c, selector, GuestFault.GP, wide ? 16 : 8);
        long d = c.mmu.systemLoad(at, 8);
        int access = access(d);
        boolean match = false;
        for (int type : types) match |= (access & (S | TYPE)) == type;
        long high = wide ? c.mmu.systemLoad(at + 8, 8) : 0;
        if (!match || wide && (high >>> 40 & 0x1f) != 0) throw c.gp(selector & 0xfffc);
        if ((access & P) == 0) throw c.raise(GuestFault.NP, selector & 0xfffc);
        long base = base(d) | high << 32;
        if (wide && !canonical(base)) throw c.gp(selector & 0xfffc);
        if (seg == Reg.TR) {
            c.mmu.systemStore(at + 5, 1, d >>> 40 & 0xff | 2);
            access |= 2;
        }
        c.selector[seg] = selector & 0xffff;
        c.segBase[seg] = base;
        c.segLimit[seg] = limit(d);
        c.segAccess[seg] = access;
    }

    public static void loadLdtr(Cpu c, int selector) {
        if ((selector & 0xfffc) == 0) {
            c.selector[Reg.LDTR] = selector & 0xffff;
            c.segAccess[Reg.LDTR] = UNUSABLE;
            return;
        }
        systemSegment(c, Reg.LDTR, selector, 2);
    }

    public static void loadTr(Cpu c, int selector) {
        if ((selector & 0xfffc) == 0) throw c.gp(0);
        if (c.longMode()) systemSegment(c, Reg.TR, selector, 9);
        else systemSegment(c, Reg.TR, selector, 9, 1);
    }
}
