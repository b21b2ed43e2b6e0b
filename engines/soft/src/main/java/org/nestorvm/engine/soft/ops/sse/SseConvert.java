package org.nestorvm.engine.soft.ops.sse;

import static org.nestorvm.engine.soft.number.SoftFloat.CHOP;
import static org.nestorvm.engine.soft.number.SoftFloat.DE;
import static org.nestorvm.engine.soft.number.SoftFloat.IE;

import org.nestorvm.engine.soft.number.Ieee;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.number.SoftFloat.Number;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * Conversions between integers, singles and doubles, and ROUNDxx. The values; {@link SseConvertOp} has the
 * instructions.
 */
final class SseConvert {
    private SseConvert() {}

    /** An integer as a double or single; PE if it does not fit. */
    static long fromInteger(Cpu c, boolean wide, long value) {
        if (wide) {
            double d = value;
            if (value == (int) value || (long) d == value && Math.abs(d) < 0x1p63) return Double.doubleToRawLongBits(d);
        } else {
            float f = value;
            if ((long) f == value && Math.abs(f) < 0x1p63f) return Float.floatToRawIntBits(f);
        }
        SoftFloat s = c.soft;
        int shift = Long.numberOfLeadingZeros(Math.abs(value));
        s.set(value < 0, 63 - shift, Math.abs(value) << shift, 0);
        s.roundTo(wide, SseFloat.rounding(c), 0x3f);
        return s.pack(wide);
    }

    /** A double or single as an integer of 32 or 64 bits; what does not fit is the integer indefinite, with IE. */
    static long toInteger(Cpu c, boolean wide, boolean truncate, boolean to64, long bits) {
        if (truncate) {
            double d = wide ? Double.longBitsToDouble(bits) : Float.intBitsToFloat((int) bits);
            long fast = (long) d;
            if (Math.abs(d) < 0x1p31 && fast == d) return fast;
        }
        SoftFloat s = c.soft;
        s.a.set(wide, bits, (c.mxcsr & SseFloat.DAZ) != 0);
        long indefinite = to64 ? Long.MIN_VALUE : Integer.MIN_VALUE;
        if (s.a.kind == Number.ZERO) return 0;
        int before = s.flags;
        if (s.a.isFinite()) {
            s.set(s.a.negative, s.a.exponent, s.a.sig, 0);
            if (s.roundToInteger(truncate ? CHOP : SseFloat.rounding(c))) {
                long value = s.negative ? -s.hi : s.hi;
                if (to64 ? s.hi >= 0 || s.negative && value == Long.MIN_VALUE : s.hi >= 0 && value == (int) value)
                    return value;
            }
        }
        s.flags = before | IE;
        return indefinite;
    }

    static long singleToDouble(Cpu c, long bits) {
        SoftFloat s = c.soft;
        s.a.set(false, bits, (c.mxcsr & SseFloat.DAZ) != 0);
        long sign = (bits & 0x80000000L) << 32;
        switch (s.a.kind) {
            case Number.ZERO -> {
                return sign;
            }
            case Number.INFINITY -> {
                return Ieee.infinity(true, s.a.negative);
            }
            case Number.QNAN, Number.SNAN -> {
                if (s.a.kind == Number.SNAN) s.flags |= IE;
                return sign | 0x7ff8000000000000L | (bits & 0x7fffff) << 29;
            }
            case Number.DENORMAL -> s.flags |= DE;
            default -> {}
        }
        return Double.doubleToRawLongBits(Float.intBitsToFloat((int) bits));
    }

    static long doubleToSingle(Cpu c, long bits) {
        SoftFloat s = c.soft;
        s.a.set(true, bits, (c.mxcsr & SseFloat.DAZ) != 0);
        long sign = bits >>> 32 & 0x80000000L;
        switch (s.a.kind) {
            case Number.ZERO -> {
                return sign;
            }
            case Number.INFINITY -> {
                return Ieee.infinity(false, s.a.negative);
            }
            case Number.QNAN, Number.SNAN -> {
                if (s.a.kind == Number.SNAN) s.flags |= IE;
                return sign | 0x7fc00000L | bits >>> 29 & 0x7fffff;
            }
            case Number.DENORMAL -> s.flags |= DE;
            default -> {}
        }
        s.set(s.a.negative, s.a.exponent, s.a.sig, 0);
        return SseFloat.result(c, false);
    }

    /** ROUNDxx: imm bits 1:0 the rounding, bit 2 takes MXCSR's instead, bit 3 keeps PE from being set. */
    static long roundToIntegral(Cpu c, boolean wide, int imm, long bits) {
        SoftFloat s = c.soft;
        s.a.set(wide, bits, (c.mxcsr & SseFloat.DAZ) != 0);
        if (s.a.kind == Number.SNAN) s.flags |= IE;
        if (s.a.isNan()) return Ieee.quiet(wide, bits);
        if (s.a.kind == Number.ZERO) return Ieee.zero(wide, s.a.negative);
        if (s.a.kind == Number.INFINITY || s.a.exponent >= (wide ? 52 : 23)) return bits;
        int before = s.flags;
        s.set(s.a.negative, s.a.exponent, s.a.sig, 0);
        s.roundToInteger((imm & 4) != 0 ? SseFloat.rounding(c) : imm & 3);
        if ((imm & 8) != 0) s.flags = before;
        if (s.hi == 0) return Ieee.zero(wide, s.negative);
        int shift = Long.numberOfLeadingZeros(s.hi);
        s.set(s.negative, 63 - shift, s.hi << shift, 0);
        return s.pack(wide);
    }
}
