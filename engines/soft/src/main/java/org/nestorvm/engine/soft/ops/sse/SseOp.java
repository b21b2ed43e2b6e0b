package org.nestorvm.engine.soft.ops.sse;

import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.ops.MemOp;
import org.nestorvm.engine.soft.state.Cpu;

/**
 * An instruction with an XMM register and a source that is another one or memory. A source from memory is first brought
 * into the scratch register ({@link Cpu#XMM_SCRATCH}), so that what follows is the same for both: {@code x[dst]},
 * {@code x[dst + 1]} and {@code x[src]}, {@code x[src + 1]}.
 */
abstract class SseOp extends MemOp {
    /** Indices of the low halves in cpu.xmm. */
    final int dst, src;

    final boolean memory;

    SseOp(Insn i) {
        super(i);
        dst = i.reg * 2;
        memory = !i.isReg();
        src = memory ? Cpu.XMM_SCRATCH : i.rm * 2;
    }

    /** All instructions that use XMM registers start with this, or with one of the methods below. */
    static void check(Cpu c) {
        if (c.sseDisabled) c.checkSse();
    }

    /** Makes a 16-byte source ready; one in memory must be aligned. */
    public final long[] source(Cpu c) {
        check(c);
        if (memory) load(c, aligned(c, read(c, 16)));
        return c.xmm;
    }

    final long[] sourceUnaligned(Cpu c) {
        check(c);
        if (memory) load(c, read(c, 16));
        return c.xmm;
    }

    private void load(Cpu c, long linear) {
        long low = c.load64(linear);
        c.xmm[Cpu.XMM_SCRATCH + 1] = c.load64(linear + 8);
        c.xmm[Cpu.XMM_SCRATCH] = low;
    }

    /** Makes a source ready of which only the low 8 bytes are used. */
    final long[] source64(Cpu c) {
        check(c);
        if (memory) c.xmm[Cpu.XMM_SCRATCH] = c.load64(read(c, 8));
        return c.xmm;
    }

    final long[] source32(Cpu c) {
        check(c);
        if (memory) c.xmm[Cpu.XMM_SCRATCH] = c.load32(read(c, 4)) & 0xffffffffL;
        return c.xmm;
    }

    final long[] source16(Cpu c) {
        check(c);
        if (memory) c.xmm[Cpu.XMM_SCRATCH] = c.load16(read(c, 2));
        return c.xmm;
    }

    static long aligned(Cpu c, long linear) {
        if ((linear & 15) != 0) throw c.gp(0);
        return linear;
    }

    static void store128(Cpu c, long linear, long low, long high) {
        // Inside one page the first store proves the second.
        if ((linear & 0xfff) > 0xff0) c.probeWrite(linear, 16);
        c.store64(linear, low);
        c.store64(linear + 8, high);
    }

    /**
     * Bits of {@code value}'s low half over the low half of {@code old}: scalar single results leave the rest alone.
     */
    static long low32(long old, long value) {
        return old & 0xffffffff00000000L | value & 0xffffffffL;
    }
}
