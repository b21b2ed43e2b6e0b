package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.Ieee;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/** CMPPS and its kin (a mask of a predicate), COMISx and UCOMISx (flags). */
final class SseCompare {
    private SseCompare() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "UCOMISD" -> new CompareFlags64(i, false);
            case "COMISD" -> new CompareFlags64(i, true);
            case "UCOMISS" -> new CompareFlags32(i, false);
            case "COMISS" -> new CompareFlags32(i, true);
            case "CMPSD" -> new Scalar64(i);
            case "CMPSS" -> new Scalar32(i);
            case "CMPPD" -> new Packed64(i);
            default -> new Packed32(i);
        };
    }

    private static final class CompareFlags64 extends SseOp {
        private final boolean signalling;

        CompareFlags64(Insn i, boolean signalling) {
            super(i);
            this.signalling = signalling;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            int order = SseFloat.compare(c, true, signalling, x[dst], x[src]);
            if (c.soft.flags != 0) SseFloat.finish(c);
            Flags.setOrder(c, order);
        }
    }

    private static final class CompareFlags32 extends SseOp {
        private final boolean signalling;

        CompareFlags32(Insn i, boolean signalling) {
            super(i);
            this.signalling = signalling;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source32(c);
            int order = SseFloat.compare(c, false, signalling, x[dst], x[src]);
            if (c.soft.flags != 0) SseFloat.finish(c);
            Flags.setOrder(c, order);
        }
    }

    /** Predicates 0..7: EQ, LT, LE, UNORD, and their negations; LT, LE and their negations signal a quiet NaN. */
    private static long predicate(Cpu c, boolean wide, int predicate, long x, long y) {
        int order = SseFloat.compare(c, wide, (predicate & 3) == 1 || (predicate & 3) == 2, x, y);
        boolean holds = switch (predicate & 3) {
            case 0 -> order == 0;
            case 1 -> order == -1;
            case 2 -> order <= 0;
            default -> order == Ieee.UNORDERED;
        };
        return holds != (predicate & 4) > 0 ? -1 : 0;
    }

    private static final class Scalar64 extends SseOp {
        private final int predicate;

        Scalar64(Insn i) {
            super(i);
            predicate = (int) i.imm & 7;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            long result = predicate(c, true, predicate, x[dst], x[src]);
            if (c.soft.flags != 0) SseFloat.finish(c);
            x[dst] = result;
        }
    }

    private static final class Scalar32 extends SseOp {
        private final int predicate;

        Scalar32(Insn i) {
            super(i);
            predicate = (int) i.imm & 7;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source32(c);
            long result = predicate(c, false, predicate, x[dst], x[src]);
            if (c.soft.flags != 0) SseFloat.finish(c);
            x[dst] = low32(x[dst], result);
        }
    }

    private static final class Packed64 extends SseOp {
        private final int predicate;

        Packed64(Insn i) {
            super(i);
            predicate = (int) i.imm & 7;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = predicate(c, true, predicate, x[dst], x[src]),
                    high = predicate(c, true, predicate, x[dst + 1], x[src + 1]);
            if (c.soft.flags != 0) SseFloat.finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }
    }

    private static final class Packed32 extends SseOp {
        private final int predicate;

        Packed32(Insn i) {
            super(i);
            predicate = (int) i.imm & 7;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = half(c, x[dst], x[src]), high = half(c, x[dst + 1], x[src + 1]);
            if (c.soft.flags != 0) SseFloat.finish(c);
            x[dst] = low;
            x[dst + 1] = high;
        }

        private long half(Cpu c, long a, long b) {
            return predicate(c, false, predicate, a, b) & 0xffffffffL
                    | predicate(c, false, predicate, a >>> 32, b >>> 32) << 32;
        }
    }
}
