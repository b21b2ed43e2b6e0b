package org.nestorvm.engine.soft.ops.x87;

import static org.nestorvm.engine.soft.number.SoftFloat.DE;
import static org.nestorvm.engine.soft.number.SoftFloat.IE;
import static org.nestorvm.engine.soft.number.SoftFloat.PE;
import static org.nestorvm.engine.soft.number.SoftFloat.ZE;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.number.SoftFloat;
import org.nestorvm.engine.soft.ops.MemOp;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.FpuState;

/**
 * What x87 instructions share: the stack, the exceptions, the pointers to the last instruction. SDM vol. 1, chapter 8.
 *
 * <p>An exception that is not masked does not fault here but at the next waiting instruction: {@link #raise} sets it in
 * the status word, whose bits ES and B always say whether one is pending, and tells the instruction whether to go on.
 */
abstract class X87Op extends MemOp {
    /** The default NaN ("real indefinite"). */
    static final int INDEFINITE_EXPONENT = 0xffff;

    static final long INDEFINITE = 0xc000000000000000L;

    final boolean memory;
    /** i of ST(i). */
    final int sti;

    private final int opcode;

    X87Op(Insn i) {
        super(i);
        memory = !i.isReg();
        sti = i.rm & 7;
        opcode = (i.opcode & 7) << 8 | i.modrm;
    }

    /** Every instruction that waits: faults if x87 is not to be used, or an exception is pending. */
    static void check(Cpu c) {
        if (c.fpuDisabled | (c.fpStatus & FpuState.ES) != 0) c.checkFpu();
    }

    /** The start of an instruction that computes: it waits, and becomes the last instruction. */
    final void begin(Cpu c) {
        check(c);
        c.fpIp = c.r[Reg.RIP] + start - c.segBase[Reg.CS];
        c.fpIpSelector = c.selector[Reg.CS];
        c.fpOpcode = opcode;
    }

    /** The linear address of the operand to be read; it becomes the last operand. */
    final long operand(Cpu c, int size) {
        long linear = read(c, size);
        point(c);
        return linear;
    }

    final void point(Cpu c) {
        c.fpDp = offset(c);
        c.fpDpSelector = seg == Reg.FLAT ? 0 : c.selector[seg];
    }

    // ---- control and status ----

    static int status(Cpu c) {
        return c.fpStatus | c.fpTop << 11;
    }

    /** Sets exceptions; true if all of them are masked. */
    static boolean raise(Cpu c, int exceptions) {
        c.fpStatus |= exceptions;
        if ((exceptions & ~c.fpControl & 0x3f) == 0) return true;
        c.fpStatus |= FpuState.ES | FpuState.BUSY;
        return false;
    }

    static boolean masked(Cpu c, int exception) {
        return (c.fpControl & exception) != 0;
    }

    static void clearC1(Cpu c) {
        c.fpStatus &= ~FpuState.C1;
    }

    static void setC1(Cpu c, boolean value) {
        c.fpStatus = value ? c.fpStatus | FpuState.C1 : c.fpStatus & ~FpuState.C1;
    }

    static int rounding(Cpu c) {
        return c.fpControl >> 10 & 3;
    }

    // ---- stack ----

    static int physical(Cpu c, int i) {
        return c.fpTop + i & 7;
    }

    static boolean isEmpty(Cpu c, int i) {
        return (c.fpUsed >> physical(c, i) & 1) == 0;
    }

    /** Reading an empty register: IE and SF, C1 cleared. True if masked. */
    static boolean underflow(Cpu c) {
        clearC1(c);
        return raise(c, IE | FpuState.SF);
    }

    /** Pushing onto a register in use: IE and SF, C1 set. */
    static boolean overflow(Cpu c) {
        c.fpStatus |= FpuState.C1;
        return raise(c, IE | FpuState.SF);
    }

    static void pop(Cpu c) {
        c.fpUsed &= ~(1 << c.fpTop);
        c.fpTop = c.fpTop + 1 & 7;
    }

    /** Makes room for a result; the caller has dealt with overflow. */
    public static void push(Cpu c, int exponent, long mantissa) {
        c.fpTop = c.fpTop - 1 & 7;
        set(c, 0, exponent, mantissa);
    }

    public static void set(Cpu c, int i, int exponent, long mantissa) {
        int n = physical(c, i);
        c.fpExponent[n] = exponent;
        c.fpMantissa[n] = mantissa;
        c.fpUsed |= 1 << n;
    }

    static void setIndefinite(Cpu c, int i) {
        set(c, i, INDEFINITE_EXPONENT, INDEFINITE);
    }

    /**
     * Writes the result that X87Math left into ST(i), with its exceptions. One on the operands that is not masked keeps
     * the result from being written.
     *
     * @return true if it was written
     */
    static boolean finish(Cpu c, int i) {
        SoftFloat s = c.soft;
        int exceptions = s.flags;
        s.flags = 0;
        setC1(c, (exceptions & PE) != 0 && s.roundedUp);
        if ((exceptions & ~c.fpControl & (IE | DE | ZE)) != 0) {
            clearC1(c);
            raise(c, exceptions & (IE | DE | ZE));
            return false;
        }
        set(c, i, s.exponent80, s.mantissa80);
        raise(c, exceptions);
        return true;
    }

    /** Loads ST(i) into a number of the unpacked arithmetic. */
    static void get(Cpu c, int i, SoftFloat.Number into) {
        int n = physical(c, i);
        into.set80(c.fpExponent[n], c.fpMantissa[n]);
    }
}
