package org.nestorvm.engine.soft.ops.x87;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.number.Ieee;
import org.nestorvm.engine.soft.number.SoftFloat.Number;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;
import org.nestorvm.engine.soft.state.FpuState;

/** Comparisons into the condition codes, and into the flags, and FXAM. */
final class X87Compare {
    private X87Compare() {}

    static Op make(Insn i) {
        String name = i.row.mnemonic;
        boolean quiet = name.startsWith("FU");
        return switch (name) {
            case "FXAM" -> new Examine(i);
            case "FTST" -> new Test(i);
            case "FCOMI", "FCOMIP", "FUCOMI", "FUCOMIP" -> new CompareFlags(i, quiet, name.endsWith("P"));
            case "FICOM", "FICOMP" -> new WithMemory(i, true, name.endsWith("P"));
            default ->
                i.isReg()
                        ? new WithRegister(i, quiet, name.endsWith("PP") ? 2 : name.endsWith("P") ? 1 : 0)
                        : new WithMemory(i, false, name.endsWith("P"));
        };
    }

    private static final int UNORDERED_CODE = FpuState.C3 | FpuState.C2 | FpuState.C0;

    private static int code(int order) {
        return switch (order) {
            case -1 -> FpuState.C0;
            case 0 -> FpuState.C3;
            case 1 -> 0;
            default -> UNORDERED_CODE;
        };
    }

    /** Reports what a comparison found, also if an exception is not masked; false if the instruction must not pop. */
    private static boolean finish(Cpu c, int order) {
        int exceptions = c.soft.flags;
        c.soft.flags = 0;
        c.fpStatus = c.fpStatus & ~FpuState.CONDITIONS | code(order);
        return X87Op.raise(c, exceptions);
    }

    private static boolean empty(Cpu c) {
        c.fpStatus |= UNORDERED_CODE;
        return X87Op.underflow(c);
    }

    private static final class WithRegister extends X87Op {
        private final boolean quiet;
        private final int pops;

        WithRegister(Insn i, boolean quiet, int pops) {
            super(i);
            this.quiet = quiet;
            this.pops = pops;
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            int other = pops == 2 ? 1 : sti;
            boolean goesOn;
            if (isEmpty(c, 0) || isEmpty(c, other)) {
                goesOn = empty(c);
            } else {
                get(c, 0, c.soft.a);
                get(c, other, c.soft.b);
                goesOn = X87Compare.finish(c, X87Math.compare(c.soft, quiet));
            }
            if (!goesOn) return;
            for (int n = 0; n < pops; n++) pop(c);
        }
    }

    private static final class WithMemory extends X87Op {
        private final boolean integer, pops;
        private final int size;

        WithMemory(Insn i, boolean integer, boolean pops) {
            super(i);
            this.integer = integer;
            this.pops = pops;
            size = X87Load.size(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            X87Arith.load(c, read(c, size), integer, size, c.soft.b);
            begin(c);
            point(c);
            boolean goesOn;
            if (isEmpty(c, 0)) {
                goesOn = empty(c);
            } else {
                get(c, 0, c.soft.a);
                goesOn = X87Compare.finish(c, X87Math.compare(c.soft, false));
            }
            if (goesOn && pops) pop(c);
        }
    }

    private static final class Test extends X87Op {
        Test(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            if (isEmpty(c, 0)) {
                empty(c);
                return;
            }
            get(c, 0, c.soft.a);
            c.soft.b.set80(0, 0);
            X87Compare.finish(c, X87Math.compare(c.soft, false));
        }
    }

    /** FCOMI and its kin. */
    private static final class CompareFlags extends X87Op {
        private final boolean quiet, pops;

        CompareFlags(Insn i, boolean quiet, boolean pops) {
            super(i);
            this.quiet = quiet;
            this.pops = pops;
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            int order = Ieee.UNORDERED;
            boolean goesOn;
            if (isEmpty(c, 0) || isEmpty(c, sti)) {
                goesOn = underflow(c);
            } else {
                get(c, 0, c.soft.a);
                get(c, sti, c.soft.b);
                order = X87Math.compare(c.soft, quiet);
                int exceptions = c.soft.flags;
                c.soft.flags = 0;
                goesOn = raise(c, exceptions);
            }
            Flags.setOrder(c, order);
            if (goesOn && pops) pop(c);
        }
    }

    private static final class Examine extends X87Op {
        Examine(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            begin(c);
            int n = physical(c, 0);
            int code = (c.fpExponent[n] & 0x8000) != 0 ? FpuState.C1 : 0;
            if (isEmpty(c, 0)) {
                code |= FpuState.C3 | FpuState.C0;
            } else {
                get(c, 0, c.soft.a);
                code |= switch (c.soft.a.kind) {
                    case Number.ZERO -> FpuState.C3;
                    case Number.NORMAL -> FpuState.C2;
                    case Number.DENORMAL -> FpuState.C3 | FpuState.C2;
                    case Number.INFINITY -> FpuState.C2 | FpuState.C0;
                    case Number.UNSUPPORTED -> 0;
                    default -> FpuState.C0;
                };
            }
            c.fpStatus = c.fpStatus & ~FpuState.CONDITIONS | code;
        }
    }
}
