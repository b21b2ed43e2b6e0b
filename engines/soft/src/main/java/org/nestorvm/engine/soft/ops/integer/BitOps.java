package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/** Bit tests, scans and counts, CRC32. */
public final class BitOps {
    private BitOps() {}

    public static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "BT" -> new Bit(i, -1);
            case "BTS" -> new Bit(i, 0);
            case "BTR" -> new Bit(i, 1);
            case "BTC" -> new Bit(i, 2);
            case "POPCNT" -> new Popcnt(i);
            case "BSF" -> new Scan(i, true);
            case "BSR" -> new Scan(i, false);
            default -> new Crc32(i);
        };
    }

    /** With a register as the bit number, memory is a string of bits that reaches 2^63 both ways from the operand. */
    private static final class Bit extends RmOp {
        /** -1 test only; 0 set, 1 reset, 2 complement. */
        private final int kind;

        private final boolean immediate, lock;
        private final int imm;

        Bit(Insn i, int kind) {
            super(i, i.opSize);
            this.kind = kind;
            immediate = i.row.operands[1].equals("Ib");
            imm = (int) i.imm;
            lock = i.lock;
        }

        @Override
        public void exec(Cpu c) {
            long number = immediate ? imm : getReg(c);
            int n = (int) number & 8 * size - 1;
            long mask = 1L << n;
            long old;
            if (isReg) {
                old = getRm(c);
                if (kind >= 0) setRm(c, Atomics.bits(kind, old, mask));
            } else {
                long offset = offset(c);
                if (!immediate) offset += (number >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
                old = memory(c, offset, mask);
            }
            Flags.carry(c, old >>> n & 1);
        }

        private long memory(Cpu c, long offset, long mask) {
            if (kind < 0) return c.load(readAt(c, offset, size), size);
            long at = writeAt(c, offset, size);
            if (lock) return Atomics.bit(c, at, size, kind, mask);
            long old = c.loadForWrite(at, size);
            c.store(at, size, Atomics.bits(kind, old, mask));
            return old;
        }
    }

    private static final class Popcnt extends RmOp {
        Popcnt(Insn i) {
            super(i, i.opSize);
        }

        @Override
        public void exec(Cpu c) {
            long v = getRm(c) << shift >>> shift;
            setReg(c, Long.bitCount(v));
            Flags.set(c, v == 0 ? Cpu.ZF : 0);
        }
    }

    /** BSF and BSR leave the destination as it is when the source is 0, as all processors do. */
    private static final class Scan extends RmOp {
        private final boolean forward;

        Scan(Insn i, boolean forward) {
            super(i, i.opSize);
            this.forward = forward;
        }

        @Override
        public void exec(Cpu c) {
            long v = getRm(c) << shift >>> shift;
            if (v == 0) {
                Flags.set(c, Flags.status(c) | Cpu.ZF);
                return;
            }
            setReg(c, forward ? Long.numberOfTrailingZeros(v) : 63 - Long.numberOfLeadingZeros(v));
            Flags.set(c, Flags.status(c) & ~Cpu.ZF);
        }
    }

    /** CRC-32C, bit by bit through a table. */
    private static final class Crc32 extends RmOp {
        private static final int[] TABLE = new int[256];

        static {
            for (int n = 0; n < 256; n++) {
                int r = n;
                for (int k = 0; k < 8; k++) r = (r & 1) != 0 ? r >>> 1 ^ 0x82f63b78 : r >>> 1;
                TABLE[n] = r;
            }
        }

        Crc32(Insn i) {
            super(i, i.opcode == 0xf0 ? 1 : i.opSize, 4);
        }

        @Override
        public void exec(Cpu c) {
            long v = getRm(c);
            int crc = (int) c.r[reg];
            for (int n = 0; n < size; n++) crc = TABLE[(crc ^ (int) (v >>> 8 * n)) & 0xff] ^ crc >>> 8;
            c.r[reg] = crc & 0xffffffffL;
        }
    }
}
