package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/**
 * ADD OR ADC SBB AND SUB XOR CMP TEST, INC DEC NEG NOT, the decimal adjustments, and the flag instructions (SDM vol.
 * 2). The frequent forms are in {@link AluFast}.
 */
public final class Alu {
    static final int ADD = 0,
            OR = 1,
            ADC = 2,
            SBB = 3,
            AND = 4,
            SUB = 5,
            XOR = 6,
            CMP = 7,
            TEST = 8,
            INC = 9,
            DEC = 10,
            NEG = 11,
            NOT = 12;

    private Alu() {}

    private static int kind(String mnemonic) {
        return switch (mnemonic) {
            case "ADD" -> ADD;
            case "OR" -> OR;
            case "ADC" -> ADC;
            case "SBB" -> SBB;
            case "AND" -> AND;
            case "SUB" -> SUB;
            case "XOR" -> XOR;
            case "CMP" -> CMP;
            case "TEST" -> TEST;
            case "INC" -> INC;
            case "DEC" -> DEC;
            case "NEG" -> NEG;
            case "NOT" -> NOT;
            default -> -1;
        };
    }

    public static Op make(Insn i) {
        int kind = kind(i.row.mnemonic);
        if (kind < 0) return Adjust.make(i);
        if (i.row.operands[0].startsWith("Z")) { // 40..4F: the register is in the opcode
            i.rm = i.opcode & 7;
            i.mod = 3;
            return new Unary(i, kind);
        }
        if (kind >= INC)
            return i.isReg() && RmOp.size(i) == 8 && (kind == INC || kind == DEC)
                    ? new Count64(i, kind)
                    : new Unary(i, kind);
        Op fast = AluFast.make(i, kind);
        if (fast != null) return fast;
        return switch (i.row.operands[0].charAt(0)) {
            case 'E' -> i.row.operands[1].charAt(0) == 'G' ? new RmReg(i, kind) : new RmImm(i, kind);
            case 'G' -> new RegRm(i, kind);
            default -> {
                i.rm = Reg.RAX;
                i.mod = 3;
                yield new RmImm(i, kind);
            }
        };
    }

    /** The operation on sign-extended operands; leaves the flags behind and returns the result, sign-extended. */
    static long compute(Cpu c, int kind, int shift, long a, long b) {
        long x;
        switch (kind) {
            case ADD -> {
                x = a + b << shift >> shift;
                arithmetic(c, Flags.ADD, shift, a, b, x);
            }
            case ADC -> {
                x = a + b + (Flags.carry(c) ? 1 : 0) << shift >> shift;
                arithmetic(c, Flags.ADD, shift, a, b, x);
            }
            case SUB, CMP -> {
                x = a - b << shift >> shift;
                arithmetic(c, Flags.SUB, shift, a, b, x);
            }
            case SBB -> {
                x = a - b - (Flags.carry(c) ? 1 : 0) << shift >> shift;
                arithmetic(c, Flags.SUB, shift, a, b, x);
            }
            case AND, TEST -> {
                x = a & b;
                Flags.logic(c, x);
            }
            case OR -> {
                x = a | b;
                Flags.logic(c, x);
            }
            case XOR -> {
                x = a ^ b;
                Flags.logic(c, x);
            }
            case INC, DEC -> {
                x = (kind == INC ? a + 1 : a - 1) << shift >> shift;
                long carry = Flags.carry(c) ? 1 : 0;
                arithmetic(c, kind == INC ? Flags.INC : Flags.DEC, shift, carry, 0, x);
            }
            case NEG -> {
                x = -a << shift >> shift;
                arithmetic(c, Flags.SUB, shift, 0, a, x);
            }
            default -> x = ~a;
        }
        return x;
    }

    private static void arithmetic(Cpu c, int kind, int shift, long a, long b, long x) {
        c.ccKind = kind;
        c.ccMsb = 63 - shift;
        c.ccA = a;
        c.ccB = b;
        c.ccR = x;
    }

    private static boolean writes(int kind) {
        return kind != CMP && kind != TEST;
    }

    /** E op= something. */
    private abstract static class Destination extends RmOp {
        final int kind;
        private final boolean lock;

        Destination(Insn i, int kind) {
            super(i, size(i));
            this.kind = kind;
            lock = i.lock;
        }

        abstract long source(Cpu c);

        @Override
        public void exec(Cpu c) {
            long b = source(c);
            if (!writes(kind)) {
                compute(c, kind, shift, getRm(c), b);
            } else if (lock) {
                Atomics.alu(c, kind, write(c, size), size, b);
            } else if (isReg) {
                setRm(c, compute(c, kind, shift, getRm(c), b));
            } else {
                long at = write(c, size);
                long a = c.loadForWrite(at, size) << shift >> shift;
                c.store(at, size, compute(c, kind, shift, a, b));
            }
        }
    }

    private static final class RmReg extends Destination {
        RmReg(Insn i, int kind) {
            super(i, kind);
        }

        @Override
        long source(Cpu c) {
            return getReg(c);
        }
    }

    private static final class RmImm extends Destination {
        private final long imm;

        RmImm(Insn i, int kind) {
            super(i, kind);
            imm = i.imm;
        }

        @Override
        long source(Cpu c) {
            return imm;
        }
    }

    private static final class Unary extends Destination {
        Unary(Insn i, int kind) {
            super(i, kind);
        }

        @Override
        long source(Cpu c) {
            return 0;
        }
    }

    /** INC and DEC of a 64-bit register. */
    private static final class Count64 extends Op {
        private final int reg, flags;
        private final long by;

        Count64(Insn i, int kind) {
            super(i);
            reg = i.rm;
            flags = kind == INC ? Flags.INC : Flags.DEC;
            by = kind == INC ? 1 : -1;
        }

        @Override
        public void exec(Cpu c) {
            long x = c.r[reg] + by;
            c.ccA = Flags.carry(c) ? 1 : 0;
            c.ccKind = flags;
            c.ccMsb = 63;
            c.ccR = x;
            c.r[reg] = x;
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    private static final class RegRm extends RmOp {
        private final int kind;

        RegRm(Insn i, int kind) {
            super(i, size(i));
            this.kind = kind;
        }

        @Override
        public void exec(Cpu c) {
            long b = getRm(c);
            long x = compute(c, kind, shift, getReg(c), b);
            if (writes(kind)) setReg(c, x);
        }
    }
}
