package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/** AES-NI: FIPS 197 rounds on a state of 16 bytes, column by column, the first byte lowest. */
final class Aes {
    private static final byte[] SBOX = new byte[256], INVERSE = new byte[256];
    /** MixColumns of one substituted byte in row 0, and its inverse of one byte: the other rows are rotations. */
    private static final int[] MIX = new int[256], UNMIX = new int[256];

    static {
        // Powers and logarithms of the generator 3.
        int[] power = new int[256], log = new int[256];
        int p = 1;
        for (int i = 0; i < 255; i++) {
            power[i] = p;
            log[p] = i;
            p ^= twice(p);
        }
        for (int i = 0; i < 256; i++) {
            int inverse = i == 0 ? 0 : power[(255 - log[i]) % 255];
            int s = inverse;
            for (int k = 1; k <= 4; k++) s ^= inverse << k | inverse >> 8 - k;
            s = (s ^ 0x63) & 0xff;
            SBOX[i] = (byte) s;
            INVERSE[s] = (byte) i;
        }
        for (int i = 0; i < 256; i++) {
            MIX[i] = column(i, 2, 1, 1, 3);
            UNMIX[i] = column(i, 14, 9, 13, 11);
        }
    }

    private Aes() {}

    private static int twice(int v) {
        return (v << 1 ^ (v & 0x80) / 0x80 * 0x1b) & 0xff;
    }

    private static int column(int v, int f0, int f1, int f2, int f3) {
        return product(v, f0) | product(v, f1) << 8 | product(v, f2) << 16 | product(v, f3) << 24;
    }

    private static int product(int a, int b) {
        int result = 0;
        for (; b != 0; b >>= 1, a = twice(a)) if ((b & 1) != 0) result ^= a;
        return result;
    }

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "AESENC" -> new Round(i, false, false);
            case "AESENCLAST" -> new Round(i, false, true);
            case "AESDEC" -> new Round(i, true, false);
            case "AESDECLAST" -> new Round(i, true, true);
            case "AESIMC" -> new InverseMix(i);
            default -> new KeyGenAssist(i);
        };
    }

    /** Byte {@code n} of the state. */
    private static int at(long low, long high, int n) {
        return (int) ((n < 8 ? low : high) >>> (n & 7) * 8) & 0xff;
    }

    /** Column {@code n} after ShiftRows, SubBytes and, unless it is the last round, MixColumns. */
    private static long encrypt(long low, long high, int n, boolean last) {
        int column = 0;
        for (int row = 0; row < 4; row++) {
            int s = SBOX[at(low, high, 4 * (n + row) + row & 15)] & 0xff;
            column ^= last ? s << 8 * row : Integer.rotateLeft(MIX[s], 8 * row);
        }
        return column & 0xffffffffL;
    }

    private static long decrypt(long low, long high, int n, boolean last) {
        int column = 0;
        for (int row = 0; row < 4; row++) {
            int s = INVERSE[at(low, high, 4 * (n - row) + row & 15)] & 0xff;
            column ^= last ? s << 8 * row : Integer.rotateLeft(UNMIX[s], 8 * row);
        }
        return column & 0xffffffffL;
    }

    private static final class Round extends SseOp {
        private final boolean inverse, last;

        Round(Insn i, boolean inverse, boolean last) {
            super(i);
            this.inverse = inverse;
            this.last = last;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long low = x[dst], high = x[dst + 1], keyLow = x[src], keyHigh = x[src + 1];
            x[dst] = (column(low, high, 0) | column(low, high, 1) << 32) ^ keyLow;
            x[dst + 1] = (column(low, high, 2) | column(low, high, 3) << 32) ^ keyHigh;
        }

        private long column(long low, long high, int n) {
            return inverse ? decrypt(low, high, n, last) : encrypt(low, high, n, last);
        }
    }

    private static final class InverseMix extends SseOp {
        InverseMix(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = unmix((int) x[src]) | unmix((int) (x[src] >>> 32)) << 32;
            long high = x[src + 1];
            x[dst + 1] = unmix((int) high) | unmix((int) (high >>> 32)) << 32;
        }

        private static long unmix(int v) {
            return (UNMIX[v & 0xff]
                            ^ Integer.rotateLeft(UNMIX[v >>> 8 & 0xff], 8)
                            ^ Integer.rotateLeft(UNMIX[v >>> 16 & 0xff], 16)
                            ^ Integer.rotateLeft(UNMIX[v >>> 24], 24))
                    & 0xffffffffL;
        }
    }

    private static final class KeyGenAssist extends SseOp {
        private final int constant;

        KeyGenAssist(Insn i) {
            super(i);
            constant = (int) i.imm & 0xff;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = words((int) (x[src] >>> 32));
            x[dst + 1] = words((int) (x[src + 1] >>> 32));
        }

        private long words(int v) {
            int s = SBOX[v & 0xff] & 0xff
                    | (SBOX[v >>> 8 & 0xff] & 0xff) << 8
                    | (SBOX[v >>> 16 & 0xff] & 0xff) << 16
                    | SBOX[v >>> 24] << 24;
            return s & 0xffffffffL | (long) (Integer.rotateRight(s, 8) ^ constant) << 32;
        }
    }
}
