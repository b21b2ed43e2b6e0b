package org.nestorvm.engine.soft.ops.x87;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.SoftFloat.Number;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.FpuState;

/**
 * Instructions on ST(0), some with ST(1) as a parameter: FCHS, FABS, FSQRT, FRNDINT, FSCALE, FXTRACT, FPREM, FPREM1.
 */
final class X87Unary {
    private X87Unary() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "FCHS" -> new Sign(i, true);
            case "FABS" -> new Sign(i, false);
            case "FSQRT" -> new Root(i);
            case "FRNDINT" -> new RoundToInteger(i);
            case "FSCALE" -> new Scale(i);
            case "FXTRACT" -> new Extract(i);
            default -> new Remainder(i);
        };
    }

    private static final class Sign extends X87Op {
        private final boolean change;

        Sign(Insn i, boolean change) {
            super(i);
            this.change = change;
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            clearC1(c);
            if (isEmpty(c, 0)) {
                if (underflow(c)) setIndefinite(c, 0);
                return;
            }
            int n = physical(c, 0);
            c.fpExponent[n] = change ? c.fpExponent[n] ^ 0x8000 : c.fpExponent[n] & 0x7fff;
        }
    }

    private static final class Root extends X87Op {
        Root(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, 0)) {
                if (underflow(c)) setIndefinite(c, 0);
                return;
            }
            get(c, 0, c.soft.a);
            X87Math.squareRoot(c);
            finish(c, 0);
        }
    }

    private static final class RoundToInteger extends X87Op {
        RoundToInteger(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, 0)) {
                if (underflow(c)) setIndefinite(c, 0);
                return;
            }
            get(c, 0, c.soft.a);
            X87Math.roundToIntegral(c);
            finish(c, 0);
        }
    }

    private static final class Scale extends X87Op {
        Scale(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, 0) || isEmpty(c, 1)) {
                if (underflow(c)) setIndefinite(c, 0);
                return;
            }
            get(c, 0, c.soft.a);
            get(c, 1, c.soft.b);
            X87Math.scale(c);
            finish(c, 0);
        }
    }

    /** FXTRACT: the exponent takes ST(0)'s place, the significand is pushed. */
    private static final class Extract extends X87Op {
        Extract(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, 0) || !isEmpty(c, -1)) {
                if (!(isEmpty(c, 0) ? underflow(c) : overflow(c))) return;
                setIndefinite(c, 0);
                push(c, INDEFINITE_EXPONENT, INDEFINITE);
                return;
            }
            Number a = c.soft.a;
            get(c, 0, a);
            X87Math.extractExponent(c);
            int exponent = c.soft.exponent80;
            long mantissa = c.soft.mantissa80;
            if (!finish(c, 0)) return;
            int sign = a.negative ? 0x8000 : 0;
            switch (a.kind) {
                case Number.ZERO -> push(c, sign, 0);
                case Number.INFINITY -> push(c, sign | 0x7fff, a.sig);
                case Number.NORMAL, Number.DENORMAL -> push(c, sign | 0x3fff, a.sig);
                default -> push(c, exponent, mantissa);
            }
        }
    }

    /**
     * FPREM and FPREM1. The quotient's low bits appear in C0 (bit 2), C3 (bit 1) and C1 (bit 0); C2 says that it must
     * be repeated.
     */
    private static final class Remainder extends X87Op {
        private final boolean nearest;

        Remainder(Insn i) {
            super(i);
            nearest = i.row.mnemonic.equals("FPREM1");
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            c.fpStatus &= ~FpuState.C2;
            if (isEmpty(c, 0) || isEmpty(c, 1)) {
                if (underflow(c)) setIndefinite(c, 0);
                return;
            }
            get(c, 0, c.soft.a);
            get(c, 1, c.soft.b);
            int quotient = X87Math.remainder(c, nearest);
            if (!finish(c, 0) || quotient == X87Math.NO_QUOTIENT) return;
            int code = quotient < 0
                    ? FpuState.C2
                    : ((quotient & 4) != 0 ? FpuState.C0 : 0)
                            | ((quotient & 2) != 0 ? FpuState.C3 : 0)
                            | ((quotient & 1) != 0 ? FpuState.C1 : 0);
            c.fpStatus = c.fpStatus & ~FpuState.CONDITIONS | code;
        }
    }
}
