package org.nestorvm.engine.soft.ops;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.Flags;

/**
 * An instruction with a modrm byte and general registers: operand {@code rm} is a register or memory, {@code reg} a
 * register. Values travel sign-extended to 64 bits, which is what {@link Flags} wants.
 */
public abstract class RmOp extends MemOp {
    /** Operand size in bytes, and its bits as a shift that sign-extends. */
    public final int size, shift;

    public final boolean isReg;
    public final int rm, reg;
    private final boolean rmHigh, regHigh;

    public RmOp(Insn i, int size) {
        this(i, size, size);
    }

    /** @param regSize size of the register operand, where it differs */
    public RmOp(Insn i, int size, int regSize) {
        super(i);
        this.size = size;
        shift = 64 - 8 * size;
        isReg = i.isReg();
        rm = i.rm;
        reg = i.reg;
        rmHigh = size == 1 && !i.hasRex && i.isReg() && i.rm >= 4 && i.rm < 8;
        regHigh = regSize == 1 && !i.hasRex && i.reg >= 4 && i.reg < 8;
    }

    @Override
    public int memoryOperands() {
        return isReg ? 0 : 1;
    }

    public static int size(Insn i) {
        return i.row.byteOp ? 1 : i.opSize;
    }

    public final long getRm(Cpu c) {
        if (!isReg) return c.load(read(c, size), size) << shift >> shift;
        return rmHigh ? (byte) (c.r[rm & 3] >>> 8) : c.r[rm] << shift >> shift;
    }

    /** The same for an operand that is written afterwards with {@link #setRm}: faults as a write. */
    public final long getRmForWrite(Cpu c) {
        if (!isReg) return c.loadForWrite(write(c, size), size) << shift >> shift;
        return rmHigh ? (byte) (c.r[rm & 3] >>> 8) : c.r[rm] << shift >> shift;
    }

    public final void setRm(Cpu c, long value) {
        if (isReg) set(c, rm, size, rmHigh, value);
        else c.store(write(c, size), size, value);
    }

    public final long getReg(Cpu c) {
        return regHigh ? (byte) (c.r[reg & 3] >>> 8) : c.r[reg] << shift >> shift;
    }

    public final void setReg(Cpu c, long value) {
        set(c, reg, size, regHigh, value);
    }

    public static void set(Cpu c, int reg, int size, boolean high, long value) {
        switch (size) {
            case 8 -> c.r[reg] = value;
            case 4 -> c.r[reg] = value & 0xffffffffL;
            case 2 -> c.r[reg] = c.r[reg] & ~0xffffL | value & 0xffffL;
            default -> c.set8(reg, high, (int) value);
        }
    }
}
