package org.nestorvm.engine.soft.state;

import org.nestorvm.engine.soft.number.Ieee;

/**
 * The status flags, computed from what the last arithmetic operation left behind. Operands and result are
 * sign-extended, so that zero, sign, and both orders can be read off without knowing the width; carries come from the
 * full-adder identity, which also holds for ADC and SBB.
 */
public final class Flags {
    /** The flags stand in rflags. */
    public static final int EXPLICIT = 0;
    /** ccA + ccB (+ carry) = ccR. */
    public static final int ADD = 1;
    /** ccA - ccB (- borrow) = ccR. */
    public static final int SUB = 2;
    /** ccR; CF, OF and AF are 0. */
    public static final int LOGIC = 3;
    /** ccR = operand + 1, - 1; ccA is the carry flag that they keep. */
    public static final int INC = 4, DEC = 5;
    /** ZF, SF and PF from ccR; CF, OF and AF stand in ccA at their places. Shifts, multiplications. */
    static final int RESULT = 6;

    private Flags() {}

    public static boolean carry(Cpu c) {
        return switch (c.ccKind) {
            case EXPLICIT -> (c.rflags & Cpu.CF) != 0;
            case ADD -> ((c.ccA & c.ccB | (c.ccA | c.ccB) & ~c.ccR) >>> c.ccMsb & 1) != 0;
            case SUB -> ((~c.ccA & c.ccB | (~c.ccA | c.ccB) & c.ccR) >>> c.ccMsb & 1) != 0;
            case LOGIC -> false;
            default -> (c.ccA & 1) != 0;
        };
    }

    public static boolean overflow(Cpu c) {
        return switch (c.ccKind) {
            case EXPLICIT -> (c.rflags & Cpu.OF) != 0;
            case ADD -> ((c.ccA ^ c.ccR) & (c.ccB ^ c.ccR)) >>> c.ccMsb << 63 != 0;
            case SUB -> ((c.ccA ^ c.ccB) & (c.ccA ^ c.ccR)) >>> c.ccMsb << 63 != 0;
            case LOGIC -> false;
            case INC -> c.ccR == -1L << c.ccMsb;
            case DEC -> c.ccR == ~(-1L << c.ccMsb);
            default -> (c.ccA & Cpu.OF) != 0;
        };
    }

    public static boolean adjust(Cpu c) {
        return switch (c.ccKind) {
            case EXPLICIT -> (c.rflags & Cpu.AF) != 0;
            case ADD, SUB -> ((c.ccA ^ c.ccB ^ c.ccR) & 0x10) != 0;
            case LOGIC -> false;
            case INC -> (c.ccR & 15) == 0;
            case DEC -> (c.ccR & 15) == 15;
            default -> (c.ccA & Cpu.AF) != 0;
        };
    }

    public static boolean zero(Cpu c) {
        return c.ccKind == EXPLICIT ? (c.rflags & Cpu.ZF) != 0 : c.ccR == 0;
    }

    public static boolean sign(Cpu c) {
        return c.ccKind == EXPLICIT ? (c.rflags & Cpu.SF) != 0 : c.ccR < 0;
    }

    static boolean parity(Cpu c) {
        return c.ccKind == EXPLICIT ? (c.rflags & Cpu.PF) != 0 : (Integer.bitCount((int) c.ccR & 0xff) & 1) == 0;
    }

    /** The condition of Jcc, SETcc and CMOVcc: the low four bits of the opcode (SDM vol. 1, appendix B). */
    public static boolean condition(Cpu c, int code) {
        boolean b = switch (code >>> 1) {
            case 0 -> overflow(c);
            case 1 -> carry(c);
            case 2 -> zero(c);
            case 3 -> carry(c) || zero(c);
            case 4 -> sign(c);
            case 5 -> parity(c);
            case 6 -> sign(c) != overflow(c);
            default -> zero(c) || sign(c) != overflow(c);
        };
        return b ^ (code & 1) != 0;
    }

    /** The six status flags at their places in RFLAGS. */
    public static long status(Cpu c) {
        if (c.ccKind == EXPLICIT) return c.rflags & Cpu.STATUS;
        return (carry(c) ? Cpu.CF : 0)
                | (parity(c) ? Cpu.PF : 0)
                | (adjust(c) ? Cpu.AF : 0)
                | (zero(c) ? Cpu.ZF : 0)
                | (sign(c) ? Cpu.SF : 0)
                | (overflow(c) ? Cpu.OF : 0);
    }

    /** RFLAGS, with all flags in place. */
    public static long rflags(Cpu c) {
        materialize(c);
        return c.rflags;
    }

    public static void materialize(Cpu c) {
        if (c.ccKind == EXPLICIT) return;
        c.rflags = c.rflags & ~Cpu.STATUS | status(c);
        c.ccKind = EXPLICIT;
    }

    /** Sets the six status flags to the given bits. */
    public static void set(Cpu c, long status) {
        c.rflags = c.rflags & ~Cpu.STATUS | status & Cpu.STATUS;
        c.ccKind = EXPLICIT;
    }

    /** Sets CF and OF and keeps the others: rotates. */
    public static void carryOverflow(Cpu c, long bits) {
        if (c.ccKind == EXPLICIT) {
            c.rflags = c.rflags & ~(Cpu.CF | Cpu.OF) | bits;
            return;
        }
        c.ccA = (adjust(c) ? Cpu.AF : 0) | bits;
        c.ccKind = RESULT;
    }

    /** Sets CF and keeps the others: bit tests, CMC and its like. */
    public static void carry(Cpu c, long bit) {
        if (c.ccKind == EXPLICIT) {
            c.rflags = c.rflags & ~Cpu.CF | bit;
            return;
        }
        c.ccA = (adjust(c) ? Cpu.AF : 0) | (overflow(c) ? Cpu.OF : 0) | bit;
        c.ccKind = RESULT;
    }

    public static void logic(Cpu c, long signExtendedResult) {
        c.ccKind = LOGIC;
        c.ccR = signExtendedResult;
    }

    public static void result(Cpu c, long signExtendedResult, long carryOverflowAdjust) {
        c.ccKind = RESULT;
        c.ccR = signExtendedResult;
        c.ccA = carryOverflowAdjust;
    }

    /** The flags of COMISD and FCOMI: {@code order} is -1, 0, 1 or {@link Ieee#UNORDERED}. */
    public static void setOrder(Cpu c, int order) {
        set(
                c,
                switch (order) {
                    case -1 -> Cpu.CF;
                    case 0 -> Cpu.ZF;
                    case 1 -> 0;
                    default -> Cpu.ZF | Cpu.PF | Cpu.CF;
                });
    }

    /** The bits that POPF and IRET change at any privilege. */
    public static final long ALWAYS = Cpu.STATUS | Cpu.TF | Cpu.DF | Cpu.NT | Cpu.RF | Cpu.AC | Cpu.ID;

    /**
     * The bits of RFLAGS that code at the present privilege may change with IRET or POPF of this size; RF is IRET's.
     */
    public static long writable(Cpu c, int size) {
        long mask = ALWAYS;
        if (c.cpl <= c.iopl() || !c.protectedMode()) mask |= Cpu.IF;
        if (c.cpl == 0) mask |= Cpu.IOPL | Cpu.VIF | Cpu.VIP;
        return size == 2 ? mask & 0xffff : mask;
    }

    public static void write(Cpu c, long value, long mask) {
        materialize(c);
        long before = c.rflags;
        c.rflags = before & ~mask | value & mask | 2;
        if (((before ^ c.rflags) & (Cpu.AC | Cpu.VM)) != 0) c.updateMode();
        if ((c.rflags & (Cpu.IF | Cpu.TF | Cpu.RF)) != 0) c.attend();
    }
}
