package org.nestorvm.engine.tests.oracle;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What an unprivileged instruction can see and change: registers, x87/MMX/SSE state as FXSAVE stores it, and a window
 * of memory that holds the stack at its end.
 */
final class CaseState {
    static final int WINDOW_BYTES = 8192;
    /** Where the stack begins at first, inside the window. */
    static final int STACK = 7680;

    static final int FX_BYTES = 512,
            FX_FCW = 0,
            FX_FSW = 2,
            FX_FTW = 4,
            FX_OPCODE = 6,
            FX_MXCSR = 24,
            FX_MXCSR_MASK = 28,
            FX_ST = 32,
            FX_XMM = 160,
            FX_END = 416;

    final long[] gpr = new long[16];
    long rflags = 0x202;
    final ByteBuffer fx = ByteBuffer.allocate(FX_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    final ByteBuffer window = ByteBuffer.allocate(WINDOW_BYTES).order(ByteOrder.LITTLE_ENDIAN);

    CaseState() {
        fx.putShort(FX_FCW, (short) 0x37f).putInt(FX_MXCSR, 0x1f80);
    }

    CaseState copy() {
        CaseState c = new CaseState();
        System.arraycopy(gpr, 0, c.gpr, 0, 16);
        c.rflags = rflags;
        System.arraycopy(fx.array(), 0, c.fx.array(), 0, FX_BYTES);
        System.arraycopy(window.array(), 0, c.window.array(), 0, WINDOW_BYTES);
        return c;
    }
}
