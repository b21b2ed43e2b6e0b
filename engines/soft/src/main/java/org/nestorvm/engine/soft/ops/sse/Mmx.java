package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.Lane;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/** MMX instructions, and what SSE, SSE2 and SSSE3 added on MMX registers. The lanes are those of {@link Lane}. */
public final class Mmx {
    private Mmx() {}

    public static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "EMMS" -> new Empty(i);
            case "MOVD" -> i.row.operands[0].charAt(0) == 'E' ? new ToGeneral(i) : new FromGeneral(i);
            case "MOVQ" -> i.row.operands[0].charAt(0) == 'Q' ? new Store(i) : new Load(i);
            case "MOVNTQ" -> new Store(i);
            case "MASKMOVQ" -> new MaskedStore(i);
            case "PMOVMSKB" -> new MoveMask(i);
            case "PINSRW" -> new Insert(i);
            case "PEXTRW" -> new Extract(i);
            case "PSHUFW" -> new ShuffleWords(i);
            case "PSHUFB" -> new ShuffleBytes(i);
            case "PALIGNR" -> new Align(i);
            case "PUNPCKLBW", "PUNPCKLWD", "PUNPCKLDQ", "PUNPCKHBW", "PUNPCKHWD", "PUNPCKHDQ" -> new Unpack(i);
            case "PSRLW", "PSRLD", "PSRLQ", "PSRAW", "PSRAD", "PSLLW", "PSLLD", "PSLLQ" -> new Shift(i);
            case "PACKSSWB", "PACKUSWB", "PACKSSDW", "PHADDW", "PHADDD", "PHADDSW", "PHSUBW", "PHSUBD", "PHSUBSW" ->
                new Pairs(i);
            default -> new Vertical(i);
        };
    }

    private static final class Vertical extends MmxOp {
        private final Lane lane;

        Vertical(Insn i) {
            super(i);
            lane = Lane.valueOf(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long b = source(c, 8);
            result(c, Lane.apply(lane, c.fpMantissa[dst], b));
        }
    }

    private static final class Pairs extends MmxOp {
        private final Lane.Pair pair;

        Pairs(Insn i) {
            super(i);
            pair = Lane.Pair.valueOf(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long b = source(c, 8);
            result(c, Lane.pair(pair, c.fpMantissa[dst], b));
        }
    }

    private static final class Unpack extends MmxOp {
        private final boolean high;
        private final int width;

        Unpack(Insn i) {
            super(i);
            high = i.row.mnemonic.charAt(6) == 'H';
            width = switch (i.row.mnemonic.charAt(7)) {
                case 'B' -> 8;
                case 'W' -> 16;
                default -> 32;
            };
        }

        @Override
        public void exec(Cpu c) {
            long b = source(c, high ? 8 : 4), a = c.fpMantissa[dst];
            result(c, high ? Lane.interleave(a >>> 32, b >>> 32, width) : Lane.interleave(a, b, width));
        }
    }

    private static final class Shift extends MmxOp {
        private final boolean immediate;
        private final int width;
        private final long count;
        private final char direction;

        Shift(Insn i) {
            super(i);
            immediate = i.row.digit >= 0;
            count = i.imm & 0xff;
            width = SseInteger.shiftWidth(i.row.mnemonic);
            direction = SseInteger.shiftDirection(i.row.mnemonic);
        }

        @Override
        public void exec(Cpu c) {
            long source = source(c, 8);
            int target = immediate ? src : dst;
            long value = SseInteger.shift(direction, c.fpMantissa[target], immediate ? count : source, width);
            enter(c);
            set(c, target, value);
        }
    }

    private static final class ShuffleWords extends MmxOp {
        private final int order;

        ShuffleWords(Insn i) {
            super(i);
            order = (int) i.imm & 0xff;
        }

        @Override
        public void exec(Cpu c) {
            result(c, SseShuffle.shuffleWords(source(c, 8), order));
        }
    }

    private static final class ShuffleBytes extends MmxOp {
        ShuffleBytes(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long order = source(c, 8), a = c.fpMantissa[dst], shuffled = 0;
            for (int i = 0; i < 64; i += 8) {
                int n = (int) (order >>> i);
                if ((n & 0x80) == 0) shuffled |= (a >>> (n & 7) * 8 & 0xff) << i;
            }
            result(c, shuffled);
        }
    }

    private static final class Align extends MmxOp {
        private final int bits;

        Align(Insn i) {
            super(i);
            bits = 8 * Math.min((int) i.imm & 0xff, 16);
        }

        @Override
        public void exec(Cpu c) {
            long b = source(c, 8);
            result(c, SseShuffle.extract(b, c.fpMantissa[dst], 0, bits));
        }
    }

    private static final class Load extends MmxOp {
        Load(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            result(c, source(c, 8));
        }
    }

    private static final class Store extends MmxOp {
        Store(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long value = c.fpMantissa[dst];
            if (memory) c.store64(write(c, 8), value);
            enter(c);
            if (!memory) set(c, src, value);
        }
    }

    private static final class FromGeneral extends MmxOp {
        private final boolean wide;
        private final int general;

        FromGeneral(Insn i) {
            super(i);
            wide = i.rexW();
            general = i.rm;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long value;
            if (memory) value = wide ? c.load64(read(c, 8)) : c.load32(read(c, 4));
            else value = c.r[general];
            result(c, wide ? value : value & 0xffffffffL);
        }
    }

    private static final class ToGeneral extends MmxOp {
        private final boolean wide;
        private final int general;

        ToGeneral(Insn i) {
            super(i);
            wide = i.rexW();
            general = i.rm;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long value = c.fpMantissa[dst];
            if (!memory) c.r[general] = wide ? value : value & 0xffffffffL;
            else if (wide) c.store64(write(c, 8), value);
            else c.store32(write(c, 4), (int) value);
            enter(c);
        }
    }

    private static final class MaskedStore extends MmxOp {
        MaskedStore(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            SseMove.maskedStore(c, this, c.fpMantissa[dst], 0, Lane.signs8(c.fpMantissa[src]), 8);
            enter(c);
        }
    }

    private static final class MoveMask extends MmxOp {
        private final int general;

        MoveMask(Insn i) {
            super(i);
            general = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            enter(c);
            c.r[general] = Lane.signs8(c.fpMantissa[src]);
        }
    }

    private static final class Insert extends MmxOp {
        private final int shift, general;

        Insert(Insn i) {
            super(i);
            shift = ((int) i.imm & 3) * 16;
            general = i.rm;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long value = memory ? c.load16(read(c, 2)) : c.r[general];
            result(c, Lane.select(0xffffL << shift, value << shift, c.fpMantissa[dst]));
        }
    }

    private static final class Extract extends MmxOp {
        private final int shift, general;

        Extract(Insn i) {
            super(i);
            shift = ((int) i.imm & 3) * 16;
            general = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            enter(c);
            c.r[general] = c.fpMantissa[src] >>> shift & 0xffff;
        }
    }

    private static final class Empty extends MmxOp {
        Empty(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.fpUsed = 0;
            c.fpTop = 0;
        }
    }
}
