package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/** ADD, SUB, MUL, DIV, SQRT, MIN, MAX and what is made of them, on scalars and on whole registers. */
final class SseArith {
    private SseArith() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "ADDSD" -> new AddSd(i);
            case "SUBSD" -> new SubSd(i);
            case "MULSD" -> new MulSd(i);
            case "DIVSD" -> new DivSd(i);
            case "SQRTSD", "MINSD", "MAXSD" -> new Scalar64(i);
            case "ADDSS", "SUBSS", "MULSS", "DIVSS", "SQRTSS", "MINSS", "MAXSS" -> new Scalar32(i);
            case "ADDPD", "SUBPD", "MULPD", "DIVPD", "SQRTPD", "MINPD", "MAXPD" -> new Packed64(i);
            case "ADDPS", "SUBPS", "MULPS", "DIVPS", "SQRTPS", "MINPS", "MAXPS" -> new Packed32(i);
            case "RCPSS", "RSQRTSS" -> new ApproximateScalar(i);
            case "RCPPS", "RSQRTPS" -> new ApproximatePacked(i);
            case "HADDPD", "HSUBPD" -> new Horizontal64(i);
            case "HADDPS", "HSUBPS" -> new Horizontal32(i);
            case "ADDSUBPD" -> new AddSub64(i);
            case "ADDSUBPS" -> new AddSub32(i);
            case "DPPS" -> new DotProduct32(i);
            default -> new DotProduct64(i);
        };
    }

    private static int operation(String mnemonic) {
        return switch (mnemonic.substring(0, 3)) {
            case "ADD", "HAD" -> SseFloat.ADD;
            case "SUB", "HSU" -> SseFloat.SUB;
            case "MUL" -> SseFloat.MUL;
            case "DIV" -> SseFloat.DIV;
            case "MIN" -> SseFloat.MIN;
            case "MAX" -> SseFloat.MAX;
            default -> SseFloat.SQRT;
        };
    }

    private static void finish(Cpu c) {
        if (c.soft.flags != 0) SseFloat.finish(c);
    }

    private static final class AddSd extends SseOp {
        AddSd(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            long result = SseFloat.add64(c, x[dst], x[src]);
            finish(c);
            x[dst] = result;
        }
    }

    private static final class SubSd extends SseOp {
        SubSd(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            long result = SseFloat.sub64(c, x[dst], x[src]);
            finish(c);
            x[dst] = result;
        }
    }

    private static final class MulSd extends SseOp {
        MulSd(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            long result = SseFloat.mul64(c, x[dst], x[src]);
            finish(c);
            x[dst] = result;
        }
    }

    private static final class DivSd extends SseOp {
        DivSd(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            long result = SseFloat.div64(c, x[dst], x[src]);
            finish(c);
            x[dst] = result;
        }
    }

    private static final class Scalar64 extends SseOp {
        private final int operation;

        Scalar64(Insn i) {
            super(i);
            operation = operation(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            long result = SseFloat.compute(c, true, operation, x[dst], x[src]);
            finish(c);
            x[dst] = result;
        }
    }

    private static final class Scalar32 extends SseOp {
        private final int operation;

        Scalar32(Insn i) {
            super(i);
            operation = operation(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source32(c);
            long result = SseFloat.compute(c, false, operation, x[dst], x[src]);
            finish(c);
            x[dst] = low32(x[dst], result);
        }
    }

    private static final class Packed64 extends SseOp {
        private final int operation;

        Packed64(Insn i) {
            super(i);
            operation = operation(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = SseFloat.compute(c, true, operation, x[dst], x[src]),
                    high = SseFloat.compute(c, true, operation, x[dst + 1], x[src + 1]);
            finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }
    }

    /** The operation on both floats of a half. */
    private static long two(Cpu c, int operation, long a, long b) {
        return SseFloat.compute(c, false, operation, a, b) & 0xffffffffL
                | SseFloat.compute(c, false, operation, a >>> 32, b >>> 32) << 32;
    }

    private static final class Packed32 extends SseOp {
        private final int operation;

        Packed32(Insn i) {
            super(i);
            operation = operation(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = two(c, operation, x[dst], x[src]), high = two(c, operation, x[dst + 1], x[src + 1]);
            finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }
    }

    private static final class ApproximateScalar extends SseOp {
        private final boolean root;

        ApproximateScalar(Insn i) {
            super(i);
            root = i.row.mnemonic.startsWith("RSQRT");
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source32(c);
            x[dst] = low32(x[dst], SseApproximate.compute(root, (int) x[src]));
        }
    }

    private static final class ApproximatePacked extends SseOp {
        private final boolean root;

        ApproximatePacked(Insn i) {
            super(i);
            root = i.row.mnemonic.startsWith("RSQRT");
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = both(x[src]);
            x[dst + 1] = both(x[src + 1]);
        }

        private long both(long v) {
            return SseApproximate.compute(root, (int) v) & 0xffffffffL
                    | (long) SseApproximate.compute(root, (int) (v >>> 32)) << 32;
        }
    }

    private static final class Horizontal64 extends SseOp {
        private final int operation;

        Horizontal64(Insn i) {
            super(i);
            operation = operation(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = SseFloat.compute(c, true, operation, x[dst], x[dst + 1]),
                    high = SseFloat.compute(c, true, operation, x[src], x[src + 1]);
            finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }
    }

    private static final class Horizontal32 extends SseOp {
        private final int operation;

        Horizontal32(Insn i) {
            super(i);
            operation = operation(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = half(c, x[dst], x[dst + 1]), high = half(c, x[src], x[src + 1]);
            finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }

        private long half(Cpu c, long a, long b) {
            return SseFloat.compute(c, false, operation, a, a >>> 32) & 0xffffffffL
                    | SseFloat.compute(c, false, operation, b, b >>> 32) << 32;
        }
    }

    private static final class AddSub64 extends SseOp {
        AddSub64(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = SseFloat.sub64(c, x[dst], x[src]), high = SseFloat.add64(c, x[dst + 1], x[src + 1]);
            finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }
    }

    private static final class AddSub32 extends SseOp {
        AddSub32(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = half(c, x[dst], x[src]), high = half(c, x[dst + 1], x[src + 1]);
            finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }

        private static long half(Cpu c, long a, long b) {
            return SseFloat.sub32(c, a, b) & 0xffffffffL | SseFloat.add32(c, a >>> 32, b >>> 32) << 32;
        }
    }

    /** DPPD: the steps of the manual's pseudo code, each with its own rounding and exceptions. */
    private static final class DotProduct64 extends SseOp {
        private final int select;

        DotProduct64(Insn i) {
            super(i);
            select = (int) i.imm;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = (select & 0x10) != 0 ? SseFloat.mul64(c, x[dst], x[src]) : 0,
                    high = (select & 0x20) != 0 ? SseFloat.mul64(c, x[dst + 1], x[src + 1]) : 0;
            finish(c);
            // The order shows when both are NaNs.
            long sumLow = SseFloat.add64(c, low, high), sumHigh = SseFloat.add64(c, high, low);
            finish(c);
            x[dst] = (select & 1) != 0 ? sumLow : 0;
            x[dst + 1] = (select & 2) != 0 ? sumHigh : 0;
        }
    }

    private static final class DotProduct32 extends SseOp {
        private final int select;

        DotProduct32(Insn i) {
            super(i);
            select = (int) i.imm;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long p0 = product(c, 0x10, x[dst], x[src]), p1 = product(c, 0x20, x[dst] >>> 32, x[src] >>> 32);
            long p2 = product(c, 0x40, x[dst + 1], x[src + 1]),
                    p3 = product(c, 0x80, x[dst + 1] >>> 32, x[src + 1] >>> 32);
            finish(c);
            // Which of several NaNs a lane shows depends on its own place: so processors do it.
            long s0 = SseFloat.add32(c, p1, p0),
                    s1 = SseFloat.add32(c, p0, p1),
                    s2 = SseFloat.add32(c, p3, p2),
                    s3 = SseFloat.add32(c, p2, p3);
            finish(c);
            long d0 = SseFloat.add32(c, s0, s2),
                    d1 = SseFloat.add32(c, s1, s3),
                    d2 = SseFloat.add32(c, s2, s0),
                    d3 = SseFloat.add32(c, s3, s1);
            finish(c);
            x[dst] = ((select & 1) != 0 ? d0 & 0xffffffffL : 0) | ((select & 2) != 0 ? d1 << 32 : 0);
            x[dst + 1] = ((select & 4) != 0 ? d2 & 0xffffffffL : 0) | ((select & 8) != 0 ? d3 << 32 : 0);
        }

        private long product(Cpu c, int bit, long a, long b) {
            return (select & bit) != 0 ? SseFloat.mul32(c, a, b) : 0;
        }
    }
}
