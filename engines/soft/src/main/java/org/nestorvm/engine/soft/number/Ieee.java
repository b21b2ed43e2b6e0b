package org.nestorvm.engine.soft.number;

/** Encodings of IEEE 754 single and double values, as bits of a long; a single is in the low half. */
public final class Ieee {
    /** The order of a comparison with a NaN, beside -1, 0 and 1. */
    public static final int UNORDERED = 2;

    private Ieee() {}

    public static long quiet(boolean wide, long nan) {
        return wide ? nan | 1L << 51 : (nan | 1L << 22) & 0xffffffffL;
    }

    public static long infinity(boolean wide, boolean negative) {
        return wide ? (negative ? 0xfff0000000000000L : 0x7ff0000000000000L) : negative ? 0xff800000L : 0x7f800000L;
    }

    public static long zero(boolean wide, boolean negative) {
        return !negative ? 0 : wide ? Long.MIN_VALUE : 0x80000000L;
    }
}
