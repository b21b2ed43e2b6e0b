package org.nestorvm.engine.soft.state;

import org.nestorvm.paging.Access;

/**
 * Debug registers, breakpoints and single steps (SDM vol. 3B, 17.2 and 17.3).
 *
 * <p>While an instruction runs, its traps gather in {@link Cpu#pendingDebug}, as bits of DR6. They are delivered
 * between two instructions, before every interrupt (vol. 3A, table 6-2). MOV SS and POP SS suppress their own single
 * step and hold back their data breakpoints for one instruction (vol. 3A, 6.8.3). If that instruction is INT n, the
 * trap follows it; a #DB of another cause, as that of INT1, reports it; any other exception loses it (vol. 3C, 26.6.3).
 */
public final class Debug {
    private static final long DR6_FIXED = 0xffff0ff0L, DR7_FIXED = 0x400;
    /**
     * IA32_DEBUGCTL: last branches may be asked for but are not recorded, so that LBR stays 0; single steps may be on
     * branches only.
     */
    public static final long BTF = 1 << 1, CTL_DEFINED = BTF | 1, CTL_KEPT = BTF;

    private static final long GD = 1 << 13, BREAKPOINTS = 15, BD = 1 << 13, BS = 1 << 14, BT = 1 << 15;
    /** L0 to L3 and LE. */
    private static final long DR7_LOCAL = 0x155;

    private static final int INSTRUCTION = 0, WRITE = 1, PORT = 2;

    private Debug() {}

    public static long read(Cpu c, int reg) {
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
        c.pendingDebug |= BD;
        throw c.raise(GuestFault.DB, -1);
    }

    public static void write(Cpu c, int reg, long value) {
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

    /** Recomputes which kinds of breakpoint are armed: after changes of DR7 and of CR4.DE. */
    public static void update(Cpu c) {
        boolean data = false, code = false, port = false;
        for (int n = 0; n < 4; n++) {
            if (!enabled(c, n)) continue;
            switch (type(c, n)) {
                case INSTRUCTION -> code = true;
                case PORT -> port = (c.cr4 & Cpu.CR4_DE) != 0;
                default -> data = true;
            }
        }
        c.dataBreakpoints = data;
        c.codeBreakpoints = code;
        c.portBreakpoints = port;
        c.mmu.selectTags();
        if (code) c.attend();
    }

    private static boolean enabled(Cpu c, int n) {
        return (c.dr[7] >>> 2 * n & 3) != 0;
    }

    private static int type(Cpu c, int n) {
        return (int) (c.dr[7] >>> 16 + 4 * n) & 3;
    }

    /** Does breakpoint {@code n}, aligned to its length as the processor does, share a byte with this access? */
    private static boolean overlaps(Cpu c, int n, long address, int size) {
        int code = (int) (c.dr[7] >>> 18 + 4 * n) & 3;
        int length = code == 0 ? 1 : code == 1 ? 2 : code == 2 ? 8 : 4;
        long at = c.dr[n] & -length;
        return address < at + length && at < address + size;
    }

    /** A data access: notes the breakpoints it hits; the trap follows the instruction. */
    public static void access(Cpu c, long linear, int size, int access) {
        for (int n = 0; n < 4; n++) {
            if (!enabled(c, n)) continue;
            int type = type(c, n);
            boolean watched = type == WRITE ? access == Access.WRITE : type != INSTRUCTION && type != PORT;
            if (watched && overlaps(c, n, linear, size)) hit(c, n);
        }
    }

    /** The same for a port, with CR4.DE. */
    public static void port(Cpu c, int port, int size) {
        for (int n = 0; n < 4; n++) if (enabled(c, n) && type(c, n) == PORT && overlaps(c, n, port, size)) hit(c, n);
    }

    private static void hit(Cpu c, int n) {
        c.pendingDebug |= 1L << n;
        c.limit = 0;
        c.attend();
    }

    /** The breakpoints on this instruction, as bits of DR6. */
    public static long codeHits(Cpu c, long linear) {
        long hits = 0;
        for (int n = 0; n < 4; n++) {
            if (enabled(c, n) && type(c, n) == INSTRUCTION && c.dr[n] == linear) hits |= 1L << n;
        }
        return hits;
    }

    public static void singleStepped(Cpu c) {
        c.pendingDebug |= BS;
        c.attend();
    }

    /** SYSCALL and SYSRET: the flags that they have loaded decide, not those from before (APM vol. 2, 13.1.4). */
    public static void stepByNewFlags(Cpu c) {
        c.stepping = false;
        if ((c.rflags & Cpu.TF) != 0) singleStepped(c);
    }

    /** The local breakpoints are the old task's; the T flag of the new TSS traps before its first instruction. */
    public static void taskSwitched(Cpu c, boolean trap) {
        c.dr[7] &= ~DR7_LOCAL;
        update(c);
        if (!trap) return;
        c.pendingDebug |= BT;
        c.attend();
    }

    /**
     * The only #DB whose frame has RF set. An instruction breakpoint is a fault as well, but there software has to set
     * RF (17.3.1.1).
     */
    public static boolean isGeneralDetect(Cpu c) {
        return (c.pendingDebug & BD) != 0;
    }

    /**
     * The handler of an exception has been entered, when this was pending; the pushes may have met more. #DB moves it
     * to DR6, whose bits 0 to 3 are those of the last #DB, while the others stay until software clears them.
     */
    public static void entered(Cpu c, int vector, long pending) {
        c.pendingDebug &= ~pending;
        if (vector != GuestFault.DB) return;
        if (pending != 0) c.dr[6] = c.dr[6] & ~BREAKPOINTS | DR6_FIXED | pending;
        c.dr[7] &= ~GD;
        c.debugCtl &= ~BTF; // vol. 3B, 17.4.3
    }
}
