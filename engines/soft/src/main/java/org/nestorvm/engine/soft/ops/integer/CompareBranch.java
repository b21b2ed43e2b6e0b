package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/**
 * CMP or TEST and the conditional branch behind it as one operation: the most frequent end of a block. The flags are
 * left behind all the same, but the branch looks at the operands. Only register and immediate forms with 32 and 64
 * bits: nothing here can fault, so that the pair is never left half done. A single step takes the two apart: see
 * {@code Interpreter#step}.
 */
public abstract class CompareBranch extends Op {
    private final long taken;
    private final int next;
    private final int condition;

    private CompareBranch(Insn compare, Insn branch) {
        super(compare);
        taken = branch.end + branch.imm;
        next = branch.end;
        condition = branch.opcode & 15;
    }

    @Override
    public boolean setsIp() {
        return true;
    }

    /**
     * Null unless {@code compare} is one of the forms here and {@code branch} the Jcc behind it, both in 64-bit code.
     */
    public static Op make(Insn compare, Insn branch) {
        if (!branch.code64()
                || !branch.row.mnemonic.equals("JCC")
                || !compare.isReg()
                || compare.row.byteOp
                || compare.opSize < 4) return null;
        boolean test = compare.row.mnemonic.equals("TEST");
        if (!test && !compare.row.mnemonic.equals("CMP")) return null;
        String first = compare.row.operands[0], second = compare.row.operands[1];
        boolean wide = compare.opSize == 8;
        if (second.charAt(0) == 'I') {
            int reg = first.equals("rAX") ? Reg.RAX : compare.rm;
            if (test) return wide ? new Test64Imm(compare, branch, reg) : new Test32Imm(compare, branch, reg);
            return wide ? new Cmp64Imm(compare, branch, reg) : new Cmp32Imm(compare, branch, reg);
        }
        boolean toReg = first.charAt(0) == 'G';
        int a = toReg ? compare.reg : compare.rm, b = toReg ? compare.rm : compare.reg;
        if (test) return wide ? new Test64(compare, branch, a, b) : new Test32(compare, branch, a, b);
        return wide ? new Cmp64(compare, branch, a, b) : new Cmp32(compare, branch, a, b);
    }

    /** After a comparison of sign-extended operands, which keep both orders. */
    final void compared(Cpu c, int msb, long a, long b, long x) {
        c.ccKind = Flags.SUB;
        c.ccMsb = msb;
        c.ccA = a;
        c.ccB = b;
        c.ccR = x;
        boolean holds = switch (condition >>> 1) {
            case 1 -> Long.compareUnsigned(a, b) < 0;
            case 2 -> a == b;
            case 3 -> Long.compareUnsigned(a, b) <= 0;
            case 4 -> x < 0;
            case 6 -> a < b;
            case 7 -> a <= b;
            default -> Flags.condition(c, condition & ~1);
        };
        c.r[Reg.RIP] += holds != ((condition & 1) != 0) ? taken : next;
    }

    final void tested(Cpu c, long x) {
        c.ccKind = Flags.LOGIC;
        c.ccR = x;
        boolean holds = switch (condition >>> 1) {
            case 2, 3 -> x == 0;
            case 4, 6 -> x < 0;
            case 7 -> x <= 0;
            default -> Flags.condition(c, condition & ~1);
        };
        c.r[Reg.RIP] += holds != ((condition & 1) != 0) ? taken : next;
    }

    private static final class Cmp64 extends CompareBranch {
        private final int a, b;

        Cmp64(Insn compare, Insn branch, int a, int b) {
            super(compare, branch);
            this.a = a;
            this.b = b;
        }

        @Override
        public void exec(Cpu c) {
            long a = c.r[this.a], b = c.r[this.b];
            compared(c, 63, a, b, a - b);
        }
    }

    private static final class Test64 extends CompareBranch {
        private final int a, b;

        Test64(Insn compare, Insn branch, int a, int b) {
            super(compare, branch);
            this.a = a;
            this.b = b;
        }

        @Override
        public void exec(Cpu c) {
            tested(c, c.r[a] & c.r[b]);
        }
    }

    private static final class Cmp64Imm extends CompareBranch {
        private final int reg;
        private final long imm;

        Cmp64Imm(Insn compare, Insn branch, int reg) {
            super(compare, branch);
            this.reg = reg;
            imm = compare.imm;
        }

        @Override
        public void exec(Cpu c) {
            long a = c.r[reg];
            compared(c, 63, a, imm, a - imm);
        }
    }

    private static final class Test64Imm extends CompareBranch {
        private final int reg;
        private final long imm;

        Test64Imm(Insn compare, Insn branch, int reg) {
            super(compare, branch);
            this.reg = reg;
            imm = compare.imm;
        }

        @Override
        public void exec(Cpu c) {
            tested(c, c.r[reg] & imm);
        }
    }

    private static final class Cmp32 extends CompareBranch {
        private final int a, b;

        Cmp32(Insn compare, Insn branch, int a, int b) {
            super(compare, branch);
            this.a = a;
            this.b = b;
        }

        @Override
        public void exec(Cpu c) {
            int a = (int) c.r[this.a], b = (int) c.r[this.b];
            compared(c, 31, a, b, a - b);
        }
    }

    private static final class Test32 extends CompareBranch {
        private final int a, b;

        Test32(Insn compare, Insn branch, int a, int b) {
            super(compare, branch);
            this.a = a;
            this.b = b;
        }

        @Override
        public void exec(Cpu c) {
            tested(c, (int) (c.r[a] & c.r[b]));
        }
    }

    private static final class Cmp32Imm extends CompareBranch {
        private final int reg;
        private final int imm;

        Cmp32Imm(Insn compare, Insn branch, int reg) {
            super(compare, branch);
            this.reg = reg;
            imm = (int) compare.imm;
        }

        @Override
        public void exec(Cpu c) {
            int a = (int) c.r[reg];
            compared(c, 31, a, imm, a - imm);
        }
    }

    private static final class Test32Imm extends CompareBranch {
        private final int reg;
        private final int imm;

        Test32Imm(Insn compare, Insn branch, int reg) {
            super(compare, branch);
            this.reg = reg;
            imm = (int) compare.imm;
        }

        @Override
        public void exec(Cpu c) {
            tested(c, (int) c.r[reg] & imm);
        }
    }
}
