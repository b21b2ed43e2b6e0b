package org.nestorvm.engine.soft;

/**
 * The frequent forms of {@link Alu} with 32 and 64 bits: registers, immediates, and a source in memory. One class a form, so that each is a few loads and stores and nothing is decided
 * while it runs.
 */
final class AluFast {
    private AluFast() {
    }

    /** Null when the form is not one of these. */
    static Op make(Insn i, int kind) {
        int size = RmOp.size(i);
        if (size < 4 || i.lock) return null;
        boolean wide = size == 8;
        char first = i.row.operands[0].charAt(0), second = i.row.operands[1].charAt(0);
        if (first == 'r' || i.isReg() && second == 'I') return makeRI(i, kind, wide);
        if (i.isReg()) return makeRR(i, kind, wide);
        if (first == 'G') return makeRM(i, kind, wide);
        return second == 'I' ? makeMI(i, kind, wide) : makeMR(i, kind, wide);
    }

    private static Op makeRR(Insn i, int kind, boolean wide) {
        return switch (kind) {
            case Alu.ADD -> wide ? new Add64RR(i) : new Add32RR(i);
            case Alu.SUB -> wide ? new Sub64RR(i) : new Sub32RR(i);
            case Alu.ADC -> wide ? new Adc64RR(i) : new Adc32RR(i);
            case Alu.SBB -> wide ? new Sbb64RR(i) : new Sbb32RR(i);
            case Alu.CMP -> wide ? new Cmp64RR(i) : new Cmp32RR(i);
            case Alu.AND -> wide ? new And64RR(i) : new And32RR(i);
            case Alu.OR -> wide ? new Or64RR(i) : new Or32RR(i);
            case Alu.XOR -> wide ? new Xor64RR(i) : new Xor32RR(i);
            case Alu.TEST -> wide ? new Test64RR(i) : new Test32RR(i);
            default -> null;
        };
    }

    private static Op makeRI(Insn i, int kind, boolean wide) {
        return switch (kind) {
            case Alu.ADD -> wide ? new Add64RI(i) : new Add32RI(i);
            case Alu.SUB -> wide ? new Sub64RI(i) : new Sub32RI(i);
            case Alu.ADC -> wide ? new Adc64RI(i) : new Adc32RI(i);
            case Alu.SBB -> wide ? new Sbb64RI(i) : new Sbb32RI(i);
            case Alu.CMP -> wide ? new Cmp64RI(i) : new Cmp32RI(i);
            case Alu.AND -> wide ? new And64RI(i) : new And32RI(i);
            case Alu.OR -> wide ? new Or64RI(i) : new Or32RI(i);
            case Alu.XOR -> wide ? new Xor64RI(i) : new Xor32RI(i);
            case Alu.TEST -> wide ? new Test64RI(i) : new Test32RI(i);
            default -> null;
        };
    }

    private static Op makeRM(Insn i, int kind, boolean wide) {
        return switch (kind) {
            case Alu.ADD -> wide ? new Add64RM(i) : new Add32RM(i);
            case Alu.SUB -> wide ? new Sub64RM(i) : new Sub32RM(i);
            case Alu.ADC -> wide ? new Adc64RM(i) : new Adc32RM(i);
            case Alu.SBB -> wide ? new Sbb64RM(i) : new Sbb32RM(i);
            case Alu.CMP -> wide ? new Cmp64RM(i) : new Cmp32RM(i);
            case Alu.AND -> wide ? new And64RM(i) : new And32RM(i);
            case Alu.OR -> wide ? new Or64RM(i) : new Or32RM(i);
            case Alu.XOR -> wide ? new Xor64RM(i) : new Xor32RM(i);
            case Alu.TEST -> wide ? new Test64RM(i) : new Test32RM(i);
            default -> null;
        };
    }

    private static Op makeMR(Insn i, int kind, boolean wide) {
        return switch (kind) {
            case Alu.CMP -> wide ? new Cmp64MR(i) : new Cmp32MR(i);
            case Alu.TEST -> wide ? new Test64MR(i) : new Test32MR(i);
            default -> null;
        };
    }

    private static Op makeMI(Insn i, int kind, boolean wide) {
        return switch (kind) {
            case Alu.CMP -> wide ? new Cmp64MI(i) : new Cmp32MI(i);
            case Alu.TEST -> wide ? new Test64MI(i) : new Test32MI(i);
            default -> null;
        };
    }

    private abstract static class RR extends Op {
        final int dst, src;

        RR(Insn i) {
            super(i);
            boolean toReg = i.row.operands[0].charAt(0) == 'G';
            dst = toReg ? i.reg : i.rm;
            src = toReg ? i.rm : i.reg;
        }
    }

    private abstract static class RI extends Op {
        final int dst;
        final long imm;

        RI(Insn i) {
            super(i);
            dst = i.row.operands[0].charAt(0) == 'r' ? Cpu.RAX : i.rm;
            imm = i.imm;
        }
    }

    private abstract static class RM extends MemOp {
        final int reg;

        RM(Insn i) {
            super(i);
            reg = i.reg;
        }
    }

    private abstract static class MI extends MemOp {
        final long imm;

        MI(Insn i) {
            super(i);
            imm = i.imm;
        }
    }

    private static final class Adc32RR extends RR {
        Adc32RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) c.r[src];
            int x = a + b + (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.ADD;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Adc32RI extends RI {
        Adc32RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) imm;
            int x = a + b + (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.ADD;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Adc32RM extends RM {
        Adc32RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int b = c.load32(read(c, 4));
            int a = (int) c.r[reg];
            int x = a + b + (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.ADD;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[reg] = x & 0xffffffffL;
        }
    }

    private static final class Adc64RR extends RR {
        Adc64RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = c.r[src];
            long x = a + b + (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.ADD;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Adc64RI extends RI {
        Adc64RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = imm;
            long x = a + b + (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.ADD;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Adc64RM extends RM {
        Adc64RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long b = c.load64(read(c, 8));
            long a = c.r[reg];
            long x = a + b + (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.ADD;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[reg] = x;
        }
    }

    private static final class Sbb32RR extends RR {
        Sbb32RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) c.r[src];
            int x = a - b - (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Sbb32RI extends RI {
        Sbb32RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) imm;
            int x = a - b - (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Sbb32RM extends RM {
        Sbb32RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int b = c.load32(read(c, 4));
            int a = (int) c.r[reg];
            int x = a - b - (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[reg] = x & 0xffffffffL;
        }
    }

    private static final class Sbb64RR extends RR {
        Sbb64RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = c.r[src];
            long x = a - b - (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Sbb64RI extends RI {
        Sbb64RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = imm;
            long x = a - b - (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Sbb64RM extends RM {
        Sbb64RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long b = c.load64(read(c, 8));
            long a = c.r[reg];
            long x = a - b - (Flags.carry(c) ? 1 : 0);
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[reg] = x;
        }
    }

    private static final class Add32RR extends RR {
        Add32RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) c.r[src], x = a + b;
            c.ccKind = Flags.ADD;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Add32RI extends RI {
        Add32RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) imm, x = a + b;
            c.ccKind = Flags.ADD;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Add32RM extends RM {
        Add32RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int b = c.load32(read(c, 4));
            int a = (int) c.r[reg], x = a + b;
            c.ccKind = Flags.ADD;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[reg] = x & 0xffffffffL;
        }
    }

    private static final class Add64RR extends RR {
        Add64RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = c.r[src], x = a + b;
            c.ccKind = Flags.ADD;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Add64RI extends RI {
        Add64RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = imm, x = a + b;
            c.ccKind = Flags.ADD;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Add64RM extends RM {
        Add64RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long b = c.load64(read(c, 8));
            long a = c.r[reg], x = a + b;
            c.ccKind = Flags.ADD;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[reg] = x;
        }
    }

    private static final class Sub32RR extends RR {
        Sub32RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) c.r[src], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Sub32RI extends RI {
        Sub32RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) imm, x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Sub32RM extends RM {
        Sub32RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int b = c.load32(read(c, 4));
            int a = (int) c.r[reg], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[reg] = x & 0xffffffffL;
        }
    }

    private static final class Sub64RR extends RR {
        Sub64RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = c.r[src], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Sub64RI extends RI {
        Sub64RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = imm, x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Sub64RM extends RM {
        Sub64RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long b = c.load64(read(c, 8));
            long a = c.r[reg], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
            c.r[reg] = x;
        }
    }

    private static final class Cmp32RR extends RR {
        Cmp32RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) c.r[src], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class Cmp32RI extends RI {
        Cmp32RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) imm, x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class Cmp32RM extends RM {
        Cmp32RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int b = c.load32(read(c, 4));
            int a = (int) c.r[reg], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class Cmp32MR extends RM {
        Cmp32MR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = c.load32(read(c, 4)), b = (int) c.r[reg], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class Cmp32MI extends MI {
        Cmp32MI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = c.load32(read(c, 4)), b = (int) imm, x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 31;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class Cmp64RR extends RR {
        Cmp64RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = c.r[src], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class Cmp64RI extends RI {
        Cmp64RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = imm, x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class Cmp64RM extends RM {
        Cmp64RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long b = c.load64(read(c, 8));
            long a = c.r[reg], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class Cmp64MR extends RM {
        Cmp64MR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.load64(read(c, 8)), b = c.r[reg], x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class Cmp64MI extends MI {
        Cmp64MI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.load64(read(c, 8)), b = imm, x = a - b;
            c.ccKind = Flags.SUB;
            c.ccMsb = 63;
            c.ccA = a;
            c.ccB = b;
            c.ccR = x;
        }
    }

    private static final class And32RR extends RR {
        And32RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) c.r[src], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class And32RI extends RI {
        And32RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) imm, x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class And32RM extends RM {
        And32RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int b = c.load32(read(c, 4));
            int a = (int) c.r[reg], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[reg] = x & 0xffffffffL;
        }
    }

    private static final class And64RR extends RR {
        And64RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = c.r[src], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class And64RI extends RI {
        And64RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = imm, x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class And64RM extends RM {
        And64RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long b = c.load64(read(c, 8));
            long a = c.r[reg], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[reg] = x;
        }
    }

    private static final class Or32RR extends RR {
        Or32RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) c.r[src], x = a | b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Or32RI extends RI {
        Or32RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) imm, x = a | b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Or32RM extends RM {
        Or32RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int b = c.load32(read(c, 4));
            int a = (int) c.r[reg], x = a | b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[reg] = x & 0xffffffffL;
        }
    }

    private static final class Or64RR extends RR {
        Or64RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = c.r[src], x = a | b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Or64RI extends RI {
        Or64RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = imm, x = a | b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Or64RM extends RM {
        Or64RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long b = c.load64(read(c, 8));
            long a = c.r[reg], x = a | b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[reg] = x;
        }
    }

    private static final class Xor32RR extends RR {
        Xor32RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) c.r[src], x = a ^ b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Xor32RI extends RI {
        Xor32RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) imm, x = a ^ b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x & 0xffffffffL;
        }
    }

    private static final class Xor32RM extends RM {
        Xor32RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int b = c.load32(read(c, 4));
            int a = (int) c.r[reg], x = a ^ b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[reg] = x & 0xffffffffL;
        }
    }

    private static final class Xor64RR extends RR {
        Xor64RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = c.r[src], x = a ^ b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Xor64RI extends RI {
        Xor64RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = imm, x = a ^ b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[dst] = x;
        }
    }

    private static final class Xor64RM extends RM {
        Xor64RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long b = c.load64(read(c, 8));
            long a = c.r[reg], x = a ^ b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
            c.r[reg] = x;
        }
    }

    private static final class Test32RR extends RR {
        Test32RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) c.r[src], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }

    private static final class Test32RI extends RI {
        Test32RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = (int) c.r[dst], b = (int) imm, x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }

    private static final class Test32RM extends RM {
        Test32RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int b = c.load32(read(c, 4));
            int a = (int) c.r[reg], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }

    private static final class Test32MR extends RM {
        Test32MR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = c.load32(read(c, 4)), b = (int) c.r[reg], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }

    private static final class Test32MI extends MI {
        Test32MI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            int a = c.load32(read(c, 4)), b = (int) imm, x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }

    private static final class Test64RR extends RR {
        Test64RR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = c.r[src], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }

    private static final class Test64RI extends RI {
        Test64RI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.r[dst], b = imm, x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }

    private static final class Test64RM extends RM {
        Test64RM(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long b = c.load64(read(c, 8));
            long a = c.r[reg], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }

    private static final class Test64MR extends RM {
        Test64MR(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.load64(read(c, 8)), b = c.r[reg], x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }

    private static final class Test64MI extends MI {
        Test64MI(Insn i) {
            super(i);
        }

        @Override
        void exec(Cpu c) {
            long a = c.load64(read(c, 8)), b = imm, x = a & b;
            c.ccKind = Flags.LOGIC;
            c.ccR = x;
        }
    }
}
