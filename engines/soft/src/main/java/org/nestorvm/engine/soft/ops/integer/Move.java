package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.MemOp;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/** MOV and its relatives: extension, exchange, conditional moves, LEA, byte swaps. */
public final class Move {
    private Move() {}

    public static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "MOV" -> mov(i);
            case "MOVI" -> movi(i);
            case "MOVA" -> new Absolute(i);
            case "LEA" -> i.opSize == 8 ? new Lea64(i) : new Lea(i);
            case "MOVZX" -> extend(i, (i.opcode & 1) == 0 ? 1 : 2, false);
            case "MOVSX" -> extend(i, (i.opcode & 1) == 0 ? 1 : 2, true);
            case "MOVSXD" -> extend(i, Math.min(i.opSize, 4), true);
            case "XCHGA" -> xchgA(i);
            case "XCHG" -> new Xchg(i);
            case "XADD" -> new Xadd(i);
            case "CMPXCHG" -> new Cmpxchg(i);
            case "CMPXCHG8B" -> new Cmpxchg8b(i);
            case "BSWAP" -> bswap(i);
            case "CMOV" -> new Cmov(i);
            case "SETCC" -> new Setcc(i);
            case "XLAT" -> xlat(i);
            case "NOP" ->
                new Op(i) {
                    @Override
                    public void exec(Cpu c) {}
                };
            case "CLFLUSH" ->
                new MemOp(i) {
                    @Override
                    public void exec(Cpu c) {
                        c.load8(read(c, 1)); // caches are not modelled; the address is checked as for a read
                    }
                };
            case "MOVNTI" -> i.rexW() ? new Store64(i) : new Store32(i);
            case "MOVBE" -> new Movbe(i);
            default -> throw new IllegalStateException("no meaning for " + i.row);
        };
    }

    private static Op mov(Insn i) {
        int size = RmOp.size(i);
        char first = i.row.operands[0].charAt(0), second = i.row.operands[1].charAt(0);
        if (second == 'I') {
            if (i.isReg() && size >= 4) return new Constant(i, i.rm, size == 8 ? i.imm : i.imm & 0xffffffffL);
            if (!i.isReg() && size == 1) return new StoreImm8(i);
            if (!i.isReg() && size == 4) return new StoreImm32(i);
            if (!i.isReg() && size == 8) return new StoreImm64(i);
            return new StoreImm(i);
        }
        boolean load = first == 'G';
        if (i.isReg() && size == 8) return new Reg64(i, load ? i.reg : i.rm, load ? i.rm : i.reg);
        if (i.isReg() && size == 4) return new Reg32(i, load ? i.reg : i.rm, load ? i.rm : i.reg);
        if (!i.isReg() && size == 8) return load ? new Load64(i) : new Store64(i);
        if (!i.isReg() && size == 4) return load ? new Load32(i) : new Store32(i);
        if (!i.isReg() && size == 1 && !load && (i.hasRex || i.reg < 4)) return new Store8(i);
        return load ? new Load(i) : new Store(i);
    }

    private static Op movi(Insn i) {
        int reg = i.opcode & 7 | (i.rex & 1) << 3;
        if (i.row.byteOp) {
            boolean high = !i.hasRex && reg >= 4;
            int value = (int) i.imm;
            return new Op(i) {
                @Override
                public void exec(Cpu c) {
                    c.set8(reg, high, value);
                }
            };
        }
        if (i.opSize == 2) {
            int value = (int) i.imm;
            return new Op(i) {
                @Override
                public void exec(Cpu c) {
                    c.set16(reg, value);
                }
            };
        }
        return new Constant(i, reg, i.opSize == 8 ? i.imm : i.imm & 0xffffffffL);
    }

    private static final class Constant extends Op {
        private final int reg;
        private final long value;

        Constant(Insn i, int reg, long value) {
            super(i);
            this.reg = reg;
            this.value = value;
        }

        @Override
        public void exec(Cpu c) {
            c.r[reg] = value;
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    private static final class Reg64 extends Op {
        private final int to, from;

        Reg64(Insn i, int to, int from) {
            super(i);
            this.to = to;
            this.from = from;
        }

        @Override
        public void exec(Cpu c) {
            c.r[to] = c.r[from];
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    private static final class Reg32 extends Op {
        private final int to, from;

        Reg32(Insn i, int to, int from) {
            super(i);
            this.to = to;
            this.from = from;
        }

        @Override
        public void exec(Cpu c) {
            c.r[to] = c.r[from] & 0xffffffffL;
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    private static final class Load64 extends MemOp {
        private final int reg;

        Load64(Insn i) {
            super(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            c.r[reg] = c.load64(read(c, 8));
        }
    }

    private static final class Load32 extends MemOp {
        private final int reg;

        Load32(Insn i) {
            super(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            c.r[reg] = c.load32(read(c, 4)) & 0xffffffffL;
        }
    }

    private static final class Store64 extends MemOp {
        private final int reg;

        Store64(Insn i) {
            super(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            c.store64(write(c, 8), c.r[reg]);
        }
    }

    private static final class Store32 extends MemOp {
        private final int reg;

        Store32(Insn i) {
            super(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            c.store32(write(c, 4), (int) c.r[reg]);
        }
    }

    private static final class Load extends RmOp {
        Load(Insn i) {
            super(i, size(i));
        }

        @Override
        public void exec(Cpu c) {
            setReg(c, getRm(c));
        }
    }

    private static final class Store extends RmOp {
        Store(Insn i) {
            super(i, size(i));
        }

        @Override
        public void exec(Cpu c) {
            setRm(c, getReg(c));
        }
    }

    private static final class StoreImm8 extends MemOp {
        private final int imm;

        StoreImm8(Insn i) {
            super(i);
            imm = (int) i.imm;
        }

        @Override
        public void exec(Cpu c) {
            c.store8(write(c, 1), imm);
        }
    }

    private static final class StoreImm32 extends MemOp {
        private final int imm;

        StoreImm32(Insn i) {
            super(i);
            imm = (int) i.imm;
        }

        @Override
        public void exec(Cpu c) {
            c.store32(write(c, 4), imm);
        }
    }

    private static final class StoreImm64 extends MemOp {
        private final long imm;

        StoreImm64(Insn i) {
            super(i);
            imm = i.imm;
        }

        @Override
        public void exec(Cpu c) {
            c.store64(write(c, 8), imm);
        }
    }

    /** A byte register without high half, to memory. */
    private static final class Store8 extends MemOp {
        private final int reg;

        Store8(Insn i) {
            super(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            c.store8(write(c, 1), (int) c.r[reg]);
        }
    }

    private static final class StoreImm extends RmOp {
        private final long imm;

        StoreImm(Insn i) {
            super(i, size(i));
            imm = i.imm;
        }

        @Override
        public void exec(Cpu c) {
            setRm(c, imm);
        }
    }

    /** The accumulator and an absolute offset. */
    private static final class Absolute extends MemOp {
        private final int size;
        private final boolean load;

        Absolute(Insn i) {
            super(i);
            load = i.row.operands[1].charAt(0) == 'O';
            size = (i.opcode & 1) == 0 ? 1 : i.opSize;
        }

        @Override
        public void exec(Cpu c) {
            if (load) RmOp.set(c, Reg.RAX, size, false, c.load(read(c, size), size));
            else c.store(write(c, size), size, c.r[Reg.RAX]);
        }
    }

    private static final class Lea64 extends MemOp {
        private final int reg;

        Lea64(Insn i) {
            super(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            c.r[reg] = c.r[base] + (c.r[index] << scale) + disp & mask;
        }

        @Override
        public int memoryOperands() {
            return 0;
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    private static final class Lea extends RmOp {
        Lea(Insn i) {
            super(i, i.opSize);
        }

        @Override
        public void exec(Cpu c) {
            set(c, reg, size, false, offset(c));
        }

        @Override
        public int memoryOperands() {
            return 0;
        }
    }

    // ---- extension ----

    private static Op extend(Insn i, int from, boolean signed) {
        if (i.isReg() && i.opSize >= 4 && !(from == 1 && !i.hasRex && i.rm >= 4))
            return signed ? new SignExtend(i, from) : new ZeroExtend(i, from);
        if (i.isReg() || i.opSize == 2) return new Extend(i, from, signed);
        if (from == 1) return signed ? new Extend(i, 1, true) : new Movzx8(i);
        if (from == 4 && i.opSize == 8) return new Movsxd(i);
        return new Extend(i, from, signed);
    }

    private static final class Movzx8 extends MemOp {
        private final int reg;

        Movzx8(Insn i) {
            super(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            c.r[reg] = c.load8(read(c, 1));
        }
    }

    private static final class Movsxd extends MemOp {
        private final int reg;

        Movsxd(Insn i) {
            super(i);
            reg = i.reg;
        }

        @Override
        public void exec(Cpu c) {
            c.r[reg] = c.load32(read(c, 4));
        }
    }

    /** Register to register. */
    private static final class ZeroExtend extends Op {
        private final int to, from;
        private final long mask;

        ZeroExtend(Insn i, int size) {
            super(i);
            to = i.reg;
            from = i.rm;
            mask = -1L >>> 64 - 8 * size;
        }

        @Override
        public void exec(Cpu c) {
            c.r[to] = c.r[from] & mask;
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    private static final class SignExtend extends Op {
        private final int to, from, shift;
        private final long mask;

        SignExtend(Insn i, int size) {
            super(i);
            to = i.reg;
            from = i.rm;
            shift = 64 - 8 * size;
            mask = i.opSize == 8 ? -1L : 0xffffffffL;
        }

        @Override
        public void exec(Cpu c) {
            c.r[to] = c.r[from] << shift >> shift & mask;
        }

        @Override
        public boolean registersOnly() {
            return true;
        }
    }

    private static final class Extend extends RmOp {
        private final boolean signed;
        private final int to;

        Extend(Insn i, int from, boolean signed) {
            super(i, from);
            this.signed = signed;
            to = i.opSize;
        }

        @Override
        public void exec(Cpu c) {
            long v = getRm(c);
            set(c, reg, to, false, signed ? v : v << shift >>> shift);
        }
    }

    // ---- exchange ----

    private static Op xchgA(Insn i) {
        int reg = i.opcode & 7 | (i.rex & 1) << 3;
        int size = i.opSize;
        boolean nop = reg == 0;
        return new Op(i) {
            @Override
            public void exec(Cpu c) {
                if (nop) return;
                long a = c.r[Reg.RAX];
                RmOp.set(c, Reg.RAX, size, false, c.r[reg]);
                RmOp.set(c, reg, size, false, a);
            }
        };
    }

    private static final class Xchg extends RmOp {
        Xchg(Insn i) {
            super(i, size(i));
        }

        @Override
        public void exec(Cpu c) {
            long b = getReg(c);
            if (isReg) {
                long a = getRm(c);
                setRm(c, b);
                setReg(c, a);
            } else {
                setReg(c, Atomics.swap(c, write(c, size), size, b));
            }
        }
    }

    private static final class Xadd extends RmOp {
        private final boolean lock;

        Xadd(Insn i) {
            super(i, size(i));
            lock = i.lock;
        }

        @Override
        public void exec(Cpu c) {
            long b = getReg(c);
            long at = isReg ? 0 : write(c, size);
            long a;
            if (lock) a = Atomics.add(c, at, size, b) << shift >> shift;
            else a = isReg ? getRm(c) : c.loadForWrite(at, size) << shift >> shift;
            long x = Alu.compute(c, Alu.ADD, shift, a, b);
            setReg(c, a);
            if (isReg) setRm(c, x);
            else if (!lock) c.store(at, size, x);
        }
    }

    private static final class Cmpxchg extends RmOp {
        private final boolean lock;

        Cmpxchg(Insn i) {
            super(i, size(i));
            lock = i.lock;
        }

        @Override
        public void exec(Cpu c) {
            long expected = c.r[Reg.RAX] << shift >> shift;
            long now = getReg(c);
            long old;
            if (lock) {
                old = Atomics.compareExchange(c, write(c, size), size, expected << shift >>> shift, now)
                        << shift
                        >> shift;
            } else {
                old = getRmForWrite(c);
                if (old == expected) setRm(c, now);
                else if (!isReg) setRm(c, old); // a failed comparison writes back what was there
            }
            Alu.compute(c, Alu.CMP, shift, expected, old);
            if (old != expected) set(c, Reg.RAX, size, false, old);
        }
    }

    /** CMPXCHG8B and CMPXCHG16B. */
    private static final class Cmpxchg8b extends MemOp {
        private final boolean wide;

        Cmpxchg8b(Insn i) {
            super(i);
            wide = i.rexW();
        }

        @Override
        public void exec(Cpu c) {
            boolean equal;
            if (wide) {
                equal = exchange16(c);
            } else {
                long expected = c.r[Reg.RDX] << 32 | c.r[Reg.RAX] & 0xffffffffL,
                        now = c.r[Reg.RCX] << 32 | c.r[Reg.RBX] & 0xffffffffL;
                long old = Atomics.compareExchange(c, write(c, 8), 8, expected, now);
                equal = old == expected;
                if (!equal) {
                    c.r[Reg.RAX] = old & 0xffffffffL;
                    c.r[Reg.RDX] = old >>> 32;
                }
            }
            Flags.materialize(c);
            c.rflags = c.rflags & ~Cpu.ZF | (equal ? Cpu.ZF : 0);
        }

        private boolean exchange16(Cpu c) {
            long at = write(c, 16);
            if ((at & 15) != 0) throw c.gp(0);
            c.probeWrite(at, 16);
            Atomics.lock(c);
            try {
                long low = c.load64(at), high = c.load64(at + 8);
                boolean equal = low == c.r[Reg.RAX] && high == c.r[Reg.RDX];
                c.store64(at, equal ? c.r[Reg.RBX] : low);
                c.store64(at + 8, equal ? c.r[Reg.RCX] : high);
                if (!equal) {
                    c.r[Reg.RAX] = low;
                    c.r[Reg.RDX] = high;
                }
                return equal;
            } finally {
                Atomics.unlock(c);
            }
        }
    }

    private static Op bswap(Insn i) {
        int reg = i.opcode & 7 | (i.rex & 1) << 3;
        int size = i.opSize;
        return new Op(i) {
            @Override
            public void exec(Cpu c) {
                switch (size) {
                    case 8 -> c.r[reg] = Long.reverseBytes(c.r[reg]);
                    case 4 -> c.r[reg] = Integer.reverseBytes((int) c.r[reg]) & 0xffffffffL;
                    default -> c.set16(reg, 0); // undefined; processors clear it
                }
            }
        };
    }

    private static final class Movbe extends RmOp {
        private final boolean load;

        Movbe(Insn i) {
            super(i, i.opSize);
            load = i.row.operands[0].charAt(0) == 'G';
        }

        @Override
        public void exec(Cpu c) {
            long v = Long.reverseBytes(load ? getRm(c) : getReg(c)) >>> shift;
            if (load) setReg(c, v);
            else setRm(c, v);
        }
    }

    // ---- conditions ----

    private static final class Cmov extends RmOp {
        private final int code;

        Cmov(Insn i) {
            super(i, i.opSize);
            code = i.opcode & 15;
        }

        @Override
        public void exec(Cpu c) {
            long v = getRm(c); // read, and able to fault, whatever the condition
            if (Flags.condition(c, code)) setReg(c, v);
            else if (size == 4) c.r[reg] &= 0xffffffffL;
        }
    }

    private static final class Setcc extends RmOp {
        private final int code;

        Setcc(Insn i) {
            super(i, 1);
            code = i.opcode & 15;
        }

        @Override
        public void exec(Cpu c) {
            setRm(c, Flags.condition(c, code) ? 1 : 0);
        }
    }

    private static Op xlat(Insn i) {
        i.base = Reg.RBX;
        i.index = Reg.ZERO;
        return new MemOp(i) {
            @Override
            public void exec(Cpu c) {
                c.set8(Reg.RAX, false, c.load8(readAt(c, c.r[Reg.RBX] + (c.r[Reg.RAX] & 0xff), 1)));
            }
        };
    }
}
