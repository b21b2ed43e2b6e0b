package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.engine.soft.state.Stack;

/** PUSH and POP in all their forms, ENTER and LEAVE. */
public final class StackOps {
    private StackOps() {}

    public static Op make(Insn i) {
        int size = i.opSize;
        int reg = i.opcode & 7 | (i.rex & 1) << 3;
        boolean fast = i.code64() && size == 8;
        return switch (i.row.mnemonic) {
            case "PUSH" ->
                switch (i.row.operands[0].charAt(0)) {
                    case 'Z' -> fast ? new Push64(i, reg) : new PushReg(i, reg);
                    case 'I' -> new PushImm(i);
                    default -> new PushRm(i);
                };
            case "POP" ->
                i.row.operands[0].charAt(0) == 'Z' ? fast ? new Pop64(i, reg) : new PopReg(i, reg) : new PopRm(i);
            case "PUSHA" ->
                new StackOp(i) {
                    @Override
                    public void exec(Cpu c) {
                        pushAll(c, size);
                    }
                };
            case "POPA" ->
                new StackOp(i) {
                    @Override
                    public void exec(Cpu c) {
                        popAll(c, size);
                    }
                };
            case "PUSHF" ->
                new StackOp(i) {
                    @Override
                    public void exec(Cpu c) {
                        if (c.virtual8086() && c.iopl() < 3) throw c.gp(0);
                        Stack.push(c, size, Flags.rflags(c) & ~(Cpu.VM | Cpu.RF));
                    }
                };
            case "POPF" ->
                new StackOp(i) {
                    @Override
                    public void exec(Cpu c) {
                        if (c.virtual8086() && c.iopl() < 3) throw c.gp(0);
                        long mask = Flags.writable(c, size) & ~Cpu.RF;
                        if (c.virtual8086()) mask &= ~(Cpu.IOPL | Cpu.VIF | Cpu.VIP);
                        long value = Stack.pop(c, size);
                        Flags.write(c, value, mask & ~(Cpu.VIF | Cpu.VIP));
                    }
                };
            case "ENTER" -> new Enter(i);
            default -> new Leave(i);
        };
    }

    private abstract static class StackOp extends Op {
        StackOp(Insn i) {
            super(i);
        }

        @Override
        public boolean stackAccess() {
            return true;
        }

        @Override
        public int memoryOperands() {
            return 1;
        }
    }

    private static final class Push64 extends StackOp {
        private final int reg;

        Push64(Insn i, int reg) {
            super(i);
            this.reg = reg;
        }

        @Override
        public void exec(Cpu c) {
            long sp = c.r[Reg.RSP] - 8;
            c.store64(sp, c.r[reg]);
            c.r[Reg.RSP] = sp;
        }
    }

    private static final class Pop64 extends StackOp {
        private final int reg;

        Pop64(Insn i, int reg) {
            super(i);
            this.reg = reg;
        }

        @Override
        public void exec(Cpu c) {
            long sp = c.r[Reg.RSP];
            long v = c.load64(sp);
            c.r[Reg.RSP] = sp + 8;
            c.r[reg] = v;
        }
    }

    private static final class PushReg extends StackOp {
        private final int reg, size;

        PushReg(Insn i, int reg) {
            super(i);
            this.reg = reg;
            size = i.opSize;
        }

        @Override
        public void exec(Cpu c) {
            Stack.push(c, size, c.r[reg]);
        }
    }

    private static final class PopReg extends StackOp {
        private final int reg, size;

        PopReg(Insn i, int reg) {
            super(i);
            this.reg = reg;
            size = i.opSize;
        }

        @Override
        public void exec(Cpu c) {
            RmOp.set(c, reg, size, false, Stack.pop(c, size));
        }
    }

    private static final class PushImm extends StackOp {
        private final int size;
        private final long imm;

        PushImm(Insn i) {
            super(i);
            size = i.opSize;
            imm = i.imm;
        }

        @Override
        public void exec(Cpu c) {
            Stack.push(c, size, imm);
        }
    }

    private static final class PushRm extends RmOp {
        PushRm(Insn i) {
            super(i, i.opSize);
        }

        @Override
        public void exec(Cpu c) {
            Stack.push(c, size, getRm(c));
        }
    }

    /** The address of a memory operand is computed with the stack pointer as it is after the pop. */
    private static final class PopRm extends RmOp {
        PopRm(Insn i) {
            super(i, i.opSize);
        }

        @Override
        public void exec(Cpu c) {
            long before = c.r[Reg.RSP];
            long value = Stack.pop(c, size);
            try {
                setRm(c, value);
            } catch (GuestFault f) {
                c.r[Reg.RSP] = before;
                throw f;
            }
        }
    }

    private static void pushAll(Cpu c, int size) {
        long sp = c.r[Reg.RSP];
        for (int n = 0; n < 8; n++)
            c.store(Stack.address(c, sp - (long) size * (n + 1) & c.spMask, size, true), size, c.r[n]);
        Stack.setSp(c, sp - 8L * size);
    }

    private static void popAll(Cpu c, int size) {
        for (int n = 0; n < 8; n++) Stack.peek(c, size * n, size);
        long sp = c.r[Reg.RSP];
        for (int n = 7; n >= 0; n--)
            if (n != Reg.RSP)
                RmOp.set(
                        c,
                        n,
                        size,
                        false,
                        c.load(Stack.address(c, sp + (long) size * (7 - n) & c.spMask, size, false), size));
        Stack.setSp(c, sp + 8L * size);
    }

    private static final class Enter extends StackOp {
        private final int size, space, level;

        Enter(Insn i) {
            super(i);
            size = i.opSize;
            space = (int) i.imm & 0xffff;
            level = (int) i.imm2 & 31;
        }

        @Override
        public void exec(Cpu c) {
            long sp = c.r[Reg.RSP] - size & c.spMask;
            c.store(Stack.address(c, sp, size, true), size, c.r[Reg.RBP]);
            long frame = sp;
            if (level > 0) {
                long bp = c.r[Reg.RBP];
                for (int n = 1; n < level; n++) {
                    bp = bp - size & c.spMask;
                    long v = c.load(Stack.address(c, bp, size, false), size);
                    sp = sp - size & c.spMask;
                    c.store(Stack.address(c, sp, size, true), size, v);
                }
                sp = sp - size & c.spMask;
                c.store(Stack.address(c, sp, size, true), size, frame);
            }
            sp = sp - space & c.spMask;
            c.probeWrite(Stack.address(c, sp, 1, true), 1);
            Stack.setSp(c, sp);
            if (c.stackSize == 2 || size == 2) c.set16(Reg.RBP, (int) frame);
            else c.r[Reg.RBP] = size == 4 ? frame & 0xffffffffL : frame;
        }
    }

    private static final class Leave extends StackOp {
        private final int size;

        Leave(Insn i) {
            super(i);
            size = i.opSize;
        }

        @Override
        public void exec(Cpu c) {
            long bp = c.r[Reg.RBP] & c.spMask;
            long value = c.load(Stack.address(c, bp, size, false), size);
            Stack.setSp(c, bp + size);
            RmOp.set(c, Reg.RBP, size, false, value);
        }
    }
}
