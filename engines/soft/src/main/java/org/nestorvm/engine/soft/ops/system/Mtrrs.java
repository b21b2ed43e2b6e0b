package org.nestorvm.engine.soft.ops.system;

import org.nestorvm.engine.soft.mmu.GuestWalk;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * The memory type range registers (SDM vol. 3A, 11.11). They are kept for the guest and mean nothing: all memory is
 * write-back.
 */
final class Mtrrs {
    static final int CAP = 0xfe, FIRST = 0x200, LAST = 0x2ff;
    /** Eight variable ranges, the fixed ones, write combining. */
    static final long CAP_VALUE = 1 << 10 | 1 << 8 | 8;

    private static final int PHYS_LAST = 0x20f,
            FIX_64K = 0x250,
            FIX_16K_FIRST = 0x258,
            FIX_16K_LAST = 0x259,
            FIX_4K_FIRST = 0x268,
            FIX_4K_LAST = 0x26f,
            DEF_TYPE = 0x2ff;
    private static final long ADDRESS = (1L << GuestWalk.MAXPHYADDR) - 1 & ~0xfffL;

    private Mtrrs() {}

    static long read(Cpu c, int msr) {
        if (!known(msr)) throw c.gp(0);
        return c.mtrr[msr - FIRST];
    }

    static void write(Cpu c, int msr, long v) {
        if (!known(msr) || !valid(msr, v)) throw c.gp(0);
        c.mtrr[msr - FIRST] = v;
    }

    private static boolean known(int msr) {
        return msr <= PHYS_LAST || msr == DEF_TYPE || fixed(msr);
    }

    private static boolean fixed(int msr) {
        return msr == FIX_64K
                || msr >= FIX_16K_FIRST && msr <= FIX_16K_LAST
                || msr >= FIX_4K_FIRST && msr <= FIX_4K_LAST;
    }

    private static boolean valid(int msr, long v) {
        if (msr == DEF_TYPE) return (v & ~0xcffL) == 0 && type(v);
        if (fixed(msr)) {
            for (int n = 0; n < 8; n++) if (!type(v >>> 8 * n)) return false;
            return true;
        }
        boolean mask = (msr & 1) != 0;
        return mask ? (v & ~(ADDRESS | 0x800)) == 0 : (v & ~(ADDRESS | 0xff)) == 0 && type(v);
    }

    /** Uncacheable, write-combining, write-through, write-protected, write-back. */
    private static boolean type(long v) {
        long type = v & 0xff;
        return type < 7 && type != 2 && type != 3;
    }
}
