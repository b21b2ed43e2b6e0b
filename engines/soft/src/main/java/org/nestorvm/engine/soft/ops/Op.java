package org.nestorvm.engine.soft.ops;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.GuestFault;

/**
 * One decoded instruction. An operation lies in a {@code Block}; while the block runs, {@code cpu.r[Reg.RIP]} keeps the
 * address of the block's first byte, and only the last operation of a block changes it. An operation either completes,
 * or throws {@link GuestFault} having changed nothing.
 */
public abstract class Op {
    /** Offsets of this instruction's first byte and of the one behind it, from the block's first byte. */
    public final int start, end;

    public Op(Insn insn) {
        start = insn.start;
        end = insn.end;
    }

    public abstract void exec(Cpu c);

    /** It leaves the instruction pointer where execution goes on; others are followed by the next instruction. */
    public boolean setsIp() {
        return false;
    }

    /** It reads and writes registers and flags and nothing else, cannot fault, and never asks to leave the block. */
    public boolean registersOnly() {
        return false;
    }

    /** Operands in memory that it reads or writes, as far as its form tells: for the counters. */
    public int memoryOperands() {
        return 0;
    }

    /** Memory is reached through SS: a bad address is #SS, not #GP. */
    public boolean stackAccess() {
        return false;
    }
}
