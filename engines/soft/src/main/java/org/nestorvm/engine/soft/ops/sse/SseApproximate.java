package org.nestorvm.engine.soft.ops.sse;

/**
 * RCPSS and RSQRTSS with their packed forms: approximations with a relative error of at most 1.5 * 2^-12, without
 * exceptions and without MXCSR. Makers of processors differ; this is what Intel's do: the function in the middle of one
 * of 2048 (reciprocal) or 1024 (root) intervals of the significand, rounded to 12 bits behind the point.
 */
final class SseApproximate {
    private SseApproximate() {}

    /** 1 / v, or 1 / sqrt(v), of the bits of a float. */
    static int compute(boolean root, int bits) {
        float v = Float.intBitsToFloat(bits);
        if (v != v) return bits | 0x400000;
        int sign = bits & 0x80000000;
        if (Math.abs(v) < Float.MIN_NORMAL) return sign | 0x7f800000;
        if (root && bits < 0) return 0xffc00000;
        if (Float.isInfinite(v)) return sign;
        float middle = Float.intBitsToFloat(root ? bits & 0xffffe000 | 0x1000 : bits & 0xfffff000 | 0x800);
        long exact = Double.doubleToRawLongBits(root ? 1 / Math.sqrt(middle) : 1 / (double) middle);
        float result = (float) Double.longBitsToDouble(exact + (1L << 39) & -(1L << 40));
        return Math.abs(result) < Float.MIN_NORMAL ? sign : Float.floatToRawIntBits(result);
    }
}
