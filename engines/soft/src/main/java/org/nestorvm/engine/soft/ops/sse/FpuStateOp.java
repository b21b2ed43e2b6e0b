package org.nestorvm.engine.soft.ops.sse;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.nestorvm.engine.soft.isa.Insn;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.ops.MemOp;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.engine.soft.state.Cpu;
import org.nestorvm.engine.soft.state.FpuState;

/**
 * FXSAVE, FXRSTOR, XSAVE, XSAVEOPT, XRSTOR, LDMXCSR, STMXCSR, XGETBV, XSETBV. XSAVEOPT saves as XSAVE does: it may
 * leave parts out, and need not.
 */
final class FpuStateOp {
    private static final int HEADER = 512, XSAVE_SIZE = 576;
    /** What XCR0 may hold: x87, SSE. AVX will be bit 2. */
    static final long XCR0_SUPPORTED = 3;

    private static final VarHandle WORDS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private FpuStateOp() {}

    static Op make(Insn i) {
        return switch (i.row.mnemonic) {
            case "FXSAVE" -> new FxSave(i);
            case "FXRSTOR" -> new FxRestore(i);
            case "XSAVE", "XSAVEOPT" -> new XSave(i);
            case "XRSTOR" -> new XRestore(i);
            case "LDMXCSR" -> new LoadMxcsr(i);
            case "STMXCSR" -> new StoreMxcsr(i);
            case "XGETBV" -> new GetXcr(i);
            default -> new SetXcr(i);
        };
    }

    /** What the instructions on whole images share. */
    private abstract static class Image extends MemOp {
        final boolean wide;
        final int registers;

        Image(Insn i) {
            super(i);
            wide = i.rexW();
            registers = i.code64() ? 16 : 8;
        }

        static void load(Cpu c, long linear, byte[] image, int from, int to) {
            for (int i = from; i < to; i += 8) put(image, i, c.load64(linear + i));
        }

        static void store(Cpu c, long linear, byte[] image, int from, int to) {
            for (int i = from; i < to; i += 8) c.store64(linear + i, get(image, i));
        }

        static void put(byte[] image, int offset, long value) {
            WORDS.set(image, offset, value);
        }

        static long get(byte[] image, int offset) {
            return (long) WORDS.get(image, offset);
        }
    }

    private static final class FxSave extends Image {
        FxSave(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            if (c.fpuDisabled) throw c.nm();
            long linear = SseOp.aligned(c, write(c, 512));
            c.probeWrite(linear, 512);
            byte[] image = c.fxImage;
            load(c, linear, image, 0, 32);
            FpuState.save(c, image, wide, registers, FpuState.X87 | FpuState.SSE);
            store(c, linear, image, 0, 160 + registers * 16);
        }
    }

    private static final class FxRestore extends Image {
        FxRestore(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            if (c.fpuDisabled) throw c.nm();
            long linear = SseOp.aligned(c, read(c, 512));
            byte[] image = c.fxImage;
            load(c, linear, image, 0, 512);
            if ((FpuState.mxcsr(image) & ~FpuState.MXCSR_MASK) != 0) throw c.gp(0);
            FpuState.restore(c, image, wide, registers, FpuState.X87 | FpuState.SSE);
        }
    }

    /** Bits of EDX:EAX that XCR0 enables. */
    private static long requested(Cpu c) {
        return (c.r[Reg.RAX] & 0xffffffffL | c.r[Reg.RDX] << 32) & c.xcr0;
    }

    private static void checkXsave(Cpu c) {
        if ((c.cr4 & Cpu.CR4_OSXSAVE) == 0) throw c.ud();
        if ((c.cr0 & Cpu.CR0_TS) != 0) throw c.nm();
    }

    private static final class XSave extends Image {
        XSave(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            checkXsave(c);
            long linear = write(c, XSAVE_SIZE);
            if ((linear & 63) != 0) throw c.gp(0);
            c.probeWrite(linear, XSAVE_SIZE);
            long parts = requested(c), state = c.load64(linear + HEADER);
            byte[] image = c.fxImage;
            if ((parts & 3) != 0) {
                load(c, linear, image, 0, 416);
                FpuState.save(c, image, wide, registers, (int) parts & 3);
                store(c, linear, image, 0, 160 + registers * 16);
            }
            c.store64(linear + HEADER, state & ~parts | parts);
        }
    }

    private static final class XRestore extends Image {
        XRestore(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            checkXsave(c);
            long linear = read(c, XSAVE_SIZE);
            if ((linear & 63) != 0) throw c.gp(0);
            long present = c.load64(linear + HEADER),
                    compaction = c.load64(linear + HEADER + 8),
                    reserved = c.load64(linear + HEADER + 16);
            if ((present & ~c.xcr0) != 0 || (compaction | reserved) != 0) throw c.gp(0);
            long parts = requested(c);
            byte[] image = c.fxImage;
            load(c, linear, image, 0, 416);
            if ((parts & FpuState.SSE) != 0 && (FpuState.mxcsr(image) & ~FpuState.MXCSR_MASK) != 0) throw c.gp(0);
            FpuState.restore(c, image, wide, registers, (int) (parts & present));
            initialise(c, parts & ~present, image);
        }

        /** Parts that the image says are in their first state. MXCSR is taken from it all the same. */
        private void initialise(Cpu c, long parts, byte[] image) {
            if ((parts & FpuState.X87) != 0) {
                FpuState.resetX87(c);
                Arrays.fill(c.fpMantissa, 0);
                Arrays.fill(c.fpExponent, 0);
            }
            if ((parts & FpuState.SSE) != 0) {
                Arrays.fill(c.xmm, 0, registers * 2, 0);
                c.mxcsr = FpuState.mxcsr(image);
            }
        }
    }

    private static final class LoadMxcsr extends MemOp {
        LoadMxcsr(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            SseOp.check(c);
            int value = c.load32(read(c, 4));
            if ((value & ~FpuState.MXCSR_MASK) != 0) throw c.gp(0);
            c.mxcsr = value;
        }
    }

    private static final class StoreMxcsr extends MemOp {
        StoreMxcsr(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            SseOp.check(c);
            c.store32(write(c, 4), c.mxcsr);
        }
    }

    private static final class GetXcr extends Op {
        GetXcr(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            if ((c.cr4 & Cpu.CR4_OSXSAVE) == 0) throw c.ud();
            if ((int) c.r[Reg.RCX] != 0) throw c.gp(0);
            c.r[Reg.RAX] = c.xcr0 & 0xffffffffL;
            c.r[Reg.RDX] = c.xcr0 >>> 32;
        }
    }

    private static final class SetXcr extends Op {
        SetXcr(Insn i) {
            super(i);
        }

        @Override
        public void exec(Cpu c) {
            if ((c.cr4 & Cpu.CR4_OSXSAVE) == 0) throw c.ud();
            long value = c.r[Reg.RAX] & 0xffffffffL | c.r[Reg.RDX] << 32;
            if (c.cpl != 0 || (int) c.r[Reg.RCX] != 0 || (value & 1) == 0 || (value & ~XCR0_SUPPORTED) != 0)
                throw c.gp(0);
            c.xcr0 = value;
        }
    }
}
