package org.nestorvm.engine.soft.number;

/**
 * Operations on the lanes of 64 bits, for MMX once and for XMM registers once per half. The names are the mnemonics
 * (SDM vol. 2). Lanes are handled in parallel inside a long where that is possible: {@code h} is a mask of the lanes'
 * top bits, which says how wide they are.
 */
public enum Lane {
    PADDB,
    PADDW,
    PADDD,
    PADDQ,
    PADDSB,
    PADDSW,
    PADDUSB,
    PADDUSW,
    PSUBB,
    PSUBW,
    PSUBD,
    PSUBQ,
    PSUBSB,
    PSUBSW,
    PSUBUSB,
    PSUBUSW,
    PAND,
    PANDN,
    POR,
    PXOR,
    PCMPEQB,
    PCMPEQW,
    PCMPEQD,
    PCMPEQQ,
    PCMPGTB,
    PCMPGTW,
    PCMPGTD,
    PCMPGTQ,
    PMINUB,
    PMINUW,
    PMINUD,
    PMINSB,
    PMINSW,
    PMINSD,
    PMAXUB,
    PMAXUW,
    PMAXUD,
    PMAXSB,
    PMAXSW,
    PMAXSD,
    PAVGB,
    PAVGW,
    PMULLW,
    PMULHW,
    PMULHUW,
    PMULHRSW,
    PMULLD,
    PMULUDQ,
    PMULDQ,
    PMADDWD,
    PMADDUBSW,
    PSADBW,
    PSIGNB,
    PSIGNW,
    PSIGND,
    PABSB,
    PABSW,
    PABSD;
    public static final long H8 = 0x8080808080808080L,
            H16 = 0x8000800080008000L,
            H32 = 0x8000000080000000L,
            H64 = Long.MIN_VALUE;

    /** {@code a} is the destination's, {@code b} the source's half. */
    public static long apply(Lane op, long a, long b) {
        return switch (op) {
            case PADDB -> add(a, b, H8);
            case PADDW -> add(a, b, H16);
            case PADDD -> add(a, b, H32);
            case PADDQ -> a + b;
            case PADDSB -> addSigned(a, b, H8, 8);
            case PADDSW -> addSigned(a, b, H16, 16);
            case PADDUSB -> addUnsigned(a, b, H8, 8);
            case PADDUSW -> addUnsigned(a, b, H16, 16);
            case PSUBB -> sub(a, b, H8);
            case PSUBW -> sub(a, b, H16);
            case PSUBD -> sub(a, b, H32);
            case PSUBQ -> a - b;
            case PSUBSB -> subSigned(a, b, H8, 8);
            case PSUBSW -> subSigned(a, b, H16, 16);
            case PSUBUSB -> sub(a, b, H8) & ~below(a, b, H8, 8);
            case PSUBUSW -> sub(a, b, H16) & ~below(a, b, H16, 16);
            case PAND -> a & b;
            case PANDN -> ~a & b;
            case POR -> a | b;
            case PXOR -> a ^ b;
            case PCMPEQB -> equal(a, b, H8, 8);
            case PCMPEQW -> equal(a, b, H16, 16);
            case PCMPEQD -> equal(a, b, H32, 32);
            case PCMPEQQ -> a == b ? -1 : 0;
            case PCMPGTB -> less(b, a, H8, 8);
            case PCMPGTW -> less(b, a, H16, 16);
            case PCMPGTD -> less(b, a, H32, 32);
            case PCMPGTQ -> a > b ? -1 : 0;
            default -> applyMore(op, a, b);
        };
    }

    private static long applyMore(Lane op, long a, long b) {
        return switch (op) {
            case PMINUB -> select(below(a, b, H8, 8), a, b);
            case PMINUW -> select(below(a, b, H16, 16), a, b);
            case PMINUD -> select(below(a, b, H32, 32), a, b);
            case PMINSB -> select(less(a, b, H8, 8), a, b);
            case PMINSW -> select(less(a, b, H16, 16), a, b);
            case PMINSD -> select(less(a, b, H32, 32), a, b);
            case PMAXUB -> select(below(a, b, H8, 8), b, a);
            case PMAXUW -> select(below(a, b, H16, 16), b, a);
            case PMAXUD -> select(below(a, b, H32, 32), b, a);
            case PMAXSB -> select(less(a, b, H8, 8), b, a);
            case PMAXSW -> select(less(a, b, H16, 16), b, a);
            case PMAXSD -> select(less(a, b, H32, 32), b, a);
            case PAVGB -> (a | b) - (((a ^ b) & ~(H8 >>> 7)) >>> 1);
            case PAVGW -> (a | b) - (((a ^ b) & ~(H16 >>> 15)) >>> 1);
            case PSADBW -> sumOfDifferences(a, b);
            case PSIGNB -> sign(a, b, H8, 8);
            case PSIGNW -> sign(a, b, H16, 16);
            case PSIGND -> sign(a, b, H32, 32);
            case PABSB -> sign(b, b, H8, 8);
            case PABSW -> sign(b, b, H16, 16);
            case PABSD -> sign(b, b, H32, 32);
            default -> multiply(op, a, b);
        };
    }

    private static long multiply(Lane op, long a, long b) {
        return switch (op) {
            case PMULUDQ -> (a & 0xffffffffL) * (b & 0xffffffffL);
            case PMULDQ -> (long) (int) a * (int) b;
            case PMULLD -> (long) ((int) a * (int) b) & 0xffffffffL | (a >>> 32) * (b >>> 32) << 32;
            case PMADDWD -> multiplyAdd(a, b) & 0xffffffffL | (long) multiplyAdd(a >> 32, b >> 32) << 32;
            default -> {
                long result = 0;
                for (int i = 0; i < 64; i += 16) result |= (multiply16(op, a >>> i, b >>> i) & 0xffffL) << i;
                yield result;
            }
        };
    }

    private static int multiply16(Lane op, long a, long b) {
        int x = (short) a, y = (short) b;
        return switch (op) {
            case PMULLW -> x * y;
            case PMULHW -> x * y >> 16;
            case PMULHUW -> (x & 0xffff) * (y & 0xffff) >>> 16;
            case PMULHRSW -> (x * y >> 14) + 1 >> 1;
            case PMADDUBSW ->
                Math.clamp((x & 0xff) * (byte) y + (x >> 8 & 0xff) * (y >> 8), Short.MIN_VALUE, Short.MAX_VALUE);
            default -> throw new IllegalStateException("not an operation on words: " + op);
        };
    }

    private static int multiplyAdd(long a, long b) {
        return (short) a * (short) b + (short) (a >> 16) * (short) (b >> 16);
    }

    private static long sumOfDifferences(long a, long b) {
        long sum = 0;
        for (int i = 0; i < 64; i += 8) sum += Math.abs((a >>> i & 0xff) - (b >>> i & 0xff));
        return sum;
    }

    // ---- lanes in parallel ----

    public static long add(long a, long b, long h) {
        return (a & ~h) + (b & ~h) ^ (a ^ b) & h;
    }

    public static long sub(long a, long b, long h) {
        return (a | h) - (b & ~h) ^ (a ^ ~b) & h;
    }

    /** Lanes whose top bit is set become all ones, the others zero. */
    public static long spread(long tops, long h, int width) {
        long t = tops & h;
        return (t << 1) - (t >>> width - 1);
    }

    public static long select(long mask, long yes, long no) {
        return yes & mask | no & ~mask;
    }

    public static long equal(long a, long b, long h, int width) {
        long t = a ^ b;
        return spread(~((t & ~h) + ~h | t), h, width);
    }

    /** a &lt; b, unsigned. */
    public static long below(long a, long b, long h, int width) {
        return spread(~a & b | (~a | b) & sub(a, b, h), h, width);
    }

    /** a &lt; b, signed. */
    static long less(long a, long b, long h, int width) {
        return below(a ^ h, b ^ h, h, width);
    }

    private static long addUnsigned(long a, long b, long h, int width) {
        long sum = add(a, b, h);
        return sum | spread(a & b | (a | b) & ~sum, h, width);
    }

    private static long addSigned(long a, long b, long h, int width) {
        long sum = add(a, b, h);
        return saturate(sum, spread((sum ^ a) & (sum ^ b), h, width), a, h, width);
    }

    private static long subSigned(long a, long b, long h, int width) {
        long difference = sub(a, b, h);
        return saturate(difference, spread((a ^ b) & (difference ^ a), h, width), a, h, width);
    }

    /** In the lanes of {@code overflow} the largest number of a's sign. */
    private static long saturate(long result, long overflow, long a, long h, int width) {
        return select(overflow, ((a & h) >>> width - 1) + ~h, result);
    }

    private static long sign(long a, long b, long h, int width) {
        return select(spread(b, h, width), sub(0, a, h), a) & ~equal(b, 0, h, width);
    }

    // ---- masks ----

    public static long signs8(long v) {
        return (v >>> 7 & 0x0101010101010101L) * 0x0102040810204080L >>> 56;
    }

    public static long signs32(long v) {
        return v >>> 31 & 1 | v >>> 63 << 1;
    }

    // ---- shifts; a count beyond the lane empties it, or fills it with the sign ----

    public static long shiftLeft(long v, long count, int width) {
        if (Long.compareUnsigned(count, width) >= 0) return 0;
        if (width == 64) return v << count;
        long ones = lanes(-1L >>> 64 - width, width);
        return v << count & lanes((-1L >>> 64 - width) << count & ones, width);
    }

    public static long shiftRight(long v, long count, int width) {
        if (Long.compareUnsigned(count, width) >= 0) return 0;
        if (width == 64) return v >>> count;
        return v >>> count & lanes((-1L >>> 64 - width) >>> count, width);
    }

    public static long shiftArithmetic(long v, long count, int width) {
        int n = Long.compareUnsigned(count, width) >= 0 ? width - 1 : (int) count;
        if (width == 32) return (v >> n & 0xffffffff00000000L) | (long) ((int) v >> n) & 0xffffffffL;
        return shiftRight(v, n, width) | spread(v, H16, 16) & ~lanes((-1L >>> 64 - width) >>> n, width);
    }

    /** The same bits in each lane. */
    private static long lanes(long bits, int width) {
        return width == 16 ? (bits & 0xffff) * 0x0001000100010001L : (bits & 0xffffffffL) * 0x0000000100000001L;
    }

    // ---- two halves into one: packs and horizontal sums ----

    /** Eight words, {@code low} before {@code high}, saturated to bytes. */
    static long packWords(long low, long high, int min, int max) {
        long result = 0;
        for (int i = 0; i < 64; i += 16) {
            result |= (long) (Math.clamp((short) (low >>> i), min, max) & 0xff) << i / 2;
            result |= (long) (Math.clamp((short) (high >>> i), min, max) & 0xff) << 32 + i / 2;
        }
        return result;
    }

    static long packDoublewords(long low, long high, int min, int max) {
        return Math.clamp((int) low, min, max) & 0xffffL
                | (Math.clamp((int) (low >> 32), min, max) & 0xffffL) << 16
                | (Math.clamp((int) high, min, max) & 0xffffL) << 32
                | (Math.clamp((int) (high >> 32), min, max) & 0xffffL) << 48;
    }

    /** Interleaves the low halves of a and b: a's lane first. */
    public static long interleave(long a, long b, int width) {
        return switch (width) {
            case 8 -> spreadBytes(a) | spreadBytes(b) << 8;
            case 16 -> spreadWords(a) | spreadWords(b) << 16;
            default -> a & 0xffffffffL | b << 32;
        };
    }

    private static long spreadBytes(long v) {
        long w = spreadWords(v);
        return (w | w << 8) & 0x00ff00ff00ff00ffL;
    }

    private static long spreadWords(long v) {
        long low = v & 0xffffffffL;
        return (low | low << 16) & 0x0000ffff0000ffffL;
    }

    /** Operations that make 64 bits of two halves. */
    public enum Pair {
        PACKSSWB,
        PACKUSWB,
        PACKSSDW,
        PACKUSDW,
        PHADDW,
        PHADDSW,
        PHADDD,
        PHSUBW,
        PHSUBSW,
        PHSUBD
    }

    public static long pair(Pair op, long a, long b) {
        return switch (op) {
            case PACKSSWB -> packWords(a, b, -128, 127);
            case PACKUSWB -> packWords(a, b, 0, 255);
            case PACKSSDW -> packDoublewords(a, b, -32768, 32767);
            case PACKUSDW -> packDoublewords(a, b, 0, 65535);
            case PHADDW -> add(evenWords(a, b), evenWords(a >>> 16, b >>> 16), H16);
            case PHADDSW -> addSigned(evenWords(a, b), evenWords(a >>> 16, b >>> 16), H16, 16);
            case PHSUBW -> sub(evenWords(a, b), evenWords(a >>> 16, b >>> 16), H16);
            case PHSUBSW -> subSigned(evenWords(a, b), evenWords(a >>> 16, b >>> 16), H16, 16);
            case PHADDD -> (long) ((int) a + (int) (a >>> 32)) & 0xffffffffL | b + (b >>> 32) << 32;
            case PHSUBD -> (long) ((int) a - (int) (a >>> 32)) & 0xffffffffL | b - (b >>> 32) << 32;
        };
    }

    private static long evenWords(long a, long b) {
        return a & 0xffff | (a >>> 32 & 0xffff) << 16 | (b & 0xffff) << 32 | (b >>> 32 & 0xffff) << 48;
    }
}
