package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.memory.sys.HostMemory;

/**
 * MOVS, STOS, LODS, CMPS, SCAS, alone and repeated. A repeated instruction is executed in pieces: whole runs of memory
 * up to the next page border where nothing stands against it, single elements otherwise; between pieces the registers
 * say how far it is, so that a fault or an interrupt finds it restartable.
 */
public final class Strings {
    private static final int PIECE = 512;

    private Strings() {}

    public static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "MOVS" -> new Movs(i);
            case "STOS" -> new Stos(i);
            case "LODS" -> new Lods(i);
            case "CMPS" -> new Compare(i, true);
            default -> new Compare(i, false);
        };
    }

    /** What string instructions share with INS and OUTS: registers of the address size, direction, repetition. */
    public abstract static class StringOp extends Op {
        public final int size, addrSize, sourceSeg;
        public final long mask;
        public final boolean rep, flat, code64;

        public StringOp(Insn i, int size) {
            super(i);
            this.size = size;
            addrSize = i.addrSize;
            mask = i.addressMask();
            rep = i.rep != 0;
            code64 = i.code64();
            flat = code64;
            sourceSeg = code64 && i.seg != Reg.FS && i.seg != Reg.GS ? Reg.FLAT : i.seg;
        }

        public final long source(Cpu c) {
            long offset = c.r[Reg.RSI] & mask;
            return flat ? offset + c.segBase[sourceSeg] : c.segmentRead(sourceSeg, offset, size);
        }

        public final long destination(Cpu c) {
            long offset = c.r[Reg.RDI] & mask;
            return flat ? offset : c.segmentWrite(Reg.ES, offset, size);
        }

        final long destinationRead(Cpu c) {
            long offset = c.r[Reg.RDI] & mask;
            return flat ? offset : c.segmentRead(Reg.ES, offset, size);
        }

        public final void advance(Cpu c, int reg, long bytes) {
            RmOp.set(c, reg, addrSize, false, c.r[reg] + bytes);
        }

        public final long step(Cpu c) {
            return (c.rflags & Cpu.DF) != 0 ? -size : size;
        }

        final long count(Cpu c) {
            return c.r[Reg.RCX] & mask;
        }

        final void countDown(Cpu c, long n) {
            RmOp.set(c, Reg.RCX, addrSize, false, c.r[Reg.RCX] - n);
        }

        /** Elements from {@code linear} up to the page's end, at least 0. */
        final long roomFor(long linear) {
            return (4096 - (linear & 0xfff)) / size;
        }

        /** Bulk needs upward direction, no segment limits in the way, no single step. */
        final boolean bulk(Cpu c) {
            return flat && (c.rflags & (Cpu.DF | Cpu.TF)) == 0 && !c.dataBreakpoints;
        }

        public abstract void one(Cpu c);

        /** Does as much as is cheap in one go, or one element. Leaves the count behind. */
        void piece(Cpu c) {
            int limit = (c.rflags & Cpu.TF) != 0 ? 1 : PIECE;
            for (int n = 0; n < limit && count(c) != 0; n++) {
                one(c);
                countDown(c, 1);
                if (stop(c)) return;
                if (c.limit == 0) return; // the instruction has overwritten code, perhaps its own
            }
        }

        /** A REPE or REPNE condition ended the repetition. */
        boolean stop(Cpu c) {
            return false;
        }

        @Override
        public void exec(Cpu c) {
            long ip = c.r[Reg.RIP];
            if (!rep) {
                one(c);
                c.r[Reg.RIP] = ip + end & c.ipMask;
                return;
            }
            if (count(c) == 0) {
                c.r[Reg.RIP] = ip + end & c.ipMask;
                return;
            }
            piece(c);
            boolean done = count(c) == 0 || stopped(c);
            // Between two iterations RF is set, so that an instruction breakpoint hits once: SDM vol. 3B, 17.3.1.1.
            c.rflags = done ? c.rflags & ~Cpu.RF : c.rflags | Cpu.RF;
            c.r[Reg.RIP] = ip + (done ? end : start) & c.ipMask;
        }

        boolean stopped(Cpu c) {
            return false;
        }

        @Override
        public boolean setsIp() {
            return true;
        }
    }

    private static int size(Insn i) {
        return (i.opcode & 1) == 0 ? 1 : i.opSize;
    }

    private static final class Movs extends StringOp {
        Movs(Insn i) {
            super(i, size(i));
        }

        @Override
        public void one(Cpu c) {
            long from = source(c), to = destination(c);
            c.store(to, size, c.load(from, size));
            long step = step(c);
            advance(c, Reg.RSI, step);
            advance(c, Reg.RDI, step);
        }

        @Override
        void piece(Cpu c) {
            if (bulk(c)) {
                long from = source(c), to = destination(c);
                long n = Math.min(count(c), Math.min(roomFor(from), roomFor(to)));
                if (n > 0) {
                    int bytes = (int) n * size;
                    long hostFrom = c.mmu.hostForRead(from, bytes),
                            hostTo = hostFrom == 0 ? 0 : c.mmu.hostForWrite(to, bytes);
                    if (hostTo != 0) {
                        if (hostTo > hostFrom && hostTo - hostFrom < bytes) overlapping(hostFrom, hostTo, (int) n);
                        else HostMemory.copy(hostFrom, hostTo, bytes);
                        advance(c, Reg.RSI, bytes);
                        advance(c, Reg.RDI, bytes);
                        countDown(c, n);
                        return;
                    }
                }
            }
            super.piece(c);
        }

        /** Upward, element by element: what was written is read again. */
        private void overlapping(long from, long to, int n) {
            for (int i = 0; i < n * size; i += size) {
                switch (size) {
                    case 1 -> HostMemory.putByte(to + i, HostMemory.getByte(from + i));
                    case 2 -> HostMemory.putShort(to + i, HostMemory.getShort(from + i));
                    case 4 -> HostMemory.putInt(to + i, HostMemory.getInt(from + i));
                    default -> HostMemory.putLong(to + i, HostMemory.getLong(from + i));
                }
            }
        }
    }

    private static final class Stos extends StringOp {
        Stos(Insn i) {
            super(i, size(i));
        }

        @Override
        public void one(Cpu c) {
            c.store(destination(c), size, c.r[Reg.RAX]);
            advance(c, Reg.RDI, step(c));
        }

        @Override
        void piece(Cpu c) {
            if (bulk(c)) {
                long to = destination(c);
                long n = Math.min(count(c), roomFor(to));
                if (n > 0) {
                    int bytes = (int) n * size;
                    long host = c.mmu.hostForWrite(to, bytes);
                    if (host != 0) {
                        fill(host, bytes, c.r[Reg.RAX]);
                        advance(c, Reg.RDI, bytes);
                        countDown(c, n);
                        return;
                    }
                }
            }
            super.piece(c);
        }

        private void fill(long host, int bytes, long value) {
            long pattern = switch (size) {
                case 1 -> (value & 0xff) * 0x0101010101010101L;
                case 2 -> (value & 0xffff) * 0x0001000100010001L;
                case 4 -> (value & 0xffffffffL) * 0x0000000100000001L;
                default -> value;
            };
            if (Long.rotateRight(pattern, 8) == pattern) {
                HostMemory.fill(host, bytes, (byte) pattern);
                return;
            }
            int i = 0;
            for (; i + 8 <= bytes; i += 8) HostMemory.putLong(host + i, pattern);
            for (; i < bytes; i++) HostMemory.putByte(host + i, (byte) (pattern >>> 8 * (i & 7)));
        }
    }

    private static final class Lods extends StringOp {
        Lods(Insn i) {
            super(i, size(i));
        }

        @Override
        public void one(Cpu c) {
            RmOp.set(c, Reg.RAX, size, false, c.load(source(c), size));
            advance(c, Reg.RSI, step(c));
        }
    }

    /** CMPS and SCAS, with REPE and REPNE. */
    private static final class Compare extends StringOp {
        private final boolean both, whileEqual;
        private final int shift;

        Compare(Insn i, boolean both) {
            super(i, size(i));
            this.both = both;
            whileEqual = i.rep == 0xf3;
            shift = 64 - 8 * size;
        }

        @Override
        public void one(Cpu c) {
            long a = (both ? c.load(source(c), size) : c.r[Reg.RAX]) << shift >> shift;
            long b = c.load(destinationRead(c), size) << shift >> shift;
            long step = step(c);
            if (both) advance(c, Reg.RSI, step);
            advance(c, Reg.RDI, step);
            Alu.compute(c, Alu.CMP, shift, a, b);
        }

        @Override
        boolean stop(Cpu c) {
            return Flags.zero(c) != whileEqual;
        }

        @Override
        boolean stopped(Cpu c) {
            return stop(c);
        }
    }
}
