package org.nestorvm.engine.soft.ops.sse;

import static org.nestorvm.engine.soft.number.SoftFloat.DE;
import static org.nestorvm.engine.soft.number.SoftFloat.IE;
import static org.nestorvm.engine.soft.number.SoftFloat.PE;
import static org.nestorvm.engine.soft.number.SoftFloat.UE;
import static org.nestorvm.engine.soft.number.SoftFloat.ZE;

import org.nestorvm.engine.soft.number.Ieee;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.number.SoftFloat.Number;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.GuestFault;

/**
 * The arithmetic of SSE on single values, with MXCSR: SDM vol. 1, 10.2.3, 11.5 and appendix E. A float is passed in the
 * low half of a long.
 *
 * <p>Exceptions collect in {@code cpu.soft.flags}, which is 0 between instructions; {@link #finish} brings them into
 * MXCSR or raises #XM before anything has been written.
 *
 * <p>The fast half is Java's own arithmetic, which is IEEE's in round-to-nearest. It is taken when MXCSR has its usual
 * controls, operands and result are normal numbers or zero, and the result is either exact or PE is set already: then
 * no flag changes.
 */
final class SseFloat {
    static final int ADD = 0, MUL = 1, SUB = 4, MIN = 5, DIV = 6, MAX = 7, SQRT = 8;
    static final int DAZ = 0x40, FTZ = 0x8000, RC = 0x6000, MASKS = 0x1f80;
    /** Everything in MXCSR that makes arithmetic differ from Java's, and its usual value. */
    private static final int CONTROLS = RC | FTZ | DAZ | MASKS;

    private static final long INDEFINITE64 = 0xfff8000000000000L, INDEFINITE32 = 0xffc00000L;

    private SseFloat() {}

    static int rounding(Cpu c) {
        return c.mxcsr >>> 13 & 3;
    }

    /** To be called when {@code soft.flags} is not 0, before results are written. */
    static void finish(Cpu c) {
        int flags = c.soft.flags, masks = c.mxcsr >>> 7 & 0x3f;
        c.soft.flags = 0;
        // An exception on operands that is not masked keeps the operation from being done, so that its result has no
        // exceptions.
        if ((flags & ~masks & (IE | DE | ZE)) != 0) flags &= IE | DE | ZE;
        c.mxcsr |= flags;
        if ((flags & ~masks) == 0) return;
        if ((c.cr4 & Cpu.CR4_OSXMMEXCPT) == 0) throw c.ud();
        throw c.raise(GuestFault.XM, -1);
    }

    // ---- the fast half ----

    private static boolean usual(Cpu c) {
        return (c.mxcsr & CONTROLS) == MASKS;
    }

    /** Normal, or zero: neither denormal nor NaN nor infinite. */
    private static boolean plain(double v) {
        double m = Math.abs(v);
        return m >= Double.MIN_NORMAL && m <= Double.MAX_VALUE || v == 0;
    }

    private static boolean plain(float v) {
        float m = Math.abs(v);
        return m >= Float.MIN_NORMAL && m <= Float.MAX_VALUE || v == 0;
    }

    private static boolean normal(double v) {
        double m = Math.abs(v);
        return m >= Double.MIN_NORMAL && m <= Double.MAX_VALUE;
    }

    private static boolean normal(float v) {
        float m = Math.abs(v);
        return m >= Float.MIN_NORMAL && m <= Float.MAX_VALUE;
    }

    /** s is the rounded sum: nothing was lost (Knuth's two-sum). */
    private static boolean exactSum(double a, double b, double s) {
        double part = s - a;
        return a - (s - part) + (b - part) == 0;
    }

    private static boolean exactSum(float a, float b, float s) {
        float part = s - a;
        return a - (s - part) + (b - part) == 0;
    }

    /** The significands together are so short that their product surely fits; says no more than that. */
    private static boolean exactProduct(double a, double b) {
        return trailingZeros(a) + trailingZeros(b) >= 53;
    }

    private static int trailingZeros(double v) {
        return Long.numberOfTrailingZeros(Double.doubleToRawLongBits(v) | 1L << 52);
    }

    static long add64(Cpu c, long x, long y) {
        double a = Double.longBitsToDouble(x), b = Double.longBitsToDouble(y), s = a + b;
        // The sum of two normal numbers is exact if it is tiny, so that no underflow can hide here.
        if (usual(c) && plain(a) && plain(b) && plain(s) && ((c.mxcsr & PE) != 0 || exactSum(a, b, s)))
            return Double.doubleToRawLongBits(s);
        return arithmetic(c, true, ADD, x, y);
    }

    static long sub64(Cpu c, long x, long y) {
        double a = Double.longBitsToDouble(x), b = Double.longBitsToDouble(y), s = a - b;
        if (usual(c) && plain(a) && plain(b) && plain(s) && ((c.mxcsr & PE) != 0 || exactSum(a, -b, s)))
            return Double.doubleToRawLongBits(s);
        return arithmetic(c, true, SUB, x, y);
    }

    static long mul64(Cpu c, long x, long y) {
        double a = Double.longBitsToDouble(x), b = Double.longBitsToDouble(y), p = a * b;
        if (usual(c)
                && normal(a)
                && normal(b)
                && Math.abs(p) > Double.MIN_NORMAL
                && Math.abs(p) <= Double.MAX_VALUE
                && ((c.mxcsr & PE) != 0 || exactProduct(a, b))) return Double.doubleToRawLongBits(p);
        return arithmetic(c, true, MUL, x, y);
    }

    static long div64(Cpu c, long x, long y) {
        double a = Double.longBitsToDouble(x), b = Double.longBitsToDouble(y), q = a / b;
        if (usual(c)
                && normal(a)
                && normal(b)
                && Math.abs(q) > Double.MIN_NORMAL
                && Math.abs(q) <= Double.MAX_VALUE
                && ((c.mxcsr & PE) != 0 || exactProduct(q, b) && q * b == a)) return Double.doubleToRawLongBits(q);
        return arithmetic(c, true, DIV, x, y);
    }

    static long sqrt64(Cpu c, long y) {
        double b = Double.longBitsToDouble(y), r = Math.sqrt(b);
        if (usual(c)
                && b >= Double.MIN_NORMAL
                && b <= Double.MAX_VALUE
                && ((c.mxcsr & PE) != 0 || exactProduct(r, r) && r * r == b)) return Double.doubleToRawLongBits(r);
        return arithmetic(c, true, SQRT, 0, y);
    }

    static long add32(Cpu c, long x, long y) {
        float a = Float.intBitsToFloat((int) x), b = Float.intBitsToFloat((int) y), s = a + b;
        if (usual(c) && plain(a) && plain(b) && plain(s) && ((c.mxcsr & PE) != 0 || exactSum(a, b, s)))
            return Float.floatToRawIntBits(s);
        return arithmetic(c, false, ADD, x, y);
    }

    static long sub32(Cpu c, long x, long y) {
        float a = Float.intBitsToFloat((int) x), b = Float.intBitsToFloat((int) y), s = a - b;
        if (usual(c) && plain(a) && plain(b) && plain(s) && ((c.mxcsr & PE) != 0 || exactSum(a, -b, s)))
            return Float.floatToRawIntBits(s);
        return arithmetic(c, false, SUB, x, y);
    }

    static long mul32(Cpu c, long x, long y) {
        float a = Float.intBitsToFloat((int) x), b = Float.intBitsToFloat((int) y), p = a * b;
        if (usual(c)
                && normal(a)
                && normal(b)
                && Math.abs(p) > Float.MIN_NORMAL
                && Math.abs(p) <= Float.MAX_VALUE
                && ((c.mxcsr & PE) != 0 || (double) a * b == p)) return Float.floatToRawIntBits(p);
        return arithmetic(c, false, MUL, x, y);
    }

    static long div32(Cpu c, long x, long y) {
        float a = Float.intBitsToFloat((int) x), b = Float.intBitsToFloat((int) y), q = a / b;
        if (usual(c)
                && normal(a)
                && normal(b)
                && Math.abs(q) > Float.MIN_NORMAL
                && Math.abs(q) <= Float.MAX_VALUE
                && ((c.mxcsr & PE) != 0 || (double) q * b == a)) return Float.floatToRawIntBits(q);
        return arithmetic(c, false, DIV, x, y);
    }

    static long sqrt32(Cpu c, long y) {
        float b = Float.intBitsToFloat((int) y), r = (float) Math.sqrt(b);
        if (usual(c) && b >= Float.MIN_NORMAL && b <= Float.MAX_VALUE && ((c.mxcsr & PE) != 0 || (double) r * r == b))
            return Float.floatToRawIntBits(r);
        return arithmetic(c, false, SQRT, 0, y);
    }

    /** Any of the operations by number, fast where it can be. */
    static long compute(Cpu c, boolean wide, int op, long x, long y) {
        return switch (op) {
            case ADD -> wide ? add64(c, x, y) : add32(c, x, y);
            case SUB -> wide ? sub64(c, x, y) : sub32(c, x, y);
            case MUL -> wide ? mul64(c, x, y) : mul32(c, x, y);
            case DIV -> wide ? div64(c, x, y) : div32(c, x, y);
            case SQRT -> wide ? sqrt64(c, y) : sqrt32(c, y);
            default -> minMax(c, wide, op == MAX, x, y);
        };
    }

    // ---- the exact half ----

    /** ADD, SUB, MUL, DIV of x and y, or SQRT of y, under MXCSR's controls. */
    static long arithmetic(Cpu c, boolean wide, int op, long x, long y) {
        SoftFloat s = c.soft;
        Number a = s.a, b = s.b;
        boolean daz = (c.mxcsr & DAZ) != 0;
        b.set(wide, y, daz);
        if (op == SQRT) a.set(wide, y, daz);
        else a.set(wide, x, daz);
        if (a.isNan() || b.isNan()) {
            if (a.kind == Number.SNAN || b.kind == Number.SNAN) s.flags |= IE;
            return Ieee.quiet(wide, a.isNan() && op != SQRT ? x : y);
        }
        if (invalid(op, a, b)) {
            s.flags |= IE;
            return wide ? INDEFINITE64 : INDEFINITE32;
        }
        if (op == DIV && b.kind == Number.ZERO && a.kind != Number.INFINITY) {
            if (a.kind != Number.ZERO) s.flags |= ZE;
            return Ieee.infinity(wide, a.negative ^ b.negative);
        }
        if (a.kind == Number.DENORMAL || b.kind == Number.DENORMAL) s.flags |= DE;
        if (a.kind == Number.INFINITY || b.kind == Number.INFINITY) return infinite(wide, op, a, b);
        int rounding = rounding(c);
        switch (op) {
            case ADD, SUB -> s.add(op == SUB, rounding);
            case MUL -> s.multiply();
            case DIV -> s.divide();
            default -> s.squareRoot();
        }
        return result(c, wide);
    }

    private static boolean invalid(int op, Number a, Number b) {
        boolean infA = a.kind == Number.INFINITY,
                infB = b.kind == Number.INFINITY,
                zeroA = a.kind == Number.ZERO,
                zeroB = b.kind == Number.ZERO;
        return switch (op) {
            case ADD -> infA && infB && a.negative != b.negative;
            case SUB -> infA && infB && a.negative == b.negative;
            case MUL -> infA && zeroB || zeroA && infB;
            case DIV -> infA && infB || zeroA && zeroB;
            default -> b.negative && !zeroB;
        };
    }

    /** A valid operation with an infinite operand. */
    private static long infinite(boolean wide, int op, Number a, Number b) {
        boolean infA = a.kind == Number.INFINITY;
        return switch (op) {
            case ADD -> Ieee.infinity(wide, infA ? a.negative : b.negative);
            case SUB -> Ieee.infinity(wide, infA ? a.negative : !b.negative);
            case MUL -> Ieee.infinity(wide, a.negative ^ b.negative);
            case DIV -> infA ? Ieee.infinity(wide, a.negative ^ b.negative) : Ieee.zero(wide, a.negative ^ b.negative);
            default -> Ieee.infinity(wide, false);
        };
    }

    /** Rounds the number in work under MXCSR and packs it. */
    static long result(Cpu c, boolean wide) {
        SoftFloat s = c.soft;
        int masks = c.mxcsr >>> 7 & 0x3f, before = s.flags;
        s.flags = 0;
        s.roundTo(wide, rounding(c), masks);
        if ((c.mxcsr & FTZ) != 0 && (masks & UE) != 0 && s.hi > 0 | (s.flags & UE) != 0) {
            s.flags = before | UE | PE;
            return Ieee.zero(wide, s.negative);
        }
        s.flags |= before;
        return s.pack(wide);
    }

    /**
     * MIN and MAX are {@code x < y ? x : y} and {@code x > y ? x : y}: with a NaN, or two zeros, the second operand.
     */
    static long minMax(Cpu c, boolean wide, boolean max, long x, long y) {
        SoftFloat s = c.soft;
        int order = compare(c, wide, true, x, y);
        long chosen = order != Ieee.UNORDERED && (max ? order > 0 : order < 0) ? x : y;
        if ((c.mxcsr & DAZ) == 0) return chosen;
        s.a.set(wide, chosen, true);
        return s.a.kind == Number.ZERO ? Ieee.zero(wide, s.a.negative) : chosen;
    }

    /** -1, 0, 1 or Ieee.UNORDERED; a quiet NaN is an exception if {@code signalling}. */
    static int compare(Cpu c, boolean wide, boolean signalling, long x, long y) {
        if (wide) {
            double a = Double.longBitsToDouble(x), b = Double.longBitsToDouble(y);
            if (plain(a) && plain(b)) return a < b ? -1 : a > b ? 1 : 0;
        } else {
            float a = Float.intBitsToFloat((int) x), b = Float.intBitsToFloat((int) y);
            if (plain(a) && plain(b)) return a < b ? -1 : a > b ? 1 : 0;
        }
        SoftFloat s = c.soft;
        boolean daz = (c.mxcsr & DAZ) != 0;
        s.a.set(wide, x, daz);
        s.b.set(wide, y, daz);
        if (s.a.isNan() || s.b.isNan()) {
            if (signalling || s.a.kind == Number.SNAN || s.b.kind == Number.SNAN) s.flags |= IE;
            return Ieee.UNORDERED;
        }
        if (s.a.kind == Number.DENORMAL || s.b.kind == Number.DENORMAL) s.flags |= DE;
        if (s.a.kind == Number.ZERO && s.b.kind == Number.ZERO) return 0;
        double a = s.a.kind == Number.ZERO ? 0 : value(wide, x), b = s.b.kind == Number.ZERO ? 0 : value(wide, y);
        return a < b ? -1 : a > b ? 1 : 0;
    }

    private static double value(boolean wide, long bits) {
        return wide ? Double.longBitsToDouble(bits) : Float.intBitsToFloat((int) bits);
    }
}
