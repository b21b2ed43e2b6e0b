package org.nestorvm.engine.soft.ops;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * An instruction with a memory operand. Base and index name entries of {@code cpu.r}, where {@link Reg#ZERO} is always
 * 0 and {@link Reg#RIP} the block's start, so that no form needs a test.
 */
public abstract class MemOp extends Op {
    public final int base, index, scale, seg;
    public final long disp;
    /** Address size: -1, 0xffffffff or 0xffff. */
    public final long mask;
    /** True: no limits apply, the segment's base is added (64-bit code, and flat 32-bit code). */
    public final boolean flat;

    public MemOp(Insn insn) {
        super(insn);
        base = insn.base;
        index = insn.index;
        scale = insn.scale;
        disp = insn.ripRelative ? insn.disp + insn.end : insn.disp;
        mask = insn.addressMask();
        flat = insn.code64();
        seg = insn.code64() && insn.seg != Reg.FS && insn.seg != Reg.GS ? Reg.FLAT : insn.seg;
    }

    /** The effective address: offset in the segment. */
    public final long offset(Cpu c) {
        return c.r[base] + (c.r[index] << scale) + disp & mask;
    }

    /** The linear address of an operand that will be read. */
    public final long read(Cpu c, int size) {
        long offset = c.r[base] + (c.r[index] << scale) + disp & mask;
        return flat ? offset + c.segBase[seg] : c.segmentRead(seg, offset, size);
    }

    /** The linear address of an operand that will be written, or read and written. */
    public final long write(Cpu c, int size) {
        long offset = c.r[base] + (c.r[index] << scale) + disp & mask;
        return flat ? offset + c.segBase[seg] : c.segmentWrite(seg, offset, size);
    }

    /** The same at another offset: bit strings, far pointers. */
    public final long readAt(Cpu c, long offset, int size) {
        return flat ? (offset & mask) + c.segBase[seg] : c.segmentRead(seg, offset & mask, size);
    }

    public final long writeAt(Cpu c, long offset, int size) {
        return flat ? (offset & mask) + c.segBase[seg] : c.segmentWrite(seg, offset & mask, size);
    }

    @Override
    public int memoryOperands() {
        return 1;
    }

    @Override
    public boolean stackAccess() {
        return seg == Reg.SS || flat && seg == Reg.FLAT && (base == 4 || base == 5);
    }
}
