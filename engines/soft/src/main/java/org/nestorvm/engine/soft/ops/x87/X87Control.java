package org.nestorvm.engine.soft.ops.x87;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.FpuState;
import org.nestorvm.engine.soft.state.GuestFault;

/** Instructions about x87's control and status words. Those whose name has an N do not wait for pending exceptions. */
final class X87Control {
    private X87Control() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "FNINIT" -> new Initialise(i);
            case "FNCLEX" -> new ClearExceptions(i);
            case "FLDCW" -> new LoadControl(i);
            case "FNSTCW" -> new StoreControl(i);
            case "FNSTSW" -> i.isReg() ? new StatusToAx(i) : new StoreStatus(i);
            case "FWAIT" -> new Wait(i);
            case "FNOP" -> new NoOperation(i, true);
            default -> new NoOperation(i, false);
        };
    }

    static void checkDisabled(Cpu c) {
        if (c.fpuDisabled) throw c.nm();
    }

    private static final class Initialise extends X87Op {
        Initialise(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            checkDisabled(c);
            FpuState.resetX87(c);
        }
    }

    private static final class ClearExceptions extends X87Op {
        ClearExceptions(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            checkDisabled(c);
            c.fpStatus &= FpuState.CONDITIONS;
        }
    }

    private static final class LoadControl extends X87Op {
        LoadControl(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            check(c);
            FpuState.setControl(c, c.load16(read(c, 2)));
        }
    }

    private static final class StoreControl extends X87Op {
        StoreControl(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            checkDisabled(c);
            c.store16(write(c, 2), c.fpControl);
        }
    }

    private static final class StoreStatus extends X87Op {
        StoreStatus(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            checkDisabled(c);
            c.store16(write(c, 2), status(c));
        }
    }

    private static final class StatusToAx extends X87Op {
        StatusToAx(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            checkDisabled(c);
            c.set16(Reg.RAX, status(c));
        }
    }

    /** FWAIT is the only one that looks at CR0.MP: it traps if MP and TS are both set, and not for EM. */
    private static final class Wait extends X87Op {
        Wait(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            if ((c.cr0 & (Cpu.CR0_MP | Cpu.CR0_TS)) == (Cpu.CR0_MP | Cpu.CR0_TS)) throw c.nm();
            if ((c.fpStatus & FpuState.ES) != 0) throw c.raise(GuestFault.MF, -1);
        }
    }

    /** FNOP waits; FNENI, FNDISI and FNSETPM, of the 8087 and the 80287, do nothing at all. */
    private static final class NoOperation extends X87Op {
        private final boolean waits;

        NoOperation(Insn i, boolean waits) {
            super(i);
            this.waits = waits;
        }

        @Override
        public void exec(Cpu c) {
            if (waits) begin(c);
            else checkDisabled(c);
        }
    }
}
