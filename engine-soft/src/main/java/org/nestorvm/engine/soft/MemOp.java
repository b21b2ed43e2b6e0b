package org.nestorvm.engine.soft;

/** An instruction with a memory operand. Base and index name entries of {@code cpu.r}, where {@link Cpu#ZERO} is always 0 and {@link Cpu#RIP} the block's start, so that no form needs a test. */
abstract class MemOp extends Op {
    final int base, index, scale, seg;
    final long disp;
    /** Address size: -1, 0xffffffff or 0xffff. */
    final long mask;
    /** True: no limits apply, the segment's base is added (64-bit code, and flat 32-bit code). */
    final boolean flat;

    MemOp(Insn insn) {
        super(insn);
        base = insn.base;
        index = insn.index;
        scale = insn.scale;
        disp = insn.ripRelative ? insn.disp + insn.end : insn.disp;
        mask = insn.addressMask();
        flat = insn.code64();
        seg = insn.code64() && insn.seg != Cpu.FS && insn.seg != Cpu.GS ? Cpu.FLAT : insn.seg;
    }

    /** The effective address: offset in the segment. */
    final long offset(Cpu c) {
        return c.r[base] + (c.r[index] << scale) + disp & mask;
    }

    /** The linear address of an operand that will be read. */
    final long read(Cpu c, int size) {
        long offset = c.r[base] + (c.r[index] << scale) + disp & mask;
        return flat ? offset + c.segBase[seg] : c.segmentRead(seg, offset, size);
    }

    /** The linear address of an operand that will be written, or read and written. */
    final long write(Cpu c, int size) {
        long offset = c.r[base] + (c.r[index] << scale) + disp & mask;
        return flat ? offset + c.segBase[seg] : c.segmentWrite(seg, offset, size);
    }

    /** The same at another offset: bit strings, far pointers. */
    final long readAt(Cpu c, long offset, int size) {
        return flat ? (offset & mask) + c.segBase[seg] : c.segmentRead(seg, offset & mask, size);
    }

    final long writeAt(Cpu c, long offset, int size) {
        return flat ? (offset & mask) + c.segBase[seg] : c.segmentWrite(seg, offset & mask, size);
    }

    @Override
    int memoryOperands() {
        return 1;
    }

    @Override
    boolean stackAccess() {
        return seg == Cpu.SS || flat && seg == Cpu.FLAT && (base == 4 || base == 5);
    }
}
