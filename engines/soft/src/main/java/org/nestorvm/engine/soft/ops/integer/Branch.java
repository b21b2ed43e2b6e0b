package org.nestorvm.engine.soft.ops.integer;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.ops.RmOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.Segments;
import org.nestorvm.engine.soft.state.Stack;

/**
 * Near branches. The target is relative to the next instruction and wraps at the operand size; one beyond the CS limit
 * faults when it is fetched.
 */
public final class Branch {
    private Branch() {}

    public static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "JCC" -> jcc(i);
            case "JMP" -> new Jmp(i);
            case "CALL" -> i.opSize == 8 ? new Call64(i) : new Call(i);
            case "JMPI" -> new JmpIndirect(i);
            case "CALLI" -> new CallIndirect(i);
            case "RET" -> i.opSize == 8 ? new Ret64(i) : new Ret(i);
            case "JCXZ" -> new Loop(i, 3);
            case "LOOP" -> new Loop(i, 0);
            case "LOOPE" -> new Loop(i, 1);
            default -> new Loop(i, 2);
        };
    }

    public abstract static class Relative extends Op {
        /** From the block's start. */
        final long taken;

        final long ipMask;

        Relative(Insn i) {
            super(i);
            taken = i.end + i.imm;
            ipMask = i.opSize == 8 ? -1L : i.opSize == 4 ? 0xffffffffL : 0xffffL;
        }

        @Override
        public boolean setsIp() {
            return true;
        }

        final void go(Cpu c, boolean jump) {
            c.r[Reg.RIP] = c.r[Reg.RIP] + (jump ? taken : end) & ipMask;
        }
    }

    private static final class Jmp extends Relative {
        Jmp(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            c.r[Reg.RIP] = c.r[Reg.RIP] + taken & ipMask;
        }
    }

    private static Op jcc(Insn i) {
        return switch (i.opcode & 15) {
            case 2 -> new Below(i, true);
            case 3 -> new Below(i, false);
            case 4 -> new Equal(i);
            case 5 -> new NotEqual(i);
            case 6 -> new BelowEqual(i, true);
            case 7 -> new BelowEqual(i, false);
            case 8 -> new Sign(i, true);
            case 9 -> new Sign(i, false);
            case 12 -> new Less(i, true);
            case 13 -> new Less(i, false);
            case 14 -> new LessEqual(i, true);
            case 15 -> new LessEqual(i, false);
            default -> new Jcc(i);
        };
    }

    private static final class Jcc extends Relative {
        private final int code;

        Jcc(Insn i) {
            super(i);
            code = i.opcode & 15;
        }

        @Override
        public void exec(Cpu c) {
            go(c, Flags.condition(c, code));
        }
    }

    private static final class Equal extends Relative {
        Equal(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            go(c, c.ccKind == Flags.EXPLICIT ? (c.rflags & Cpu.ZF) != 0 : c.ccR == 0);
        }
    }

    private static final class NotEqual extends Relative {
        NotEqual(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            go(c, c.ccKind == Flags.EXPLICIT ? (c.rflags & Cpu.ZF) == 0 : c.ccR != 0);
        }
    }

    /** After a comparison the operands say it; sign extension keeps the unsigned order. */
    private static final class Below extends Relative {
        private final boolean when;

        Below(Insn i, boolean when) {
            super(i);
            this.when = when;
        }

        @Override
        public void exec(Cpu c) {
            go(c, Flags.carry(c) == when);
        }
    }

    private static final class BelowEqual extends Relative {
        private final boolean when;

        BelowEqual(Insn i, boolean when) {
            super(i);
            this.when = when;
        }

        @Override
        public void exec(Cpu c) {
            go(c, (Flags.carry(c) || Flags.zero(c)) == when);
        }
    }

    private static final class Sign extends Relative {
        private final boolean when;

        Sign(Insn i, boolean when) {
            super(i);
            this.when = when;
        }

        @Override
        public void exec(Cpu c) {
            go(c, Flags.sign(c) == when);
        }
    }

    private static boolean less(Cpu c) {
        return switch (c.ccKind) {
            case Flags.LOGIC -> c.ccR < 0;
            default -> Flags.sign(c) != Flags.overflow(c);
        };
    }

    private static final class Less extends Relative {
        private final boolean when;

        Less(Insn i, boolean when) {
            super(i);
            this.when = when;
        }

        @Override
        public void exec(Cpu c) {
            go(c, less(c) == when);
        }
    }

    private static final class LessEqual extends Relative {
        private final boolean when;

        LessEqual(Insn i, boolean when) {
            super(i);
            this.when = when;
        }

        @Override
        public void exec(Cpu c) {
            go(c, (Flags.zero(c) || less(c)) == when);
        }
    }

    /** LOOP, LOOPE, LOOPNE, JCXZ: the counter has the address size. */
    private static final class Loop extends Relative {
        private final int kind;
        private final int addrSize;
        private final long mask;

        Loop(Insn i, int kind) {
            super(i);
            this.kind = kind;
            addrSize = i.addrSize;
            mask = i.addressMask();
        }

        @Override
        public void exec(Cpu c) {
            long count = c.r[Reg.RCX] & mask;
            if (kind == 3) {
                go(c, count == 0);
                return;
            }
            count = count - 1 & mask;
            RmOp.set(c, Reg.RCX, addrSize, false, count);
            go(c, count != 0 && (kind == 0 || Flags.zero(c) == (kind == 1)));
        }
    }

    private static final class Call64 extends Relative {
        Call64(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            long ip = c.r[Reg.RIP], sp = c.r[Reg.RSP] - 8;
            c.store64(sp, ip + end);
            c.r[Reg.RSP] = sp;
            c.r[Reg.RIP] = ip + taken;
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

    private static final class Call extends Relative {
        private final int size;

        Call(Insn i) {
            super(i);
            size = i.opSize;
        }

        @Override
        public void exec(Cpu c) {
            Stack.push(c, size, c.r[Reg.RIP] + end);
            go(c, true);
        }
    }

    private static final class JmpIndirect extends RmOp {
        JmpIndirect(Insn i) {
            super(i, i.opSize);
        }

        @Override
        public void exec(Cpu c) {
            c.r[Reg.RIP] = target(c, getRm(c), size);
        }

        @Override
        public boolean setsIp() {
            return true;
        }
    }

    private static long target(Cpu c, long address, int size) {
        if (size == 8) {
            if (!Segments.canonical(address)) throw c.gp(0);
            return address;
        }
        return size == 4 ? address & 0xffffffffL : address & 0xffffL;
    }

    private static final class CallIndirect extends RmOp {
        CallIndirect(Insn i) {
            super(i, i.opSize);
        }

        @Override
        public void exec(Cpu c) {
            long to = target(c, getRm(c), size);
            Stack.push(c, size, c.r[Reg.RIP] + end);
            c.r[Reg.RIP] = to;
        }

        @Override
        public boolean setsIp() {
            return true;
        }
    }

    private static final class Ret64 extends Op {
        private final int release;

        Ret64(Insn i) {
            super(i);
            release = 8 + ((int) i.imm & 0xffff);
        }

        @Override
        public void exec(Cpu c) {
            long sp = c.r[Reg.RSP], to = c.load64(sp);
            if (to << 16 >> 16 != to) throw c.gp(0);
            c.r[Reg.RSP] = sp + release;
            c.r[Reg.RIP] = to;
        }

        @Override
        public boolean setsIp() {
            return true;
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

    private static final class Ret extends Op {
        private final int size, release;

        Ret(Insn i) {
            super(i);
            size = i.opSize;
            release = (int) i.imm & 0xffff;
        }

        @Override
        public void exec(Cpu c) {
            c.r[Reg.RIP] = Stack.pop(c, size);
            if (release != 0) Stack.setSp(c, c.r[Reg.RSP] + release);
        }

        @Override
        public boolean setsIp() {
            return true;
        }
    }
}
