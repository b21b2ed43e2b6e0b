package org.nestorvm.engine.soft;

import org.nestorvm.paging.Access;

/** Debug registers and breakpoints (SDM vol. 3B, chapter 18). */
final class Debug {
    private static final long DR6_FIXED = 0xffff0ff0L, DR7_FIXED = 0x400;
    private static final long GD = 1 << 13, BD = 1 << 13, BS = 1 << 14;

    private Debug() {
    }

    static long read(Cpu c, int reg) {
        reg = alias(c, reg);
        generalDetect(c);
        return c.dr[reg];
    }

    private static int alias(Cpu c, int reg) {
        if (reg != 4 && reg != 5) return reg;
        if ((c.cr4 & Cpu.CR4_DE) != 0) throw c.ud();
        return reg + 2;
    }

    private static void generalDetect(Cpu c) {
        if ((c.dr[7] & GD) == 0) return;
        c.dr[6] |= BD;
        c.dr[7] &= ~GD;
        throw c.raise(GuestFault.DB, -1);
    }

    static void write(Cpu c, int reg, long value) {
        reg = alias(c, reg);
        generalDetect(c);
        if (reg >= 6 && value >>> 32 != 0) throw c.gp(0);
        c.dr[reg] = switch (reg) {
            case 6 -> value & 0xe00fL | DR6_FIXED;
            case 7 -> value & 0xffff2bffL | DR7_FIXED;
            default -> value;
        };
        update(c);
    }

    /** Recomputes which kinds of breakpoint are armed. */
    static void update(Cpu c) {
        boolean data = false, code = false;
        for (int n = 0; n < 4; n++) {
            if ((c.dr[7] >>> 2 * n & 3) == 0) continue;
            long type = c.dr[7] >>> 16 + 4 * n & 3;
            if (type == 0) code = true;
            else if (type != 2) data = true;
        }
        c.dataBreakpoints = data;
        c.codeBreakpoints = code;
        c.mmu.selectTags();
        if (code) c.attend();
    }

    /** A data access: notes the breakpoints it hits; the trap follows the instruction. */
    static void access(Cpu c, long linear, int size, int access) {
        for (int n = 0; n < 4; n++) {
            if ((c.dr[7] >>> 2 * n & 3) == 0) continue;
            int type = (int) (c.dr[7] >>> 16 + 4 * n) & 3;
            if (type != 1 && type != 3 || type == 1 && access != Access.WRITE) continue;
            int code = (int) (c.dr[7] >>> 18 + 4 * n) & 3;
            int length = code == 0 ? 1 : code == 1 ? 2 : code == 2 ? 8 : 4;
            long at = c.dr[n] & -length;
            if (linear < at + length && at < linear + size) {
                c.pendingDebug |= 1L << n;
                c.limit = 0;
                c.attend();
            }
        }
    }

    /** The breakpoints on this instruction, as bits of DR6. */
    static long codeHits(Cpu c, long linear) {
        long hits = 0;
        for (int n = 0; n < 4; n++)
            if ((c.dr[7] >>> 2 * n & 3) != 0 && (c.dr[7] >>> 16 + 4 * n & 3) == 0 && c.dr[n] == linear) hits |= 1L << n;
        return hits;
    }

    static void singleStepped(Cpu c) {
        c.pendingDebug |= BS;
    }

    /** Moves what is pending to DR6, before #DB. */
    static void report(Cpu c, long bits) {
        c.dr[6] = c.dr[6] & ~15L | DR6_FIXED | bits;
    }
}
