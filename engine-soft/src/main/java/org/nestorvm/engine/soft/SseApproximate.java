package org.nestorvm.engine.soft;

/**
 * RCPSS and RSQRTSS with their packed forms: approximations with a relative error of at most 1.5 * 2^-12, without exceptions and without MXCSR.
 * Each maker of processors has its own table; ours is the function itself in the middle of an interval, to 12 bits.
 */
final class SseApproximate {
    private SseApproximate() {
    }

    /** 1 / v, or 1 / sqrt(v), of the bits of a float. */
    static int compute(boolean root, int bits) {
        float v = Float.intBitsToFloat(bits);
        if (v != v) return bits | 0x400000;
        int sign = bits & 0x80000000;
        if (Math.abs(v) < Float.MIN_NORMAL) return sign | 0x7f800000;
        if (root && bits < 0) return 0xffc00000;
        if (Float.isInfinite(v)) return sign;
        float middle = Float.intBitsToFloat(bits & 0xfffff000 | 0x800);
        double exact = root ? 1 / Math.sqrt(middle) : 1 / (double) middle;
        float result = (float) exact;
        if (Math.abs(result) < Float.MIN_NORMAL) return sign;
        return Float.floatToRawIntBits(result) + 0x400 & 0xfffff800;
    }
}
