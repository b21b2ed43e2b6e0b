package org.nestorvm.engine.soft;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.nestorvm.engine.soft.isa.Decoder;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.run.Ops;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.GuestFault;
import org.nestorvm.memory.sys.HostMemory;

/**
 * A processor without a machine: two pages of memory at their host address, found in the TLB, and single instructions
 * executed there.
 */
public final class SoloCpu {
    private static final int PAGE = 4096;
    /** The operands once more, at a linear address that code of 32 bits reaches. */
    private static final long LOW = 0x10000;

    private final MemorySegment pages = Arena.ofAuto().allocate(7 * PAGE, PAGE);
    private final Decoder decoder = new Decoder();
    public final Cpu c = new Cpu();
    /** Two pages for operands, aligned. */
    public final long data = clearOfLow(pages.address());

    private final long code = data + 2 * PAGE;

    /** In 64-bit mode, with SSE and XSAVE enabled. */
    public SoloCpu() {
        c.cr0 = Cpu.CR0_PE | Cpu.CR0_NE | Cpu.CR0_PG;
        c.cr4 = Cpu.CR4_OSFXSR | Cpu.CR4_OSXMMEXCPT | Cpu.CR4_OSXSAVE;
        c.efer = Cpu.EFER_LMA | Cpu.EFER_LME;
        c.xcr0 = 3;
        c.updateFpuAccess();
        for (int offset = 0; offset < 2 * PAGE; offset += PAGE) {
            map(data + offset, data + offset);
            map(LOW + offset, data + offset);
        }
        c.r[Reg.RBX] = data;
    }

    /** Chooses pages whose slots in the TLB are not those of the pages at LOW. */
    private static long clearOfLow(long address) {
        long slot = address >>> 12 & Cpu.TLB_SIZE - 1, low = LOW >>> 12;
        return slot + 1 >= low && slot <= low + 1 ? address + 4 * PAGE : address;
    }

    private void map(long linear, long host) {
        int slot = (int) (linear >>> 12) & Cpu.TLB_SIZE - 1;
        c.readTag[slot] = c.writeTag[slot] = linear;
        c.addend[slot] = host - linear;
    }

    /** DS is a flat segment that begins at the operands, for code of 16 and 32 bits. */
    public void lowSegment() {
        c.segBase[Reg.DS] = LOW;
        c.segLimit[Reg.DS] = -1;
        c.segAccess[Reg.DS] = 0xc093;
        c.r[Reg.RBX] = 0;
    }

    public void controls(long cr0, long cr4) {
        c.cr0 = cr0;
        c.cr4 = cr4;
        c.updateFpuAccess();
    }

    /** Executes one instruction of 64-bit code; the vector of its fault, or -1. */
    public int run(int... bytes) {
        return runIn(8, bytes);
    }

    public int runIn(int codeSize, int... bytes) {
        for (int i = 0; i < 16; i++) HostMemory.putByte(code + i, (byte) (i < bytes.length ? bytes[i] : 0));
        int result = decoder.decode(code, 16, 0, codeSize, codeSize);
        if (result != Decoder.OK || decoder.insn.end != bytes.length)
            throw new AssertionError("decoder: " + result + ", length " + decoder.insn.end);
        Op op = Ops.make(decoder.insn);
        c.r[Reg.RIP] = code;
        try {
            op.exec(c);
            return -1;
        } catch (GuestFault f) {
            return f.vector;
        }
    }

    public void setDouble(int xmm, double value) {
        c.xmm[2 * xmm] = Double.doubleToRawLongBits(value);
    }

    public double getDouble(int xmm) {
        return Double.longBitsToDouble(c.xmm[2 * xmm]);
    }
}
