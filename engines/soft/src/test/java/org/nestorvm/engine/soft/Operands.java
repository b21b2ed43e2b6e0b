package org.nestorvm.engine.soft;

import java.util.SplittableRandom;

/**
 * Values that are likely to be handled wrongly: boundaries of integers, of the floating-point formats and of rounding,
 * among random ones.
 */
final class Operands {
    private static final long[] INTEGERS = {
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0x8000,
        0xffff,
        0x10000,
        0x7fffffffL,
        0x80000000L,
        0xffffffffL,
        0x100000000L,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        -1,
        -2,
        0x0102030405060708L,
        0x8080808080808080L,
        0x7f7f7f7f7f7f7f7fL,
        0x8000800080008000L,
        0x7fff7fff7fff7fffL
    };
    private static final int[] EXPONENTS_64 = {
        0, 0, 1, 2, 51, 52, 53, 970, 1021, 1022, 1023, 1023, 1024, 1025, 1054, 1055, 1075, 1076, 1085, 1086, 2045, 2046,
        2047, 2047
    };
    private static final int[] EXPONENTS_32 = {
        0, 0, 1, 2, 22, 23, 24, 100, 125, 126, 127, 127, 128, 129, 149, 150, 157, 158, 253, 254, 255, 255
    };
    private static final int[] EXPONENTS_80 = {
        0, 0, 1, 2, 62, 63, 64, 65, 15360, 15361, 15362, 16255, 16256, 16257, 16380, 16381, 16382, 16383, 16383, 16384,
        16385, 16397, 16398, 16406, 16407, 16413, 16414, 16415, 16435, 16436, 16445, 16446, 16447, 16510, 16511, 17405,
        17406, 17407, 32764, 32765, 32766, 32767, 32767
    };

    private final SplittableRandom random;

    Operands(long seed) {
        random = new SplittableRandom(seed);
    }

    SplittableRandom random() {
        return random;
    }

    int below(int bound) {
        return random.nextInt(bound);
    }

    long integer() {
        return switch (below(4)) {
            case 0 -> INTEGERS[below(INTEGERS.length)];
            case 1 -> INTEGERS[below(INTEGERS.length)] + below(5) - 2;
            case 2 -> random.nextLong() >> below(64);
            default -> random.nextLong();
        };
    }

    /** Few ones, many ones, ones at both ends: what makes exact, halfway and nearly halfway results. */
    private long significand(int bits) {
        long all = -1L >>> 64 - bits;
        return all
                & switch (below(8)) {
                    case 0 -> 0;
                    case 1 -> 1L << below(bits);
                    case 2 -> 1L << below(bits) | 1L << below(bits);
                    case 3 -> -1L;
                    case 4 -> -1L << below(bits);
                    case 5 -> -1L >>> 64 - bits + below(bits);
                    case 6 -> random.nextLong() << below(bits);
                    default -> random.nextLong();
                };
    }

    private int exponent(int[] interesting, int bits) {
        return switch (below(4)) {
            case 0 -> random.nextInt(1 << bits);
            case 1 -> (1 << bits - 1) - 1 + below(60) - 30;
            default -> interesting[below(interesting.length)];
        };
    }

    long double64() {
        if (below(6) == 0) return Double.doubleToRawLongBits((double) (below(2000) - 1000) / (below(3) + 1));
        return random.nextLong() & Long.MIN_VALUE | (long) exponent(EXPONENTS_64, 11) << 52 | significand(52);
    }

    int single() {
        if (below(6) == 0) return Float.floatToRawIntBits((float) (below(2000) - 1000) / (below(3) + 1));
        return random.nextInt() & Integer.MIN_VALUE | exponent(EXPONENTS_32, 8) << 23 | (int) significand(23);
    }

    /** Sign and exponent of an x87 register. */
    int exponent80() {
        return exponent(EXPONENTS_80, 15) | below(2) << 15;
    }

    long mantissa80(int exponent) {
        long fraction = significand(63);
        if (below(40) == 0) return fraction;
        return (exponent & 0x7fff) == 0 ? fraction : fraction | Long.MIN_VALUE;
    }

    /** Sixteen bytes for an XMM register, into two longs. */
    void vector(long[] into, int at, int kind) {
        for (int h = 0; h < 2; h++) {
            into[at + h] = switch (kind) {
                case 0 -> double64();
                case 1 -> single() & 0xffffffffL | (long) single() << 32;
                case 2 -> integer();
                case 3 -> text();
                default -> random.nextLong();
            };
        }
    }

    /** Bytes from a small set, for comparisons that should sometimes hold. */
    private long text() {
        long v = 0;
        for (int i = 0; i < 8; i++) v = v << 8 | (below(20) == 0 ? 0 : 'a' + below(3));
        return v;
    }
}
