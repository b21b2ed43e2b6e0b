package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.Lane;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/**
 * Integers in XMM registers: arithmetic, logic, comparison, shifts. The work is {@link Lane}'s; what loops of C
 * libraries and compilers are made of has a class of its own.
 */
final class SseInteger {
    private SseInteger() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "PXOR", "XORPS", "XORPD" -> new Xor(i);
            case "PAND", "ANDPS", "ANDPD" -> new And(i);
            case "POR", "ORPS", "ORPD" -> new Or(i);
            case "PANDN", "ANDNPS", "ANDNPD" -> new AndNot(i);
            case "PADDB" -> new AddB(i);
            case "PADDD" -> new AddD(i);
            case "PADDQ" -> new AddQ(i);
            case "PSUBB" -> new SubB(i);
            case "PCMPEQB" -> new EqualB(i);
            case "PCMPEQD" -> new EqualD(i);
            case "PMINUB" -> new MinUB(i);
            case "PSRLW", "PSRLD", "PSRLQ", "PSRAW", "PSRAD", "PSLLW", "PSLLD", "PSLLQ" -> new Shift(i);
            case "PSRLDQ", "PSLLDQ" -> new ShiftBytes(i);
            case "PTEST" -> new Test(i);
            case "PHMINPOSUW" -> new MinimumPosition(i);
            case "MPSADBW" -> new SumsOfDifferences(i);
            default -> new Vertical(i);
        };
    }

    private static final class Vertical extends SseOp {
        private final Lane lane;

        Vertical(Insn i) {
            super(i);
            lane = Lane.valueOf(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = Lane.apply(lane, x[dst], x[src]);
            x[dst + 1] = Lane.apply(lane, x[dst + 1], x[src + 1]);
        }
    }

    private static final class Xor extends SseOp {
        Xor(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] ^= x[src];
            x[dst + 1] ^= x[src + 1];
        }
    }

    private static final class And extends SseOp {
        And(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] &= x[src];
            x[dst + 1] &= x[src + 1];
        }
    }

    private static final class Or extends SseOp {
        Or(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] |= x[src];
            x[dst + 1] |= x[src + 1];
        }
    }

    private static final class AndNot extends SseOp {
        AndNot(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = ~x[dst] & x[src];
            x[dst + 1] = ~x[dst + 1] & x[src + 1];
        }
    }

    private static final class AddB extends SseOp {
        AddB(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = Lane.add(x[dst], x[src], Lane.H8);
            x[dst + 1] = Lane.add(x[dst + 1], x[src + 1], Lane.H8);
        }
    }

    private static final class AddD extends SseOp {
        AddD(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = Lane.add(x[dst], x[src], Lane.H32);
            x[dst + 1] = Lane.add(x[dst + 1], x[src + 1], Lane.H32);
        }
    }

    private static final class AddQ extends SseOp {
        AddQ(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] += x[src];
            x[dst + 1] += x[src + 1];
        }
    }

    private static final class SubB extends SseOp {
        SubB(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = Lane.sub(x[dst], x[src], Lane.H8);
            x[dst + 1] = Lane.sub(x[dst + 1], x[src + 1], Lane.H8);
        }
    }

    private static final class EqualB extends SseOp {
        EqualB(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = Lane.equal(x[dst], x[src], Lane.H8, 8);
            x[dst + 1] = Lane.equal(x[dst + 1], x[src + 1], Lane.H8, 8);
        }
    }

    private static final class EqualD extends SseOp {
        EqualD(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = Lane.equal(x[dst], x[src], Lane.H32, 32);
            x[dst + 1] = Lane.equal(x[dst + 1], x[src + 1], Lane.H32, 32);
        }
    }

    private static final class MinUB extends SseOp {
        MinUB(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long a = x[dst], b = x[src];
            x[dst] = Lane.select(Lane.below(a, b, Lane.H8, 8), a, b);
            a = x[dst + 1];
            b = x[src + 1];
            x[dst + 1] = Lane.select(Lane.below(a, b, Lane.H8, 8), a, b);
        }
    }

    /** A shift by an immediate, whose register is rm, or by the low quadword of the source. */
    private static final class Shift extends SseOp {
        private final boolean immediate;
        private final int target, width;
        private final long count;
        private final char direction;

        Shift(Insn i) {
            super(i);
            immediate = i.row.digit >= 0;
            target = immediate ? src : dst;
            count = i.imm & 0xff;
            width = shiftWidth(i.row.mnemonic);
            direction = shiftDirection(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long[] x;
            long n = count;
            if (immediate) {
                check(c);
                x = c.xmm;
            } else {
                x = source(c);
                n = x[src];
            }
            x[target] = shift(direction, x[target], n, width);
            x[target + 1] = shift(direction, x[target + 1], n, width);
        }
    }

    static int shiftWidth(String mnemonic) {
        return switch (mnemonic.charAt(4)) {
            case 'W' -> 16;
            case 'D' -> 32;
            default -> 64;
        };
    }

    /** L left, R right, A arithmetic right. */
    static char shiftDirection(String mnemonic) {
        return mnemonic.charAt(2) == 'L' ? 'L' : mnemonic.charAt(3) == 'A' ? 'A' : 'R';
    }

    static long shift(char direction, long value, long count, int width) {
        return switch (direction) {
            case 'L' -> Lane.shiftLeft(value, count, width);
            case 'R' -> Lane.shiftRight(value, count, width);
            default -> Lane.shiftArithmetic(value, count, width);
        };
    }

    private static final class ShiftBytes extends SseOp {
        private final boolean left;
        private final int bits;

        ShiftBytes(Insn i) {
            super(i);
            left = i.row.mnemonic.equals("PSLLDQ");
            bits = 8 * Math.min((int) i.imm & 0xff, 16);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long low = c.xmm[src], high = c.xmm[src + 1];
            c.xmm[src] = left ? SseShuffle.extract(0, 0, low, 128 - bits) : SseShuffle.extract(low, high, 0, bits);
            c.xmm[src + 1] = left ? SseShuffle.extract(0, low, high, 128 - bits) : SseShuffle.extract(high, 0, 0, bits);
        }
    }

    private static final class Test extends SseOp {
        Test(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            boolean zero = (x[dst] & x[src] | x[dst + 1] & x[src + 1]) == 0,
                    carry = (~x[dst] & x[src] | ~x[dst + 1] & x[src + 1]) == 0;
            Flags.set(c, (zero ? Cpu.ZF : 0) | (carry ? Cpu.CF : 0));
        }
    }

    private static final class MinimumPosition extends SseOp {
        MinimumPosition(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long best = 0x10000, position = 0;
            for (int i = 0; i < 8; i++) {
                long word = x[src + (i >> 2)] >>> (i & 3) * 16 & 0xffff;
                if (word < best) {
                    best = word;
                    position = i;
                }
            }
            x[dst] = best | position << 16;
            x[dst + 1] = 0;
        }
    }

    /**
     * MPSADBW: eight sums of four differences; imm bit 2 places the window in the destination, bits 1:0 the block in
     * the source.
     */
    private static final class SumsOfDifferences extends SseOp {
        private final int window, block;

        SumsOfDifferences(Insn i) {
            super(i);
            window = (int) i.imm >> 2 & 1;
            block = (int) i.imm & 3;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            long fixed = x[src + (block >> 1)] >>> (block & 1) * 32;
            long low = 0, high = 0;
            for (int i = 0; i < 8; i++) {
                long bytes = SseShuffle.extract(x[dst], x[dst + 1], 0, 8 * (i + 4 * window)), sum = 0;
                for (int k = 0; k < 32; k += 8) sum += Math.abs((bytes >>> k & 0xff) - (fixed >>> k & 0xff));
                if (i < 4) low |= sum << 16 * i;
                else high |= sum << 16 * (i - 4);
            }
            x[dst] = low;
            x[dst + 1] = high;
        }
    }
}
