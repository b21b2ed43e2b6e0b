package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.MemOp;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * An instruction with an MMX register and a source that is another one or memory. MMX registers are the significands of
 * the x87 registers, by physical number.
 */
abstract class MmxOp extends MemOp {
    final int dst, src;
    final boolean memory;

    MmxOp(Insn i) {
        super(i);
        dst = i.reg & 7;
        src = i.rm & 7;
        memory = !i.isReg();
    }

    static void check(Cpu c) {
        if (c.fpuDisabled) {
            // Unlike x87, MMX instructions do not exist while they are to be emulated: SDM vol. 3, table 13-1.
            if ((c.cr0 & Cpu.CR0_EM) != 0) throw c.ud();
            throw c.nm();
        }
        if ((c.fpStatus & 0x80) != 0) c.checkFpu();
    }

    /** Every MMX instruction but EMMS makes all x87 registers valid and puts register 0 on top. */
    static void enter(Cpu c) {
        c.fpTop = 0;
        c.fpUsed = 0xff;
    }

    public static void set(Cpu c, int register, long value) {
        c.fpMantissa[register] = value;
        c.fpExponent[register] = 0xffff;
    }

    /**
     * The source's 8 bytes, or for an unpack of low halves from memory the 4 bytes that it reads; faults before the
     * state changes.
     */
    public final long source(Cpu c, int size) {
        check(c);
        return memory ? c.load(read(c, size), size) : c.fpMantissa[src];
    }

    final void result(Cpu c, long value) {
        enter(c);
        set(c, dst, value);
    }
}
