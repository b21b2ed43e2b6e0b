package org.nestorvm.engine.soft.ops.x87;

import static org.nestorvm.engine.soft.number.SoftFloat.DE;
import static org.nestorvm.engine.soft.number.SoftFloat.IE;
import static org.nestorvm.engine.soft.number.SoftFloat.ZE;

import org.nestorvm.engine.soft.number.Ieee;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.number.SoftFloat.Number;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * Arithmetic on 80-bit numbers: takes {@code soft.a} and {@code soft.b}, leaves the result in {@code soft.exponent80}
 * and {@code soft.mantissa80} and its exceptions in {@code soft.flags}. What the masks mean for the instruction is
 * {@link X87Op}'s.
 */
final class X87Math {
    static final int ADD = 0, MUL = 1, SUB = 4, DIV = 6, SQRT = 8;
    private static final int EMIN = -16382, EMAX = 16383;
    /**
     * Added to, or taken from, the exponent of a result that is delivered with an unmasked underflow or overflow: 3 *
     * 2^13.
     */
    private static final int WRAP = 24576;

    private X87Math() {}

    static int precision(Cpu c) {
        return switch (c.fpControl >> 8 & 3) {
            case 0 -> 24;
            case 2 -> 53;
            default -> 64;
        };
    }

    static void indefinite(SoftFloat s) {
        s.flags |= IE;
        result(s, X87Op.INDEFINITE_EXPONENT, X87Op.INDEFINITE);
    }

    static void result(SoftFloat s, int exponent, long mantissa) {
        s.exponent80 = exponent;
        s.mantissa80 = mantissa;
        s.roundedUp = false;
    }

    static void infinity(SoftFloat s, boolean negative) {
        result(s, negative ? 0xffff : 0x7fff, Long.MIN_VALUE);
    }

    static void zero(SoftFloat s, boolean negative) {
        result(s, negative ? 0x8000 : 0, 0);
    }

    /** Rounds the number in work under the control word. */
    static void round(Cpu c, int precision) {
        SoftFloat s = c.soft;
        s.round(precision, EMIN, EMAX, X87Op.rounding(c), c.fpControl, WRAP);
        s.exponent80 = s.pack80();
        s.mantissa80 = s.hi;
    }

    /**
     * Deals with operands that are NaNs or unsupported. Of two NaNs the one with the larger significand is the result,
     * a quiet one before a signalling one; SDM vol. 1, table 4-7.
     *
     * @return true if the result is there
     */
    static boolean nans(SoftFloat s) {
        Number a = s.a, b = s.b;
        if (a.kind == Number.UNSUPPORTED || b.kind == Number.UNSUPPORTED) {
            indefinite(s);
            return true;
        }
        if (!a.isNan() && !b.isNan()) return false;
        if (a.kind == Number.SNAN || b.kind == Number.SNAN) s.flags |= IE;
        Number chosen = a;
        if (!a.isNan()) {
            chosen = b;
        } else if (b.isNan()) {
            if (a.kind != b.kind) {
                chosen = a.kind == Number.QNAN ? a : b;
            } else {
                int order = Long.compareUnsigned(a.sig, b.sig);
                chosen = order > 0 || order == 0 && !a.negative ? a : b;
            }
        }
        result(s, chosen.negative ? 0xffff : 0x7fff, chosen.sig | 1L << 62);
        return true;
    }

    static boolean nan(SoftFloat s) {
        if (s.a.kind == Number.UNSUPPORTED) {
            indefinite(s);
            return true;
        }
        if (!s.a.isNan()) return false;
        if (s.a.kind == Number.SNAN) s.flags |= IE;
        result(s, s.a.negative ? 0xffff : 0x7fff, s.a.sig | 1L << 62);
        return true;
    }

    static void denormals(SoftFloat s) {
        if (s.a.kind == Number.DENORMAL || s.b.kind == Number.DENORMAL) s.flags |= DE;
    }

    /** a op b. */
    static void arithmetic(Cpu c, int op) {
        SoftFloat s = c.soft;
        if (nans(s)) return;
        Number a = s.a, b = s.b;
        boolean infA = a.kind == Number.INFINITY,
                infB = b.kind == Number.INFINITY,
                zeroA = a.kind == Number.ZERO,
                zeroB = b.kind == Number.ZERO;
        boolean sign = a.negative ^ b.negative;
        boolean invalid = switch (op) {
            case ADD -> infA && infB && sign;
            case SUB -> infA && infB && !sign;
            case MUL -> infA && zeroB || zeroA && infB;
            default -> infA && infB || zeroA && zeroB;
        };
        if (invalid) {
            indefinite(s);
            return;
        }
        if (op == DIV && zeroB && !infA) {
            s.flags |= ZE;
            infinity(s, sign);
            return;
        }
        denormals(s);
        if (infA || infB) {
            if (op == DIV && infB) zero(s, sign);
            else infinity(s, op == MUL || op == DIV ? sign : infA ? a.negative : b.negative ^ op == SUB);
            return;
        }
        switch (op) {
            case ADD, SUB -> s.add(op == SUB, X87Op.rounding(c));
            case MUL -> s.multiply();
            default -> s.divide();
        }
        round(c, precision(c));
    }

    /** The root of soft.b. */
    static void squareRoot(Cpu c) {
        SoftFloat s = c.soft;
        if (nan(s)) return;
        Number a = s.a;
        if (a.kind == Number.ZERO) {
            zero(s, a.negative);
        } else if (a.negative) {
            indefinite(s);
        } else if (a.kind == Number.INFINITY) {
            infinity(s, false);
        } else {
            if (a.kind == Number.DENORMAL) s.flags |= DE;
            s.b.setFinite(false, a.exponent, a.sig);
            s.squareRoot();
            round(c, precision(c));
        }
    }

    /** a to an integer, in the same format. */
    static void roundToIntegral(Cpu c) {
        SoftFloat s = c.soft;
        if (nan(s)) return;
        Number a = s.a;
        if (a.kind == Number.ZERO) {
            zero(s, a.negative);
            return;
        }
        if (a.kind == Number.DENORMAL) s.flags |= DE;
        if (a.kind == Number.INFINITY || a.exponent >= 63) {
            result(s, (a.negative ? 0x8000 : 0) | (a.kind == Number.INFINITY ? 0x7fff : a.exponent + 16383), a.sig);
            return;
        }
        s.set(a.negative, a.exponent, a.sig, 0);
        s.roundToInteger(X87Op.rounding(c));
        boolean up = s.roundedUp;
        if (s.hi == 0) {
            zero(s, a.negative);
        } else {
            int shift = Long.numberOfLeadingZeros(s.hi);
            result(s, (a.negative ? 0x8000 : 0) | 16383 + 63 - shift, s.hi << shift);
        }
        s.roundedUp = up;
    }

    /** a * 2^trunc(b). */
    static void scale(Cpu c) {
        SoftFloat s = c.soft;
        if (nans(s)) return;
        Number a = s.a, b = s.b;
        boolean infA = a.kind == Number.INFINITY, zeroA = a.kind == Number.ZERO;
        if (b.kind == Number.INFINITY && (b.negative ? infA : zeroA)) {
            indefinite(s);
            return;
        }
        denormals(s);
        if (b.kind == Number.ZERO && a.isFinite()) {
            unchanged(s);
        } else if (infA || b.kind == Number.INFINITY && !b.negative) {
            infinity(s, a.negative);
        } else if (zeroA || b.kind == Number.INFINITY) {
            zero(s, a.negative);
        } else {
            int by = b.exponent < 0 ? 0 : b.exponent > 16 ? 1 << 17 : (int) (b.sig >>> 63 - b.exponent);
            s.set(a.negative, a.exponent + (b.negative ? -by : by), a.sig, 0);
            round(c, 64);
            beyondWrapping(s);
        }
    }

    /** The result is a: a denormal stays what it is, and is no underflow. */
    private static void unchanged(SoftFloat s) {
        s.set(s.a.negative, s.a.exponent, s.a.sig, 0);
        s.round(64, EMIN, EMAX, SoftFloat.NEAREST, SoftFloat.UE, 0);
        result(s, s.pack80(), s.hi);
    }

    /**
     * A result that is still out of range after its exponent was wrapped, for an exception that is not masked, is
     * infinite or zero.
     */
    private static void beyondWrapping(SoftFloat s) {
        if (s.exponent == SoftFloat.INFINITE || s.hi == 0 || s.exponent >= EMIN && s.exponent <= EMAX) return;
        if (s.exponent > EMAX) infinity(s, s.negative);
        else zero(s, s.negative);
        s.flags |= SoftFloat.PE;
        s.roundedUp = s.exponent > EMAX;
    }

    /** FXTRACT: the exponent of a as a number in the result, its significand left to the caller. */
    static void extractExponent(Cpu c) {
        SoftFloat s = c.soft;
        if (nan(s)) return;
        switch (s.a.kind) {
            case Number.ZERO -> {
                s.flags |= ZE;
                infinity(s, true);
            }
            case Number.INFINITY -> infinity(s, false);
            default -> {
                if (s.a.kind == Number.DENORMAL) s.flags |= DE;
                integer(s, s.a.exponent);
            }
        }
    }

    private static void integer(SoftFloat s, int value) {
        if (value == 0) {
            zero(s, false);
            return;
        }
        long magnitude = Math.abs((long) value);
        int shift = Long.numberOfLeadingZeros(magnitude);
        result(s, (value < 0 ? 0x8000 : 0) | 16383 + 63 - shift, magnitude << shift);
    }

    /**
     * An order for comparisons: -1, 0, 1, or {@link Ieee#UNORDERED}; exceptions as FCOM, or if {@code quiet} as FUCOM
     * has them.
     */
    static int compare(SoftFloat s, boolean quiet) {
        Number a = s.a, b = s.b;
        if (a.kind == Number.UNSUPPORTED || b.kind == Number.UNSUPPORTED) {
            s.flags |= IE;
            return Ieee.UNORDERED;
        }
        if (a.isNan() || b.isNan()) {
            if (!quiet || a.kind == Number.SNAN || b.kind == Number.SNAN) s.flags |= IE;
            return Ieee.UNORDERED;
        }
        denormals(s);
        boolean zeroA = a.kind == Number.ZERO, zeroB = b.kind == Number.ZERO;
        if (zeroA && zeroB) return 0;
        if (zeroA) return b.negative ? 1 : -1;
        if (zeroB) return a.negative ? -1 : 1;
        if (a.negative != b.negative) return a.negative ? -1 : 1;
        int order =
                a.exponent != b.exponent ? Integer.compare(a.exponent, b.exponent) : Long.compareUnsigned(a.sig, b.sig);
        if (a.kind == Number.INFINITY || b.kind == Number.INFINITY)
            order = a.kind == b.kind ? 0 : a.kind == Number.INFINITY ? 1 : -1;
        return a.negative ? -order : order;
    }

    static final int INCOMPLETE = -1, NO_QUOTIENT = -2;

    /**
     * a modulo b: the result is exact. Returns the quotient's last three bits, or INCOMPLETE (it must be repeated), or
     * NO_QUOTIENT (the result is a NaN).
     */
    static int remainder(Cpu c, boolean nearest) {
        SoftFloat s = c.soft;
        if (nans(s)) return NO_QUOTIENT;
        Number a = s.a, b = s.b;
        if (a.kind == Number.INFINITY || b.kind == Number.ZERO) {
            indefinite(s);
            return NO_QUOTIENT;
        }
        denormals(s);
        if (a.kind == Number.ZERO) {
            zero(s, a.negative);
            return 0;
        }
        if (b.kind == Number.INFINITY) {
            unchanged(s);
            return 0;
        }
        return reduce(c, nearest);
    }

    private static int reduce(Cpu c, boolean nearest) {
        SoftFloat s = c.soft;
        Number a = s.a, b = s.b;
        int distance = a.exponent - b.exponent, exponent = b.exponent;
        boolean complete = distance < 64;
        if (!complete) {
            distance = distance & 0x1f | 0x20;
            exponent = a.exponent - distance;
        }
        long rest = a.sig, quotient = 0;
        boolean negative = a.negative;
        if (distance < 0) {
            exponent = a.exponent;
            // Less than the divisor, but perhaps more than half of it.
            if (nearest && distance == -1 && Long.compareUnsigned(a.sig, b.sig) > 0) {
                rest = (b.sig << 1) - a.sig;
                negative = !negative;
                quotient = 1;
            }
        } else {
            boolean carry = false;
            for (int i = distance; i >= 0; i--) {
                boolean fits = carry || Long.compareUnsigned(rest, b.sig) >= 0;
                if (fits) rest -= b.sig;
                quotient = quotient << 1 | (fits ? 1 : 0);
                carry = i > 0 && rest < 0;
                if (i > 0) rest <<= 1;
            }
            if (nearest && complete) {
                boolean moreThanHalf = rest < 0 || Long.compareUnsigned(rest << 1, b.sig) > 0;
                if (moreThanHalf || rest << 1 == b.sig && (quotient & 1) != 0) {
                    rest = b.sig - rest;
                    negative = !negative;
                    quotient++;
                }
            }
        }
        if (rest == 0) {
            zero(s, a.negative);
        } else {
            int shift = Long.numberOfLeadingZeros(rest);
            s.set(negative, exponent - shift, rest << shift, 0);
            round(c, 64);
        }
        return complete ? (int) quotient & 7 : INCOMPLETE;
    }
}
