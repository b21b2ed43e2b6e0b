package org.nestorvm.engine.tests.oracle;

import java.nio.ByteBuffer;
import java.util.SplittableRandom;

/** Operand values: those at which instructions behave differently, and random ones between. */
final class Values {
    private static final long[] EDGES = {
        0,
        1,
        -1,
        2,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffffL,
        0x80000000L,
        0xffffffffL,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        0x100000000L,
        0x8080808080808080L,
        0x7f7f7f7f7f7f7f7fL,
        0x0123456789abcdefL
    };
    private static final int[] FLOATS = {
        0,
        0x80000000,
        0x3f800000,
        0xbf800000,
        1,
        0x80000001,
        0x7fffff,
        0x800000,
        0x807fffff,
        0x7f7fffff,
        0xff7fffff,
        0x7f800000,
        0xff800000,
        0x7fc00000,
        0x7f800001,
        0xffc12345,
        0x7fa00000,
        0x4f000000,
        0xcf000000,
        0x5f000000,
        0xdf000000,
        0x3f000000,
        0x3fc00000,
        0x40200000,
        0x4b7fffff,
        0x33800000,
        0x0d800000,
        0x00400000
    };
    private static final long[] DOUBLES = {
        0,
        1L << 63,
        0x3ff0000000000000L,
        0xbff0000000000000L,
        1,
        0x000fffffffffffffL,
        0x0010000000000000L,
        0x800fffffffffffffL,
        0x7fefffffffffffffL,
        0xffefffffffffffffL,
        0x7ff0000000000000L,
        0xfff0000000000000L,
        0x7ff8000000000000L,
        0x7ff0000000000001L,
        0xfff8123456789abcL,
        0x41e0000000000000L,
        0xc1e0000000000000L,
        0xc1e0000000200000L,
        0x43e0000000000000L,
        0xc3e0000000000000L,
        0x3fe0000000000000L,
        0x3ff8000000000000L,
        0x4004000000000000L,
        0x47efffffe0000000L,
        0x47effffff0000000L,
        0x3810000000000000L,
        0x380fffffffffffffL,
        0x36a0000000000000L,
        0x3690000000000000L
    };
    /** Sign and exponent, then mantissa. */
    private static final long[][] EXTENDED = {
        {0, 0},
        {0x8000, 0},
        {0x3fff, 1L << 63},
        {0xbfff, 1L << 63},
        {0, 1},
        {0, Long.MAX_VALUE},
        {0, 1L << 63},
        {1, 1L << 63},
        {0x7ffe, -1},
        {0xfffe, -1},
        {0x7fff, 1L << 63},
        {0xffff, 1L << 63},
        {0x7fff, 3L << 62},
        {0xffff, 3L << 62},
        {0x7fff, (1L << 63) + 1},
        {0x7fff, 0},
        {0x4000, 1},
        {0x403e, 1L << 63},
        {0xc03e, 1L << 63},
        {0x401e, 1L << 63},
        {0x400e, 1L << 63},
        {0x3ffe, 1L << 63},
        {0x4000, 0xc90fdaa22168c235L},
        {0x3f80, 1L << 63},
        {0x3c00, 1L << 63},
        {0x43fe, -1},
        {0x407e, -1}
    };

    private final SplittableRandom random;

    Values(SplittableRandom random) {
        this.random = random;
    }

    boolean oneIn(int n) {
        return random.nextInt(n) == 0;
    }

    int below(int bound) {
        return random.nextInt(bound);
    }

    long integer() {
        return switch (random.nextInt(6)) {
            case 0, 1 -> EDGES[random.nextInt(EDGES.length)];
            case 2 -> random.nextInt(-130, 130);
            case 3 -> random.nextLong() >>> random.nextInt(64);
            default -> random.nextLong();
        };
    }

    int floatBits() {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextInt();
            case 1 -> Float.floatToRawIntBits((float) ((random.nextDouble() - 0.5) * (1 << random.nextInt(31))));
            case 2 -> Float.floatToRawIntBits(random.nextInt(-40, 40) / 2f);
            default -> FLOATS[random.nextInt(FLOATS.length)];
        };
    }

    long doubleBits() {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextLong();
            case 1 -> Double.doubleToRawLongBits((random.nextDouble() - 0.5) * (1L << random.nextInt(62)));
            case 2 -> Double.doubleToRawLongBits(random.nextInt(-40, 40) / 2d);
            default -> DOUBLES[random.nextInt(DOUBLES.length)];
        };
    }

    void putFloats(ByteBuffer to, int at, int bytes) {
        for (int i = 0; i < bytes; i += 4) to.putInt(at + i, floatBits());
    }

    void putDoubles(ByteBuffer to, int at, int bytes) {
        for (int i = 0; i < bytes; i += 8) to.putLong(at + i, doubleBits());
    }

    void putIntegers(ByteBuffer to, int at, int bytes) {
        for (int i = 0; i < bytes; i += 8) to.putLong(at + i, integer());
    }

    /** Ten bytes. @param moderate between 2^-8 and 2 in magnitude */
    void putExtended(ByteBuffer to, int at, boolean moderate) {
        int sign = random.nextInt(2) << 15;
        if (moderate) {
            to.putLong(at, random.nextLong() | 1L << 63).putShort(at + 8, (short) (sign | 0x3ff7 + random.nextInt(9)));
            return;
        }
        switch (random.nextInt(4)) {
            case 0 -> to.putLong(at, random.nextLong() | 1L << 63).putShort(at + 8, (short) random.nextInt());
            case 1, 2 ->
                to.putLong(at, random.nextLong() << random.nextInt(64) | 1L << 63)
                        .putShort(at + 8, (short) (sign | 0x3fff + random.nextInt(-70, 70)));
            default -> {
                long[] e = EXTENDED[random.nextInt(EXTENDED.length)];
                to.putLong(at, e[1]).putShort(at + 8, (short) e[0]);
            }
        }
    }
}
