package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.number.Lane;
import org.nestorvm.engine.soft.ops.MemOp;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * Moves between XMM registers, memory, general registers and MMX registers; SDM vol. 2, by mnemonic. Hints
 * (non-temporal) have no effect.
 */
final class SseMove {
    private SseMove() {}

    static Op make(Insn i) {
        boolean store = i.row.operands[0].charAt(0) == 'W' || i.row.operands[0].charAt(0) == 'M';
        return switch (i.row.mnemonic) {
            case "MOVAPS", "MOVAPD", "MOVDQA", "MOVNTPS", "MOVNTPD", "MOVNTDQ", "MOVNTDQA" ->
                i.isReg() ? new Copy(i, store) : store ? new StoreAligned(i) : new LoadAligned(i);
            case "MOVUPS", "MOVUPD", "MOVDQU", "LDDQU" ->
                i.isReg() ? new Copy(i, store) : store ? new StoreUnaligned(i) : new LoadUnaligned(i);
            case "MOVQ" -> i.isReg() ? new CopyQ(i, store) : store ? new StoreLow(i) : new LoadQ(i);
            case "MOVSD" -> i.isReg() ? new CopySd(i, store) : store ? new StoreLow(i) : new LoadQ(i);
            case "MOVSS" -> i.isReg() ? new CopySs(i, store) : store ? new StoreSs(i) : new LoadSs(i);
            case "MOVLPS", "MOVLPD" -> store ? new StoreLow(i) : new LoadLow(i);
            case "MOVHPS", "MOVHPD" -> store ? new StoreHigh(i) : new LoadHigh(i);
            case "MOVHLPS" -> new HighToLow(i);
            case "MOVLHPS" -> new LowToHigh(i);
            case "MOVD" -> i.row.operands[0].charAt(0) == 'E' ? new ToGeneral(i) : new FromGeneral(i);
            case "MOVSLDUP", "MOVSHDUP" -> new Duplicate(i);
            case "MOVDDUP" -> new DuplicateQ(i);
            case "PMOVMSKB" -> new MoveMaskB(i);
            case "MOVMSKPS", "MOVMSKPD" -> new MoveMask(i);
            case "MASKMOVDQU" -> new MaskedStore(i);
            default -> new MmxMove(i);
        };
    }

    private static final class Copy extends SseOp {
        private final int from, to;

        Copy(Insn i, boolean store) {
            super(i);
            from = store ? dst : src;
            to = store ? src : dst;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long[] x = c.xmm;
            x[to] = x[from];
            x[to + 1] = x[from + 1];
        }
    }

    private static final class LoadAligned extends SseOp {
        LoadAligned(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = aligned(c, read(c, 16)), low = c.load64(linear);
            c.xmm[dst + 1] = c.load64(linear + 8);
            c.xmm[dst] = low;
        }
    }

    private static final class LoadUnaligned extends SseOp {
        LoadUnaligned(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long linear = read(c, 16), low = c.load64(linear);
            c.xmm[dst + 1] = c.load64(linear + 8);
            c.xmm[dst] = low;
        }
    }

    private static final class StoreAligned extends SseOp {
        StoreAligned(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            store128(c, aligned(c, write(c, 16)), c.xmm[dst], c.xmm[dst + 1]);
        }
    }

    private static final class StoreUnaligned extends SseOp {
        StoreUnaligned(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            store128(c, write(c, 16), c.xmm[dst], c.xmm[dst + 1]);
        }
    }

    private static final class CopyQ extends SseOp {
        private final int from, to;

        CopyQ(Insn i, boolean store) {
            super(i);
            from = store ? dst : src;
            to = store ? src : dst;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.xmm[to] = c.xmm[from];
            c.xmm[to + 1] = 0;
        }
    }

    private static final class CopySd extends SseOp {
        private final int from, to;

        CopySd(Insn i, boolean store) {
            super(i);
            from = store ? dst : src;
            to = store ? src : dst;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.xmm[to] = c.xmm[from];
        }
    }

    private static final class CopySs extends SseOp {
        private final int from, to;

        CopySs(Insn i, boolean store) {
            super(i);
            from = store ? dst : src;
            to = store ? src : dst;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.xmm[to] = low32(c.xmm[to], c.xmm[from]);
        }
    }

    /** MOVQ and MOVSD from memory: the rest of the register becomes zero. */
    private static final class LoadQ extends SseOp {
        LoadQ(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.xmm[dst] = c.load64(read(c, 8));
            c.xmm[dst + 1] = 0;
        }
    }

    private static final class LoadSs extends SseOp {
        LoadSs(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.xmm[dst] = c.load32(read(c, 4)) & 0xffffffffL;
            c.xmm[dst + 1] = 0;
        }
    }

    private static final class StoreSs extends SseOp {
        StoreSs(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.store32(write(c, 4), (int) c.xmm[dst]);
        }
    }

    private static final class LoadLow extends SseOp {
        LoadLow(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.xmm[dst] = c.load64(read(c, 8));
        }
    }

    private static final class LoadHigh extends SseOp {
        LoadHigh(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.xmm[dst + 1] = c.load64(read(c, 8));
        }
    }

    private static final class StoreLow extends SseOp {
        StoreLow(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.store64(write(c, 8), c.xmm[dst]);
        }
    }

    private static final class StoreHigh extends SseOp {
        StoreHigh(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.store64(write(c, 8), c.xmm[dst + 1]);
        }
    }

    private static final class HighToLow extends SseOp {
        HighToLow(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.xmm[dst] = c.xmm[src + 1];
        }
    }

    private static final class LowToHigh extends SseOp {
        LowToHigh(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.xmm[dst + 1] = c.xmm[src];
        }
    }

    private static final class FromGeneral extends SseOp {
        private final boolean wide;
        private final int reg;

        FromGeneral(Insn i) {
            super(i);
            wide = i.rexW();
            reg = i.rm;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long value;
            if (memory) value = wide ? c.load64(read(c, 8)) : c.load32(read(c, 4));
            else value = c.r[reg];
            c.xmm[dst] = wide ? value : value & 0xffffffffL;
            c.xmm[dst + 1] = 0;
        }
    }

    private static final class ToGeneral extends SseOp {
        private final boolean wide;
        private final int reg;

        ToGeneral(Insn i) {
            super(i);
            wide = i.rexW();
            reg = i.rm;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long value = c.xmm[dst];
            if (!memory) c.r[reg] = wide ? value : value & 0xffffffffL;
            else if (wide) c.store64(write(c, 8), value);
            else c.store32(write(c, 4), (int) value);
        }
    }

    private static final class Duplicate extends SseOp {
        private final boolean high;

        Duplicate(Insn i) {
            super(i);
            high = i.row.mnemonic.equals("MOVSHDUP");
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source(c);
            x[dst] = twice(x[src], high);
            x[dst + 1] = twice(x[src + 1], high);
        }

        private static long twice(long v, boolean high) {
            return high ? v & 0xffffffff00000000L | v >>> 32 : v & 0xffffffffL | v << 32;
        }
    }

    private static final class DuplicateQ extends SseOp {
        DuplicateQ(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source64(c);
            x[dst] = x[src];
            x[dst + 1] = x[src];
        }
    }

    private static final class MoveMaskB extends SseOp {
        private final int reg;

        MoveMaskB(Insn i) {
            super(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.r[reg] = Lane.signs8(c.xmm[src]) | Lane.signs8(c.xmm[src + 1]) << 8;
        }
    }

    private static final class MoveMask extends SseOp {
        private final int reg;
        private final boolean single;

        MoveMask(Insn i) {
            super(i);
            reg = i.reg;
            single = i.row.mnemonic.equals("MOVMSKPS");
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long low = c.xmm[src], high = c.xmm[src + 1];
            c.r[reg] = single ? Lane.signs32(low) | Lane.signs32(high) << 2 : low >>> 63 | high >>> 63 << 1;
        }
    }

    /** MASKMOVDQU: the bytes whose mask has its top bit set go to [rDI]. */
    private static final class MaskedStore extends SseOp {
        MaskedStore(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            maskedStore(
                    c,
                    this,
                    c.xmm[dst],
                    c.xmm[dst + 1],
                    Lane.signs8(c.xmm[src]) | Lane.signs8(c.xmm[src + 1]) << 8,
                    16);
        }
    }

    /**
     * The bytes of {@code low} and {@code high} with a bit in {@code mask} go to [rDI]; nothing is written if one of
     * them cannot be.
     */
    static void maskedStore(Cpu c, MemOp op, long low, long high, long mask, int size) {
        if (mask == 0) return;
        long linear = op.writeAt(c, c.r[Reg.RDI], size);
        for (int i = 0; i < size; i++) if ((mask >>> i & 1) != 0) c.probeWrite(linear + i, 1);
        for (int i = 0; i < size; i++)
            if ((mask >>> i & 1) != 0) c.store8(linear + i, (int) ((i < 8 ? low : high) >>> (i & 7) * 8) & 0xff);
    }

    /** MOVDQ2Q and MOVQ2DQ: SSE instructions that are MMX instructions as well. */
    private static final class MmxMove extends SseOp {
        private final boolean toMmx;
        private final int reg, rm;

        MmxMove(Insn i) {
            super(i);
            toMmx = i.row.mnemonic.equals("MOVDQ2Q");
            reg = i.reg & 7;
            rm = i.rm & 7;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            MmxOp.enter(c);
            if (toMmx) {
                MmxOp.set(c, reg, c.xmm[src]);
            } else {
                c.xmm[dst] = c.fpMantissa[rm];
                c.xmm[dst + 1] = 0;
            }
        }
    }
}
