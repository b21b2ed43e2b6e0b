package org.nestorvm.engine.soft;

/** Near branches. The target is relative to the next instruction and wraps at the operand size; one beyond the CS limit faults when it is fetched. */
final class Branch {
    private Branch() {
    }

    static Op make(Insn i) {
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

    abstract static class Relative extends Op {
        /** From the block's start. */
        final long taken;
        final long ipMask;

        Relative(Insn i) {
            super(i);
            taken = i.end + i.imm;
            ipMask = i.opSize == 8 ? -1L : i.opSize == 4 ? 0xffffffffL : 0xffffL;
        }

        @Override
        boolean setsIp() {
            return true;
        }

        final void go(Cpu c, boolean jump) {
            c.r[Cpu.RIP] = c.r[Cpu.RIP] + (jump ? taken : end) & ipMask;
        }
    }

    private static final class Jmp extends Relative {
        Jmp(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            c.r[Cpu.RIP] = c.r[Cpu.RIP] + taken & ipMask;
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
        void exec(Cpu c) {
            go(c, Flags.condition(c, code));
        }
    }

    private static final class Equal extends Relative {
        Equal(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            go(c, c.ccKind == Flags.EXPLICIT ? (c.rflags & Cpu.ZF) != 0 : c.ccR == 0);
        }
    }

    private static final class NotEqual extends Relative {
        NotEqual(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
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
        void exec(Cpu c) {
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
        void exec(Cpu c) {
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
        void exec(Cpu c) {
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
        void exec(Cpu c) {
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
        void exec(Cpu c) {
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
        void exec(Cpu c) {
            long count = c.r[Cpu.RCX] & mask;
            if (kind == 3) {
                go(c, count == 0);
                return;
            }
            count = count - 1 & mask;
            RmOp.set(c, Cpu.RCX, addrSize, false, count);
            go(c, count != 0 && (kind == 0 || Flags.zero(c) == (kind == 1)));
        }
    }

    private static final class Call64 extends Relative {
        Call64(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long ip = c.r[Cpu.RIP], sp = c.r[Cpu.RSP] - 8;
            c.store64(sp, ip + end);
            c.r[Cpu.RSP] = sp;
            c.r[Cpu.RIP] = ip + taken;
        }

        @Override
        boolean stackAccess() {
            return true;
        }

        @Override
        int memoryOperands() {
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
        void exec(Cpu c) {
            Stack.push(c, size, c.r[Cpu.RIP] + end);
            go(c, true);
        }
    }

    private static final class JmpIndirect extends RmOp {
        JmpIndirect(Insn i) {
            super(i, i.opSize);
        }

        @Override
        void exec(Cpu c) {
            c.r[Cpu.RIP] = target(c, getRm(c), size);
        }

        @Override
        boolean setsIp() {
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
        void exec(Cpu c) {
            long to = target(c, getRm(c), size);
            Stack.push(c, size, c.r[Cpu.RIP] + end);
            c.r[Cpu.RIP] = to;
        }

        @Override
        boolean setsIp() {
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
        void exec(Cpu c) {
            long sp = c.r[Cpu.RSP], to = c.load64(sp);
            if (to << 16 >> 16 != to) throw c.gp(0);
            c.r[Cpu.RSP] = sp + release;
            c.r[Cpu.RIP] = to;
        }

        @Override
        boolean setsIp() {
            return true;
        }

        @Override
        boolean stackAccess() {
            return true;
        }

        @Override
        int memoryOperands() {
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
        void exec(Cpu c) {
            c.r[Cpu.RIP] = Stack.pop(c, size);
            if (release != 0) Stack.setSp(c, c.r[Cpu.RSP] + release);
        }

        @Override
        boolean setsIp() {
            return true;
        }
    }
}
