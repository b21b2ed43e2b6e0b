package org.nestorvm.engine.soft.ops.x87;

import static org.nestorvm.engine.soft.number.SoftFloat.DE;
import static org.nestorvm.engine.soft.number.SoftFloat.PE;
import static org.nestorvm.engine.soft.number.SoftFloat.UE;
import static org.nestorvm.engine.soft.number.SoftFloat.ZE;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.Elementary;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.number.SoftFloat.Number;
import org.nestorvm.engine.soft.number.Wide;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.FpuState;

/**
 * FSIN, FCOS, FSINCOS, FPTAN, FPATAN, F2XM1, FYL2X, FYL2XP1. Processors promise an error below one unit in the last
 * place; ours is rounded from more than 100 bits, so that it may differ from a processor's by that unit. Results are of
 * 64 bits whatever the precision control says.
 */
final class X87Transcendental {
    /** Second bytes of D9. */
    private static final int FYL2X = 0xf1, FPATAN = 0xf3;

    private X87Transcendental() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "FSIN" -> new Trigonometric(i, true, false);
            case "FCOS" -> new Trigonometric(i, false, false);
            case "FSINCOS" -> new Trigonometric(i, true, true);
            case "FPTAN" -> new Tangent(i);
            case "F2XM1" -> new Power(i);
            default -> new TwoOperands(i);
        };
    }

    /** Rounds an inexact result into the registers of {@code soft}. */
    private static void deliver(Cpu c, Wide w) {
        c.soft.set(w.negative, w.exponent, w.hi, w.lo | 1);
        X87Math.round(c, 64);
    }

    /**
     * Smaller arguments are delivered as their own sine and tangent, and have the cosine 1, in all rounding modes: so
     * processors do it.
     */
    private static boolean tiny(Number a) {
        return a.exponent < -68;
    }

    private static void deliverItself(Cpu c, Number a) {
        SoftFloat s = c.soft;
        s.set(a.negative, a.exponent, a.sig, 0);
        X87Math.round(c, 64);
        s.flags |= a.kind == Number.DENORMAL ? PE | UE : PE;
    }

    // ---- one operand ----

    private static void sine(Cpu c, Number a) {
        SoftFloat s = c.soft;
        if (a.kind == Number.ZERO) {
            X87Math.zero(s, a.negative);
            return;
        }
        if (a.kind == Number.DENORMAL) s.flags |= DE;
        if (tiny(a)) {
            deliverItself(c, a);
            return;
        }
        Wide w = new Elementary.Angle(a).sine();
        w.negative ^= a.negative;
        deliver(c, w);
    }

    private static void cosine(Cpu c, Number a) {
        SoftFloat s = c.soft;
        if (a.kind == Number.ZERO) {
            X87Math.result(s, 0x3fff, Long.MIN_VALUE);
            return;
        }
        if (a.kind == Number.DENORMAL) s.flags |= DE;
        if (tiny(a)) {
            X87Math.result(s, 0x3fff, Long.MIN_VALUE);
            s.flags |= PE;
            return;
        }
        deliver(c, new Elementary.Angle(a).cosine());
    }

    private static void tangent(Cpu c, Number a) {
        SoftFloat s = c.soft;
        if (a.kind == Number.ZERO) {
            X87Math.zero(s, a.negative);
            return;
        }
        if (a.kind == Number.DENORMAL) s.flags |= DE;
        if (tiny(a)) {
            deliverItself(c, a);
            return;
        }
        var angle = new Elementary.Angle(a);
        Wide w = angle.sine().divide(angle.cosine());
        w.negative ^= a.negative;
        deliver(c, w);
    }

    /** What the trigonometric instructions have in common: operands out of range set C2 and change nothing. */
    private abstract static class Angular extends X87Op {
        private final boolean pushes;

        Angular(Insn i, boolean pushes) {
            super(i);
            this.pushes = pushes;
        }

        /** ST(0) becomes the first result; false if nothing is to be pushed behind it. */
        abstract void compute(Cpu c, Number a);

        abstract void pushSecond(Cpu c, Number a);

        @Override
        public final void exec(Cpu c) {
            begin(c);
            c.fpStatus &= ~FpuState.C2;
            if (isEmpty(c, 0) || pushes && !isEmpty(c, -1)) {
                if (!(isEmpty(c, 0) ? underflow(c) : overflow(c))) return;
                setIndefinite(c, 0);
                if (pushes) push(c, INDEFINITE_EXPONENT, INDEFINITE);
                return;
            }
            SoftFloat s = c.soft;
            Number a = s.a;
            get(c, 0, a);
            boolean nan = X87Math.nan(s);
            if (!nan && a.kind == Number.INFINITY) {
                X87Math.indefinite(s);
                nan = true;
            }
            if (nan) {
                int exponent = s.exponent80;
                long mantissa = s.mantissa80;
                if (finish(c, 0) && pushes) push(c, exponent, mantissa);
                return;
            }
            if (a.isFinite() && a.exponent >= 63) {
                clearC1(c);
                c.fpStatus |= FpuState.C2;
                return;
            }
            compute(c, a);
            if (finish(c, 0) && pushes) pushSecond(c, a);
        }
    }

    private static final class Trigonometric extends Angular {
        private final boolean sine;

        Trigonometric(Insn i, boolean sine, boolean both) {
            super(i, both);
            this.sine = sine;
        }

        @Override
        void compute(Cpu c, Number a) {
            if (sine) sine(c, a);
            else cosine(c, a);
        }

        @Override
        void pushSecond(Cpu c, Number a) {
            cosine(c, a);
            push(c, 0, 0);
            finish(c, 0);
        }
    }

    private static final class Tangent extends Angular {
        Tangent(Insn i) {
            super(i, true);
        }

        @Override
        void compute(Cpu c, Number a) {
            tangent(c, a);
        }

        @Override
        void pushSecond(Cpu c, Number a) {
            push(c, 0x3fff, Long.MIN_VALUE);
        }
    }

    /** F2XM1: 2^x - 1 for x from -1 to 1. Outside of that the manual leaves the result open: it is the operand. */
    private static final class Power extends X87Op {
        Power(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, 0)) {
                if (underflow(c)) setIndefinite(c, 0);
                return;
            }
            SoftFloat s = c.soft;
            Number a = s.a;
            get(c, 0, a);
            if (!X87Math.nan(s)) power(c, a);
            finish(c, 0);
        }

        private static void power(Cpu c, Number a) {
            SoftFloat s = c.soft;
            if (a.kind == Number.ZERO) {
                X87Math.zero(s, a.negative);
            } else if (a.kind == Number.INFINITY) {
                if (a.negative) X87Math.result(s, 0xbfff, Long.MIN_VALUE);
                else X87Math.infinity(s, false);
            } else if (a.exponent >= 0) {
                X87Math.result(s, a.exponent + 16383 | (a.negative ? 0x8000 : 0), a.sig);
                if (a.exponent == 0 && a.sig == Long.MIN_VALUE && a.negative) X87Math.result(s, 0xbffe, Long.MIN_VALUE);
                s.flags |= PE;
            } else {
                if (a.kind == Number.DENORMAL) s.flags |= DE;
                deliver(c, Elementary.powerLessOne(Wide.of(a)));
            }
        }
    }

    // ---- two operands: ST(1) becomes the result, ST(0) is popped ----

    private static final class TwoOperands extends X87Op {
        private final int function;

        TwoOperands(Insn i) {
            super(i);
            function = i.modrm;
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, 0) || isEmpty(c, 1)) {
                if (!underflow(c)) return;
                setIndefinite(c, 1);
                pop(c);
                return;
            }
            SoftFloat s = c.soft;
            get(c, 0, s.a);
            get(c, 1, s.b);
            if (!X87Math.nans(s)) {
                switch (function) {
                    case FPATAN -> arcTangent(c);
                    case FYL2X -> logarithm(c);
                    default -> logarithmOfOnePlus(c);
                }
            }
            if (finish(c, 1)) pop(c);
        }
    }

    /** The angle of the point (a, b): SDM vol. 2, table 3-30. */
    private static void arcTangent(Cpu c) {
        SoftFloat s = c.soft;
        Number x = s.a, y = s.b;
        boolean infX = x.kind == Number.INFINITY,
                infY = y.kind == Number.INFINITY,
                zeroX = x.kind == Number.ZERO,
                zeroY = y.kind == Number.ZERO;
        X87Math.denormals(s);
        Wide angle;
        if (infY) {
            angle = infX && x.negative ? Elementary.threeQuartersOfPi() : Elementary.pi();
            if (!infX) angle.exponent--;
            else if (!x.negative) angle.exponent -= 2;
        } else if (zeroY || infX) {
            if (!x.negative) {
                X87Math.zero(s, y.negative);
                return;
            }
            angle = Elementary.pi();
        } else if (zeroX) {
            angle = Elementary.pi();
            angle.exponent--;
        } else {
            angle = finiteAngle(x, y);
        }
        angle.negative = y.negative;
        deliver(c, angle);
    }

    private static Wide finiteAngle(Number x, Number y) {
        boolean steep = y.exponent != x.exponent ? y.exponent > x.exponent : Long.compareUnsigned(y.sig, x.sig) > 0;
        Wide wx = new Wide(x.exponent, x.sig, 0),
                wy = new Wide(y.exponent, y.sig, 0),
                quotient = steep ? wx.divide(wy) : wy.divide(wx);
        Wide angle = quotient.exponent < -64 ? justBelow(quotient) : Elementary.arcTangent(quotient);
        if (steep) {
            Wide half = Elementary.pi();
            half.exponent--;
            angle = half.add(x.negative ? angle : angle.negate());
        } else if (x.negative) {
            angle = Elementary.pi().add(angle.negate());
        }
        return angle;
    }

    /** The arc tangent of a tiny number is less than the number by less than 128 bits show. */
    private static Wide justBelow(Wide w) {
        if (w.lo == 0) w.hi--;
        w.lo--;
        return w.normalise();
    }

    /** b * log2(a). */
    private static void logarithm(Cpu c) {
        SoftFloat s = c.soft;
        Number x = s.a, y = s.b;
        boolean one = x.kind == Number.NORMAL && x.exponent == 0 && x.sig == Long.MIN_VALUE && !x.negative,
                zeroY = y.kind == Number.ZERO,
                infY = y.kind == Number.INFINITY;
        if (x.kind == Number.ZERO) {
            if (zeroY) {
                X87Math.indefinite(s);
            } else {
                if (!infY) s.flags |= ZE;
                X87Math.infinity(s, !y.negative);
            }
        } else if (x.negative || one && infY || x.kind == Number.INFINITY && zeroY) {
            X87Math.indefinite(s);
        } else {
            X87Math.denormals(s);
            boolean below = x.kind != Number.INFINITY && x.exponent < 0;
            if (x.kind == Number.INFINITY || infY) X87Math.infinity(s, y.negative ^ below);
            else if (one || zeroY) X87Math.zero(s, y.negative ^ below);
            else if (x.sig == Long.MIN_VALUE) product(c, y, Wide.of(x.exponent), true);
            else product(c, y, Elementary.log2(Wide.of(x)), false);
        }
    }

    /** Delivers y * log, rounded as an exact product if the logarithm is exact; PE is set in any case. */
    private static void product(Cpu c, Number y, Wide log, boolean exact) {
        log.multiply(new Wide(y.exponent, y.sig, 0));
        log.negative ^= y.negative;
        c.soft.set(log.negative, log.exponent, log.hi, exact ? log.lo : log.lo | 1);
        X87Math.round(c, 64);
        c.soft.flags |= PE;
    }

    /**
     * b * log2(a + 1), for |a| up to 1 - sqrt(1/2); beyond that the manual leaves the result open: it is the
     * function's, and where there is none the operand.
     */
    private static void logarithmOfOnePlus(Cpu c) {
        SoftFloat s = c.soft;
        Number x = s.a, y = s.b;
        boolean zeroX = x.kind == Number.ZERO,
                infX = x.kind == Number.INFINITY,
                zeroY = y.kind == Number.ZERO,
                infY = y.kind == Number.INFINITY;
        if (x.negative && infX || zeroX && infY || infX && zeroY) {
            X87Math.indefinite(s);
            return;
        }
        X87Math.denormals(s);
        if (infX || infY) {
            X87Math.infinity(s, x.negative ^ y.negative);
        } else if (zeroX || zeroY) {
            X87Math.zero(s, x.negative ^ y.negative);
        } else if (x.negative && x.exponent >= 0) {
            deliverItself(c, x);
        } else {
            Wide wx = Wide.of(x);
            product(c, y, x.exponent < -1 ? Elementary.log2OfOnePlus(wx) : Elementary.log2(wx.add(Wide.of(1))), false);
        }
    }
}
