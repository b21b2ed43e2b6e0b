package org.nestorvm.engine.soft.number;

/**
 * A number with 128 bits of significand, for functions whose results are wanted in 64: {@code (-1)^negative * hi:lo *
 * 2^(exponent - 127)}, the top bit of hi set, or zero if hi is 0. Operations truncate: each loses at most a few units
 * in the last of 128 places. They change the number and return it.
 */
public final class Wide {
    public boolean negative;
    public int exponent;
    public long hi, lo;

    public Wide() {}

    public Wide(int exponent, long hi, long lo) {
        this.exponent = exponent;
        this.hi = hi;
        this.lo = lo;
    }

    public static Wide of(SoftFloat.Number n) {
        var w = new Wide(n.exponent, n.sig, 0);
        w.negative = n.negative;
        return w;
    }

    public static Wide of(long integer) {
        var w = new Wide(127, 0, Math.abs(integer));
        w.negative = integer < 0;
        return w.normalise();
    }

    public static Wide of(double value) {
        var n = new SoftFloat.Number();
        n.set(true, Double.doubleToRawLongBits(value), false);
        return of(n);
    }

    Wide copy() {
        var w = new Wide(exponent, hi, lo);
        w.negative = negative;
        return w;
    }

    boolean isZero() {
        return hi == 0;
    }

    public Wide negate() {
        negative = !negative;
        return this;
    }

    double toDouble() {
        double magnitude = Math.scalb((double) (hi >>> 1), exponent - 62);
        return negative ? -magnitude : magnitude;
    }

    public Wide normalise() {
        if (hi == 0) {
            hi = lo;
            lo = 0;
            exponent -= 64;
        }
        int shift = Long.numberOfLeadingZeros(hi);
        if (shift == 64) {
            exponent = 0;
        } else if (shift != 0) {
            hi = hi << shift | lo >>> 64 - shift;
            lo <<= shift;
            exponent -= shift;
        }
        return this;
    }

    public Wide multiply(Wide b) {
        negative ^= b.negative;
        if (hi == 0 || b.hi == 0) {
            hi = lo = 0;
            return this;
        }
        long low = hi * b.hi, high = Math.unsignedMultiplyHigh(hi, b.hi);
        long cross = Math.unsignedMultiplyHigh(hi, b.lo);
        low += cross;
        if (Long.compareUnsigned(low, cross) < 0) high++;
        cross = Math.unsignedMultiplyHigh(lo, b.hi);
        low += cross;
        if (Long.compareUnsigned(low, cross) < 0) high++;
        hi = high;
        lo = low;
        exponent += b.exponent + 1;
        return normalise();
    }

    public Wide add(Wide b) {
        if (b.hi == 0) return this;
        if (hi == 0) return take(b);
        Wide large = this, small = b;
        if (exponent < b.exponent || exponent == b.exponent && below(this, b)) {
            large = b;
            small = this;
        }
        long distance = (long) large.exponent - small.exponent, h = small.hi, l = small.lo;
        if (distance >= 128) return take(large);
        if (distance >= 64) {
            l = h >>> distance - 64;
            h = 0;
        } else if (distance > 0) {
            l = l >>> distance | h << 64 - distance;
            h >>>= distance;
        }
        boolean sum = negative == b.negative;
        long largeHi = large.hi, largeLo = large.lo;
        negative = large.negative;
        exponent = large.exponent;
        if (sum) {
            lo = largeLo + l;
            long carry = Long.compareUnsigned(lo, l) < 0 ? 1 : 0;
            hi = largeHi + h + carry;
            if (Long.compareUnsigned(hi, largeHi) < 0 || carry == 1 && hi == largeHi) {
                lo = lo >>> 1 | hi << 63;
                hi = hi >>> 1 | Long.MIN_VALUE;
                exponent++;
            }
            return this;
        }
        hi = largeHi - h - (Long.compareUnsigned(largeLo, l) < 0 ? 1 : 0);
        lo = largeLo - l;
        return normalise();
    }

    private static boolean below(Wide a, Wide b) {
        int order = Long.compareUnsigned(a.hi, b.hi);
        return order < 0 || order == 0 && Long.compareUnsigned(a.lo, b.lo) < 0;
    }

    private Wide take(Wide b) {
        negative = b.negative;
        exponent = b.exponent;
        hi = b.hi;
        lo = b.lo;
        return this;
    }

    /** By a number that is not zero; one bit of the quotient at a time. */
    public Wide divide(Wide b) {
        negative ^= b.negative;
        if (hi == 0) return this;
        long restHi = hi, restLo = lo, q1 = 0, q0 = 0;
        boolean carry = false;
        for (int i = 0; i < 128; i++) {
            boolean fits = carry
                    || Long.compareUnsigned(restHi, b.hi) > 0
                    || restHi == b.hi && Long.compareUnsigned(restLo, b.lo) >= 0;
            q1 = q1 << 1 | q0 >>> 63;
            q0 <<= 1;
            if (fits) {
                restHi = restHi - b.hi - (Long.compareUnsigned(restLo, b.lo) < 0 ? 1 : 0);
                restLo -= b.lo;
                q0 |= 1;
            }
            carry = restHi < 0;
            restHi = restHi << 1 | restLo >>> 63;
            restLo <<= 1;
        }
        hi = q1;
        lo = q0;
        exponent -= b.exponent;
        return normalise();
    }

    /** By a small integer, 1 to 2^31. */
    public Wide divide(int n) {
        if (hi == 0) return this;
        long r = 0, h = 0, l = 0;
        for (int i = 3; i >= 0; i--) {
            long digit = r << 32 | (i >= 2 ? hi : lo) >>> 32 * (i & 1) & 0xffffffffL;
            long q = Long.divideUnsigned(digit, n);
            r = digit - q * n;
            if (i >= 2) h |= q << 32 * (i & 1);
            else l |= q << 32 * (i & 1);
        }
        hi = h;
        lo = l;
        return normalise();
    }
}
