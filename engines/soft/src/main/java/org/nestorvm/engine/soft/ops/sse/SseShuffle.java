package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.Lane;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/** Instructions that move lanes inside and between XMM registers: unpack, pack, shuffle, blend, align, extend. */
final class SseShuffle {
    private SseShuffle() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "PUNPCKLBW" -> new UnpackLow(i, 8);
            case "PUNPCKLWD" -> new UnpackLow(i, 16);
            case "PUNPCKLDQ", "UNPCKLPS" -> new UnpackLow(i, 32);
            case "PUNPCKLQDQ", "UNPCKLPD" -> new UnpackLow(i, 64);
            case "PUNPCKHBW" -> new UnpackHigh(i, 8);
            case "PUNPCKHWD" -> new UnpackHigh(i, 16);
            case "PUNPCKHDQ", "UNPCKHPS" -> new UnpackHigh(i, 32);
            case "PUNPCKHQDQ", "UNPCKHPD" -> new UnpackHigh(i, 64);
            case "PSHUFD" -> new ShuffleD(i);
            case "PSHUFLW", "PSHUFHW" -> new ShuffleW(i);
            case "SHUFPS", "SHUFPD" -> new ShuffleTwo(i);
            case "PSHUFB" -> new ShuffleB(i);
            case "PALIGNR" -> new Align(i);
            case "BLENDPS", "BLENDPD", "PBLENDW" -> new Blend(i);
            case "PBLENDVB", "BLENDVPS", "BLENDVPD" -> new BlendVariable(i);
            case "PMOVSXBW",
                    "PMOVSXBD",
                    "PMOVSXBQ",
                    "PMOVSXWD",
                    "PMOVSXWQ",
                    "PMOVSXDQ",
                    "PMOVZXBW",
                    "PMOVZXBD",
                    "PMOVZXBQ",
                    "PMOVZXWD",
                    "PMOVZXWQ",
                    "PMOVZXDQ" -> new Extend(i);
            default -> new Pairs(i);
        };
    }

    /** The 64 bits from bit {@code bit} (0..128) on of three words, the lowest first. */
    static long extract(long w0, long w1, long w2, int bit) {
        if (bit < 64) return bit == 0 ? w0 : w0 >>> bit | w1 << 64 - bit;
        return bit == 64 ? w1 : bit < 128 ? w1 >>> bit | w2 << 128 - bit : w2;
    }

    /** Doubleword {@code n} (0..3) of an operand. */
    static long doubleword(long low, long high, int n) {
        return ((n & 2) == 0 ? low : high) >>> (n & 1) * 32 & 0xffffffffL;
    }

    /** Four words selected by the pairs of bits of {@code order}. */
    static long shuffleWords(long v, int order) {
        return v >>> (order & 3) * 16 & 0xffff
                | (v >>> (order >> 2 & 3) * 16 & 0xffff) << 16
                | (v >>> (order >> 4 & 3) * 16 & 0xffff) << 32
                | (v >>> (order >> 6 & 3) * 16 & 0xffff) << 48;
    }

    private static final class Pairs extends SseOp {
        private final Lane.Pair pair;

        Pairs(Insn i) {
            super(i);
            pair = Lane.Pair.valueOf(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long high = Lane.pair(pair, x[src], x[src + 1]);
            x[dst] = Lane.pair(pair, x[dst], x[dst + 1]);
            x[dst + 1] = high;
        }
    }

    private static final class UnpackLow extends SseOp {
        private final int width;

        UnpackLow(Insn i, int width) {
            super(i);
            this.width = width;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long a = x[dst], b = x[src];
            x[dst] = width == 64 ? a : Lane.interleave(a, b, width);
            x[dst + 1] = width == 64 ? b : Lane.interleave(a >>> 32, b >>> 32, width);
        }
    }

    private static final class UnpackHigh extends SseOp {
        private final int width;

        UnpackHigh(Insn i, int width) {
            super(i);
            this.width = width;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long a = x[dst + 1], b = x[src + 1];
            x[dst] = width == 64 ? a : Lane.interleave(a, b, width);
            x[dst + 1] = width == 64 ? b : Lane.interleave(a >>> 32, b >>> 32, width);
        }
    }

    private static final class ShuffleD extends SseOp {
        private final int order;

        ShuffleD(Insn i) {
            super(i);
            order = (int) i.imm & 0xff;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = x[src], high = x[src + 1];
            x[dst] = doubleword(low, high, order & 3) | doubleword(low, high, order >> 2 & 3) << 32;
            x[dst + 1] = doubleword(low, high, order >> 4 & 3) | doubleword(low, high, order >> 6) << 32;
        }
    }

    private static final class ShuffleW extends SseOp {
        private final int order;
        private final boolean high;

        ShuffleW(Insn i) {
            super(i);
            order = (int) i.imm & 0xff;
            high = i.row.mnemonic.equals("PSHUFHW");
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = high ? x[src] : shuffleWords(x[src], order);
            x[dst + 1] = high ? shuffleWords(x[src + 1], order) : x[src + 1];
        }
    }

    private static final class ShuffleTwo extends SseOp {
        private final int order;
        private final boolean single;

        ShuffleTwo(Insn i) {
            super(i);
            order = (int) i.imm & 0xff;
            single = i.row.mnemonic.equals("SHUFPS");
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long a = x[dst], b = x[dst + 1], low = x[src], high = x[src + 1];
            x[dst] = single
                    ? doubleword(a, b, order & 3) | doubleword(a, b, order >> 2 & 3) << 32
                    : (order & 1) != 0 ? b : a;
            x[dst + 1] = single
                    ? doubleword(low, high, order >> 4 & 3) | doubleword(low, high, order >> 6) << 32
                    : (order & 2) != 0 ? high : low;
        }
    }

    private static final class ShuffleB extends SseOp {
        ShuffleB(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long a = x[dst], b = x[dst + 1], orderLow = x[src], orderHigh = x[src + 1];
            x[dst] = half(a, b, orderLow);
            x[dst + 1] = half(a, b, orderHigh);
        }

        private static long half(long a, long b, long order) {
            long result = 0;
            for (int i = 0; i < 64; i += 8) {
                int n = (int) (order >>> i);
                if ((n & 0x80) == 0) result |= (((n & 8) == 0 ? a : b) >>> (n & 7) * 8 & 0xff) << i;
            }
            return result;
        }
    }

    private static final class Align extends SseOp {
        private final int bits;

        Align(Insn i) {
            super(i);
            bits = 8 * Math.min((int) i.imm & 0xff, 32);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = x[src], high = x[src + 1], a = x[dst], b = x[dst + 1];
            x[dst] = bits <= 128 ? extract(low, high, a, bits) : extract(a, b, 0, bits - 128);
            x[dst + 1] = bits <= 128 ? extract(high, a, b, bits) : extract(b, 0, 0, bits - 128);
        }
    }

    private static final class Blend extends SseOp {
        /** Bits to take from the source. */
        private final long maskLow, maskHigh;

        Blend(Insn i) {
            super(i);
            int width = switch (i.row.mnemonic) {
                case "BLENDPS" -> 32;
                case "BLENDPD" -> 64;
                default -> 16;
            };
            long low = 0, high = 0;
            for (int n = 0; n < 64 / width; n++) {
                long lane = -1L >>> 64 - width << n * width;
                if ((i.imm >>> n & 1) != 0) low |= lane;
                if ((i.imm >>> n + 64 / width & 1) != 0) high |= lane;
            }
            maskLow = low;
            maskHigh = high;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = Lane.select(maskLow, x[src], x[dst]);
            x[dst + 1] = Lane.select(maskHigh, x[src + 1], x[dst + 1]);
        }
    }

    /** The mask is the top bits of XMM0's lanes. */
    private static final class BlendVariable extends SseOp {
        private final int width;
        private final long tops;

        BlendVariable(Insn i) {
            super(i);
            switch (i.row.mnemonic) {
                case "PBLENDVB" -> {
                    width = 8;
                    tops = Lane.H8;
                }
                case "BLENDVPS" -> {
                    width = 32;
                    tops = Lane.H32;
                }
                default -> {
                    width = 64;
                    tops = Lane.H64;
                }
            }
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = Lane.spread(x[0], tops, width), high = Lane.spread(x[1], tops, width);
            x[dst] = Lane.select(low, x[src], x[dst]);
            x[dst + 1] = Lane.select(high, x[src + 1], x[dst + 1]);
        }
    }

    /** PMOVSX and PMOVZX: the low lanes of the source, widened. */
    private static final class Extend extends SseOp {
        private final boolean signed;
        private final int from, to;

        Extend(Insn i) {
            super(i);
            signed = i.row.mnemonic.charAt(4) == 'S';
            from = width(i.row.mnemonic.charAt(6));
            to = width(i.row.mnemonic.charAt(7));
        }

        private static int width(char lane) {
            return switch (lane) {
                case 'B' -> 8;
                case 'W' -> 16;
                case 'D' -> 32;
                default -> 64;
            };
        }

        @Override
        public void exec(Cpu c) {
            long[] x = switch (to / from) {
                case 2 -> source64(c);
                case 4 -> source32(c);
                default -> source16(c);
            };
            long value = x[src];
            int perHalf = 64 / to;
            x[dst] = widen(value);
            x[dst + 1] = widen(value >>> perHalf * from);
        }

        private long widen(long value) {
            long result = 0;
            for (int n = 0; n < 64 / to; n++) {
                long lane = value << 64 - from - n * from;
                lane = signed ? lane >> 64 - from : lane >>> 64 - from;
                result |= (lane & -1L >>> 64 - to) << n * to;
            }
            return result;
        }
    }
}
