package org.nestorvm.engine.soft.number;

/**
 * The elementary functions that x87's are made of, in 128-bit arithmetic: series after a reduction of the argument.
 * Results are good to more than 100 bits, so that their rounding to 64 is right but in the rarest of cases. None is
 * given zero; tiny arguments are the caller's.
 */
public final class Elementary {
    private static final Wide LN_2 = new Wide(-1, 0xb17217f7d1cf79abL, 0xc9e3b39803f2f6afL),
            LOG2_E = new Wide(0, 0xb8aa3b295c17f0bbL, 0xbe87fed0691d3e88L);
    /** Pi as x87 reduces by it: 66 bits, in units of 2^-64. As units of 2^-65 the same digits are pi / 2. */
    private static final long PI66_HIGH = 3, PI66_LOW = 0x243f6a8885a308d3L;

    private static final long SQRT_2 = 0xb504f333f9de6484L;
    private static final int TERMS = 60, LAST_BIT = 124;

    private Elementary() {}

    public static Wide pi() {
        return new Wide(1, 0xc90fdaa22168c234L, 0xc4c6628b80dc1cd1L);
    }

    public static Wide threeQuartersOfPi() {
        return new Wide(1, 0x96cbe3f9990e91a7L, 0x9394c9e8a0a5159cL);
    }

    // ---- sine and cosine ----

    /** An angle, reduced: {@code |x| = rest + quadrant * pi / 2}, rest in [-pi/4, pi/4]. */
    public static final class Angle {
        final Wide rest;
        final int quadrant;

        /** Of |x|, below 2^63. The 66 bits of pi are those of the processors; so are the errors that come from them. */
        public Angle(SoftFloat.Number x) {
            if (x.exponent < -1) {
                rest = new Wide(x.exponent, x.sig, 0);
                quadrant = 0;
                return;
            }
            // In units of 2^-65 both are integers: |x| has at most 128 bits.
            int shift = x.exponent + 2;
            long quotient = 0, high = 0, low = 0;
            for (int i = 63 + shift; i >= 0; i--) {
                int bit = i - shift;
                high = high << 1 | low >>> 63;
                low = low << 1 | (bit >= 0 ? x.sig >>> bit & 1 : 0);
                quotient <<= 1;
                if (Long.compareUnsigned(high, PI66_HIGH) > 0
                        || high == PI66_HIGH && Long.compareUnsigned(low, PI66_LOW) >= 0) {
                    high = high - PI66_HIGH - (Long.compareUnsigned(low, PI66_LOW) < 0 ? 1 : 0);
                    low -= PI66_LOW;
                    quotient |= 1;
                }
            }
            // The nearer multiple: compare twice the rest.
            long twiceHigh = high << 1 | low >>> 63, twiceLow = low << 1;
            boolean upper = Long.compareUnsigned(twiceHigh, PI66_HIGH) > 0
                    || twiceHigh == PI66_HIGH && Long.compareUnsigned(twiceLow, PI66_LOW) > 0;
            if (upper) {
                high = PI66_HIGH - high - (Long.compareUnsigned(PI66_LOW, low) < 0 ? 1 : 0);
                low = PI66_LOW - low;
                quotient++;
            }
            rest = new Wide(127 - 65, high, low).normalise();
            rest.negative = upper;
            quadrant = (int) quotient & 3;
        }

        public Wide sine() {
            Wide value = (quadrant & 1) == 0 ? sineSeries(rest) : cosineSeries(rest);
            return quadrant >= 2 ? value.negate() : value;
        }

        public Wide cosine() {
            Wide value = (quadrant & 1) == 0 ? cosineSeries(rest) : sineSeries(rest);
            return quadrant == 1 || quadrant == 2 ? value.negate() : value;
        }
    }

    private static Wide sineSeries(Wide r) {
        return alternating(r.copy(), r, 2);
    }

    private static Wide cosineSeries(Wide r) {
        return alternating(Wide.of(1), r, 1);
    }

    /** first * (1 - r^2 / (k (k+1)) + r^4 / (k (k+1) (k+2) (k+3)) - ...). */
    private static Wide alternating(Wide first, Wide r, int k) {
        Wide square = r.copy().multiply(r), term = first.copy();
        for (int i = 0; i < TERMS && !term.isZero() && term.exponent > first.exponent - LAST_BIT; i++, k += 2) {
            term.multiply(square).divide(k * (k + 1)).negate();
            first.add(term);
        }
        return first;
    }

    // ---- arc tangent ----

    /** Of a quotient in (0, 1]. */
    public static Wide arcTangent(Wide q) {
        if (q.exponent < -20) return oddSeries(q, true);
        // A double's worth of the result, and what is left: tan(a - t) = (q cos t - sin t) / (cos t + q sin t), so
        // small that it is the angle.
        Wide t = Wide.of(Math.atan(q.toDouble())), sine = sineSeries(t), cosine = cosineSeries(t);
        Wide above = q.copy().multiply(cosine).add(sine.copy().negate()),
                below = q.copy().multiply(sine).add(cosine);
        return t.add(above.divide(below));
    }

    /** x - x^3/3 + x^5/5 ..., or with all signs plus. */
    private static Wide oddSeries(Wide x, boolean alternate) {
        Wide square = x.copy().multiply(x), power = x.copy(), sum = x.copy();
        if (alternate) square.negate();
        for (int k = 3; k < 2 * TERMS; k += 2) {
            power.multiply(square);
            if (power.isZero() || power.exponent < sum.exponent - LAST_BIT) break;
            sum.add(power.copy().divide(k));
        }
        return sum;
    }

    // ---- powers and logarithms of two ----

    /** 2^x - 1 for |x| at most 1. */
    public static Wide powerLessOne(Wide x) {
        Wide z = x.copy().multiply(LN_2), term = z.copy(), sum = z.copy();
        for (int k = 2; k < TERMS && !term.isZero() && term.exponent > sum.exponent - LAST_BIT; k++)
            sum.add(term.multiply(z).divide(k));
        return sum;
    }

    /** The logarithm to base 2 of a positive number that is not 1. */
    public static Wide log2(Wide x) {
        int power = x.exponent;
        Wide m = new Wide(0, x.hi, x.lo);
        if (Long.compareUnsigned(m.hi, SQRT_2) > 0) {
            m.exponent--;
            power++;
        }
        Wide one = Wide.of(1), above = m.copy().add(one.copy().negate());
        if (above.isZero()) return Wide.of(power);
        return artanhTwice(above.divide(m.add(one))).multiply(LOG2_E).add(Wide.of(power));
    }

    /** log2(1 + x) for small x: nothing is lost to the 1. */
    public static Wide log2OfOnePlus(Wide x) {
        Wide two = Wide.of(2);
        return artanhTwice(x.copy().divide(two.add(x))).multiply(LOG2_E);
    }

    private static Wide artanhTwice(Wide s) {
        Wide sum = oddSeries(s, false);
        sum.exponent++;
        return sum;
    }
}
