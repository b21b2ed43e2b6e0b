package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.Lane;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;

/** One lane in, one lane out: PINSRx, PEXTRx, INSERTPS, EXTRACTPS. */
final class SseInsert {
    private SseInsert() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "PINSRB" -> new Insert(i, 1);
            case "PINSRW" -> new Insert(i, 2);
            case "PINSRD" -> new Insert(i, i.rexW() ? 8 : 4);
            case "INSERTPS" -> new InsertSingle(i);
            case "PEXTRB" -> new Extract(i, 1);
            // The older encoding, 0F C5, has its XMM register in rm and the general one in reg.
            case "PEXTRW" -> i.opcode == 0xc5 ? new ExtractWord(i) : new Extract(i, 2);
            case "EXTRACTPS" -> new Extract(i, 4);
            default -> new Extract(i, i.rexW() ? 8 : 4);
        };
    }

    private static final class Insert extends SseOp {
        private final int size, half, shift, reg;
        private final long mask;

        Insert(Insn i, int size) {
            super(i);
            this.size = size;
            reg = i.rm;
            int bit = ((int) i.imm * size & 15) * 8;
            half = bit >> 6;
            shift = bit & 63;
            mask = -1L >>> 64 - size * 8 << shift;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long value = memory ? c.load(read(c, size), size) : c.r[reg];
            c.xmm[dst + half] = Lane.select(mask, value << shift, c.xmm[dst + half]);
        }
    }

    private static final class Extract extends SseOp {
        private final int size, half, shift, reg;

        Extract(Insn i, int size) {
            super(i);
            this.size = size;
            reg = i.rm;
            int bit = ((int) i.imm * size & 15) * 8;
            half = bit >> 6;
            shift = bit & 63;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            long value = c.xmm[dst + half] >>> shift & -1L >>> 64 - size * 8;
            if (memory) c.store(write(c, size), size, value);
            else c.r[reg] = value;
        }
    }

    private static final class ExtractWord extends SseOp {
        private final int half, shift, reg;

        ExtractWord(Insn i) {
            super(i);
            reg = i.reg;
            half = (int) i.imm >> 2 & 1;
            shift = ((int) i.imm & 3) * 16;
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            c.r[reg] = c.xmm[src + half] >>> shift & 0xffff;
        }
    }

    private static final class InsertSingle extends SseOp {
        private final int from, to, zero;

        InsertSingle(Insn i) {
            super(i);
            from = memory ? 0 : (int) i.imm >> 6 & 3;
            to = (int) i.imm >> 4 & 3;
            zero = (int) i.imm & 15;
        }

        @Override
        public void exec(Cpu c) {
            long[] x = source32(c);
            long value = SseShuffle.doubleword(x[src], x[src + 1], from);
            for (int n = 0; n < 4; n++) {
                int half = dst + (n >> 1), shift = (n & 1) * 32;
                long lane = (zero >> n & 1) != 0 ? 0 : n == to ? value : x[half] >>> shift & 0xffffffffL;
                x[half] = x[half] & ~(0xffffffffL << shift) | lane << shift;
            }
        }
    }
}
