package org.nestorvm.engine.soft.number;

/**
 * Binary floating-point arithmetic on unpacked numbers, IEEE 754 with x86's choices: tininess is detected after
 * rounding, and all exceptions are reported as sticky flags. x87 and SSE share it; what differs (NaN rules, formats,
 * what happens when an exception is not masked) stands with them.
 *
 * <p>An operation leaves an exact result, or one exact to 128 bits with a sticky last bit, in {@link #negative},
 * {@link #exponent}, {@link #hi} and {@link #lo}; {@link #round} brings it into a format. The number is
 * {@code (-1)^negative * hi:lo * 2^(exponent - 127)} with the top bit of {@code hi} set, or zero if {@code hi} is 0.
 * One instance per processor; it allocates nothing.
 */
public final class SoftFloat {
    /** Exceptions, by their bits in the x87 status word and in MXCSR. */
    public static final int IE = 1, DE = 2, ZE = 4, OE = 8, UE = 0x10, PE = 0x20;
    /** Rounding, as the RC fields encode it. */
    public static final int NEAREST = 0, DOWN = 1, UP = 2, CHOP = 3;
    /** The exponent of an infinite result. */
    public static final int INFINITE = Integer.MAX_VALUE;

    private static final long TOP = Long.MIN_VALUE;

    /** Operands of the operation in hand. */
    public final Number a = new Number(), b = new Number();

    /** Exceptions found since the last {@code flags = 0}. */
    public int flags;
    /** The last rounding increased the magnitude. */
    public boolean roundedUp;

    public boolean negative;
    public int exponent;
    public long hi, lo;

    /** The result of an x87 operation, as a register. */
    public int exponent80;

    public long mantissa80;

    /** One operand: {@code sig * 2^(exponent - 63)}, the top bit of sig set unless it is zero. */
    public static final class Number {
        public static final int ZERO = 0, NORMAL = 1, DENORMAL = 2, INFINITY = 3, QNAN = 4, SNAN = 5, UNSUPPORTED = 6;

        public int kind;
        public boolean negative;
        public int exponent;
        public long sig;

        public boolean isNan() {
            return kind == QNAN || kind == SNAN;
        }

        /** NORMAL or DENORMAL. */
        public boolean isFinite() {
            return kind == NORMAL || kind == DENORMAL;
        }

        /**
         * Takes a double, or a float in the low half. With {@code daz} a denormal is a zero. A NaN keeps its payload
         * left aligned behind bit 63.
         */
        public void set(boolean wide, long bits, boolean daz) {
            if (wide) set(bits < 0, (int) (bits >>> 52) & 0x7ff, bits << 11, 0x7ff, 1023, daz);
            else set((int) bits < 0, (int) (bits >>> 23) & 0xff, bits << 40, 0xff, 127, daz);
        }

        private void set(boolean sign, int field, long fraction, int top, int bias, boolean daz) {
            negative = sign;
            sig = fraction | TOP;
            exponent = field - bias;
            if (field == top) {
                kind = sig == TOP ? INFINITY : sig << 1 < 0 ? QNAN : SNAN;
            } else if (field != 0) {
                kind = NORMAL;
            } else {
                fraction &= ~TOP;
                if (fraction == 0 || daz) {
                    kind = ZERO;
                    sig = 0;
                } else {
                    kind = DENORMAL;
                    int shift = Long.numberOfLeadingZeros(fraction);
                    sig = fraction << shift;
                    exponent = 1 - bias - shift;
                }
            }
        }

        /**
         * Takes an x87 register. Unnormals, pseudo-NaNs and pseudo-infinities (exponent not 0, top bit clear) are
         * UNSUPPORTED; a pseudo-denormal is DENORMAL.
         */
        public void set80(int signAndExponent, long mantissa) {
            negative = (signAndExponent & 0x8000) != 0;
            int field = signAndExponent & 0x7fff;
            sig = mantissa;
            exponent = field - 16383;
            if (field == 0) {
                exponent = -16382;
                if (mantissa == 0) {
                    kind = ZERO;
                } else {
                    kind = DENORMAL;
                    int shift = Long.numberOfLeadingZeros(mantissa);
                    sig = mantissa << shift;
                    exponent -= shift;
                }
            } else if (mantissa >= 0) {
                kind = UNSUPPORTED;
            } else if (field == 0x7fff) {
                kind = mantissa == TOP ? INFINITY : mantissa << 1 < 0 ? QNAN : SNAN;
            } else {
                kind = NORMAL;
            }
        }

        public void setFinite(boolean sign, int exp, long significand) {
            kind = NORMAL;
            negative = sign;
            exponent = exp;
            sig = significand;
        }
    }

    // ---- exact operations on finite numbers ----

    /** a + b, or a - b; both finite or zero. The sign of an exact zero depends on the rounding. */
    public void add(boolean subtract, int rounding) {
        boolean signB = b.negative ^ subtract;
        if (b.sig == 0) {
            if (a.sig == 0) zero(a.negative == signB ? signB : rounding == DOWN);
            else set(a.negative, a.exponent, a.sig, 0);
            return;
        }
        if (a.sig == 0) {
            set(signB, b.exponent, b.sig, 0);
            return;
        }
        boolean aLarger = a.exponent != b.exponent ? a.exponent > b.exponent : Long.compareUnsigned(a.sig, b.sig) >= 0;
        Number large = aLarger ? a : b, small = aLarger ? b : a;
        set(small.negative, small.exponent, small.sig, 0);
        shiftRight((long) large.exponent - small.exponent);
        boolean sign = aLarger ? a.negative : signB;
        if (a.negative == signB) {
            long sum = large.sig + hi;
            boolean carry = Long.compareUnsigned(sum, large.sig) < 0;
            hi = sum;
            exponent = large.exponent;
            if (carry) {
                lo = lo >>> 1 | lo & 1 | hi << 63;
                hi = hi >>> 1 | TOP;
                exponent++;
            }
        } else {
            hi = large.sig - hi - (lo != 0 ? 1 : 0);
            lo = -lo;
            exponent = large.exponent;
            if ((hi | lo) == 0) {
                zero(rounding == DOWN);
                return;
            }
            normalise();
        }
        negative = sign;
    }

    public void multiply() {
        boolean sign = a.negative ^ b.negative;
        if (a.sig == 0 || b.sig == 0) {
            zero(sign);
            return;
        }
        set(sign, a.exponent + b.exponent + 1, Math.unsignedMultiplyHigh(a.sig, b.sig), a.sig * b.sig);
        normalise();
    }

    /** a / b; b is not zero. */
    public void divide() {
        boolean sign = a.negative ^ b.negative;
        if (a.sig == 0) {
            zero(sign);
            return;
        }
        long top = a.sig, low = 0;
        int exp = a.exponent - b.exponent - 1;
        if (Long.compareUnsigned(top, b.sig) >= 0) {
            low = top << 63;
            top >>>= 1;
            exp++;
        }
        long quotient = divide128(top, low, b.sig);
        long remainder = low - quotient * b.sig;
        long next = divide128(remainder, 0, b.sig);
        set(sign, exp, quotient, next | (next * b.sig != 0 ? 1 : 0));
    }

    /**
     * The quotient of a 128-bit number and a 64-bit one whose top bit is set; {@code top < divisor}. Two steps of
     * Knuth's algorithm D.
     */
    static long divide128(long top, long low, long divisor) {
        long dh = divisor >>> 32, dl = divisor & 0xffffffffL;
        long q1 = digit(top, low >>> 32, dh, dl);
        long rest = (top << 32 | low >>> 32) - q1 * divisor;
        return q1 << 32 | digit(rest, low & 0xffffffffL, dh, dl);
    }

    private static long digit(long top, long next, long dh, long dl) {
        long q = Long.divideUnsigned(top, dh), r = top - q * dh;
        while (q >>> 32 != 0 || Long.compareUnsigned(q * dl, r << 32 | next) > 0) {
            q--;
            r += dh;
            if (r >>> 32 != 0) break;
        }
        return q;
    }

    /** The root of b, which is positive: digit by digit, 66 of them and a sticky bit. */
    public void squareRoot() {
        if (b.sig == 0) {
            zero(b.negative);
            return;
        }
        // The radicand is sig * 2^odd in [1, 4) after the scale by an even power; two of its bits enter the remainder
        // at each step.
        int odd = b.exponent & 1;
        long radicand = odd != 0 ? b.sig : b.sig >>> 1, spill = odd != 0 ? 0 : b.sig << 63;
        long root = 0, remHigh = 0, remLow = 0, extra = 0;
        for (int i = 0; i < 64; i++) {
            remHigh = remHigh << 2 | remLow >>> 62;
            remLow = remLow << 2 | radicand >>> 62;
            radicand = radicand << 2 | spill >>> 62;
            spill <<= 2;
            // trial = root * 4 + 1
            long trialHigh = root >>> 62, trialLow = root << 2 | 1;
            boolean fits = remHigh != trialHigh
                    ? Long.compareUnsigned(remHigh, trialHigh) > 0
                    : Long.compareUnsigned(remLow, trialLow) >= 0;
            root <<= 1;
            if (fits) {
                long before = remLow;
                remLow -= trialLow;
                remHigh -= trialHigh + (Long.compareUnsigned(before, trialLow) < 0 ? 1 : 0);
                root |= 1;
            }
        }
        // One more digit decides half; what is left after it is the sticky bit. remainder * 4 against root * 4 + 1.
        boolean half = remHigh != 0 || Long.compareUnsigned(remLow, root) > 0;
        if (half) extra = TOP | 1;
        else if ((remHigh | remLow) != 0) extra = 1;
        set(false, b.exponent >> 1, root, extra);
    }

    // ---- the number in work ----

    public void zero(boolean sign) {
        set(sign, 0, 0, 0);
    }

    public void set(boolean sign, int exp, long high, long low) {
        negative = sign;
        exponent = exp;
        hi = high;
        lo = low;
    }

    private void normalise() {
        if (hi == 0) {
            hi = lo;
            lo = 0;
            exponent -= 64;
        }
        int shift = Long.numberOfLeadingZeros(hi);
        if (shift != 0) {
            hi = hi << shift | lo >>> 64 - shift;
            lo <<= shift;
            exponent -= shift;
        }
    }

    /** Shifts hi:lo right; what falls out stays in the last bit. */
    void shiftRight(long count) {
        if (count == 0) return;
        if (count < 64) {
            long lost = lo << 64 - count;
            lo = lo >>> count | hi << 64 - count | (lost != 0 ? 1 : 0);
            hi >>>= count;
        } else if (count < 128) {
            long lost = lo | (count == 64 ? 0 : hi << 128 - count);
            lo = hi >>> count - 64 | (lost != 0 ? 1 : 0);
            hi = 0;
        } else {
            lo = (hi | lo) != 0 ? 1 : 0;
            hi = 0;
        }
    }

    /**
     * Rounds to {@code precision} bits and exponents {@code emin}..{@code emax}. A masked overflow gives infinity or
     * the largest number; an exception that is not masked leaves the exponent, moved by {@code wrap}, as x87 delivers
     * it.
     *
     * @param masks exceptions that are masked, as bits OE and UE
     */
    public void round(int precision, int emin, int emax, int rounding, int masks, int wrap) {
        roundedUp = false;
        if (hi == 0) return;
        boolean tiny = false;
        if (exponent < emin) {
            tiny = exponent < emin - 1 || !carries(precision, rounding);
            if ((masks & UE) != 0) {
                shiftRight((long) emin - exponent);
                exponent = emin;
            } else if (tiny) {
                flags |= UE;
                exponent += wrap;
            }
        }
        boolean inexact = roundSignificand(precision, rounding);
        if (tiny && inexact) flags |= UE;
        if (exponent > emax) overflow(precision, emax, rounding, masks, wrap);
    }

    private void overflow(int precision, int emax, int rounding, int masks, int wrap) {
        flags |= OE;
        if ((masks & OE) == 0) {
            exponent -= wrap;
            return;
        }
        flags |= PE;
        roundedUp = rounding == NEAREST || rounding == (negative ? DOWN : UP);
        hi = roundedUp ? TOP : -1L << 64 - precision;
        exponent = roundedUp ? INFINITE : emax;
    }

    /** Rounds hi:lo to the precision, counted from bit 63 of hi; says whether something was lost. */
    boolean roundSignificand(int precision, int rounding) {
        long unit = 1L << 64 - precision, below = hi & unit - 1;
        boolean inexact = (below | lo) != 0;
        if (!inexact) return false;
        flags |= PE;
        roundedUp = increments(precision, rounding);
        hi &= -unit;
        lo = 0;
        if (roundedUp) {
            hi += unit;
            if (hi == 0) {
                hi = TOP;
                exponent++;
            }
        }
        return true;
    }

    private boolean increments(int precision, int rounding) {
        long unit = 1L << 64 - precision, below = hi & unit - 1;
        return switch (rounding) {
            case NEAREST -> {
                if (precision == 64) yield lo < 0 && (lo != TOP || (hi & 1) != 0);
                long half = unit >>> 1;
                yield below > half || below == half && (lo != 0 || (hi & unit) != 0);
            }
            case DOWN -> negative && (below | lo) != 0;
            case UP -> !negative && (below | lo) != 0;
            default -> false;
        };
    }

    /** Rounding would reach the next power of two. */
    private boolean carries(int precision, int rounding) {
        return hi >>> 64 - precision == -1L >>> 64 - precision && increments(precision, rounding);
    }

    /**
     * Rounds hi:lo, whatever its size, to an integer in hi, for conversions; false if it does not fit 64 bits. Sets PE.
     */
    public boolean roundToInteger(int rounding) {
        roundedUp = false;
        if (hi == 0) return true;
        if (exponent > 63) return false;
        shiftRight(63L - exponent);
        exponent = 63;
        roundSignificand(64, rounding);
        return exponent == 63;
    }

    // ---- formats ----

    public void roundTo(boolean wide, int rounding, int masks) {
        if (wide) round(53, -1022, 1023, rounding, masks, 1536);
        else round(24, -126, 127, rounding, masks, 192);
    }

    /** The rounded number as a double, or as a float in the low half. */
    public long pack(boolean wide) {
        if (wide) return (negative ? TOP : 0) | field(0x7ff, 1023) << 52 | hi << 1 >>> 12;
        return (negative ? 1L << 31 : 0) | field(0xff, 127) << 23 | hi << 1 >>> 41;
    }

    /** Sign and exponent of the rounded number as an x87 register; the significand is hi. */
    public int pack80() {
        return (negative ? 0x8000 : 0) | (int) field(0x7fff, 16383);
    }

    private long field(int top, int bias) {
        return hi >= 0 ? 0 : exponent == INFINITE ? top : exponent + bias;
    }
}
