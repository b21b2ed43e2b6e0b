package org.nestorvm.engine.soft.ops.x87;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/** Instructions that only move registers and the top of the stack. */
final class X87Stack {
    private X87Stack() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "FXCH" -> new Exchange(i);
            case "FFREE" -> new Free(i, false);
            case "FFREEP" -> new Free(i, true);
            case "FINCSTP" -> new MoveTop(i, 1);
            case "FDECSTP" -> new MoveTop(i, -1);
            default -> new ConditionalMove(i);
        };
    }

    private static final class Exchange extends X87Op {
        Exchange(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            clearC1(c);
            if (isEmpty(c, 0) || isEmpty(c, sti)) {
                if (!underflow(c)) return;
                if (isEmpty(c, 0)) setIndefinite(c, 0);
                if (isEmpty(c, sti)) setIndefinite(c, sti);
            }
            int a = physical(c, 0), b = physical(c, sti);
            int exponent = c.fpExponent[a];
            long mantissa = c.fpMantissa[a];
            c.fpExponent[a] = c.fpExponent[b];
            c.fpMantissa[a] = c.fpMantissa[b];
            c.fpExponent[b] = exponent;
            c.fpMantissa[b] = mantissa;
        }
    }

    private static final class ConditionalMove extends X87Op {
        /** As Jcc encodes it. */
        private final int condition;

        ConditionalMove(Insn i) {
            super(i);
            condition = switch (i.row.mnemonic) {
                case "FCMOVB" -> 2;
                case "FCMOVNB" -> 3;
                case "FCMOVE" -> 4;
                case "FCMOVNE" -> 5;
                case "FCMOVBE" -> 6;
                case "FCMOVNBE" -> 7;
                case "FCMOVU" -> 10;
                default -> 11;
            };
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, 0) || isEmpty(c, sti)) {
                if (underflow(c)) setIndefinite(c, 0);
                return;
            }
            if (!Flags.condition(c, condition)) return;
            int n = physical(c, sti);
            set(c, 0, c.fpExponent[n], c.fpMantissa[n]);
        }
    }

    private static final class Free extends X87Op {
        private final boolean pops;

        Free(Insn i, boolean pops) {
            super(i);
            this.pops = pops;
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            clearC1(c);
            c.fpUsed &= ~(1 << physical(c, sti));
            if (pops) pop(c);
        }
    }

    private static final class MoveTop extends X87Op {
        private final int by;

        MoveTop(Insn i, int by) {
            super(i);
            this.by = by;
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            clearC1(c);
            c.fpTop = c.fpTop + by & 7;
        }
    }
}
