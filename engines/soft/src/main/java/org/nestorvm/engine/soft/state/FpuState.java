package org.nestorvm.engine.soft.state;

import static org.nestorvm.memory.sys.HostMemory.INT;
import static org.nestorvm.memory.sys.HostMemory.LONG;
import static org.nestorvm.memory.sys.HostMemory.SHORT;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.nestorvm.engine.soft.ops.x87.X87;

/**
 * The image that FXSAVE writes, 512 bytes: SDM vol. 1, 10.5.1. Offsets: control word 0, status 2, abridged tags 4,
 * opcode 6, instruction pointer 8, data pointer 16, MXCSR 24, its mask 28, x87 registers 32 (16 bytes each), XMM
 * registers 160. The form with REX.W has 64-bit pointers, the other 32-bit ones with selectors behind them. Bytes 464
 * to 511 are the system's.
 */
public final class FpuState {
    /** The status word (SDM vol. 1, 8.1.3). */
    public static final int SF = 0x40, ES = 0x80, C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000, BUSY = 0x8000;

    public static final int CONDITIONS = C0 | C1 | C2 | C3;

    static final int SIZE = 512;
    /** Bits of MXCSR that exist: all exceptions, masks, rounding, FTZ and DAZ. */
    public static final int MXCSR_MASK = 0xffff;

    public static final int X87 = 1, SSE = 2;

    private FpuState() {}

    /**
     * Writes the parts of the state named by {@code parts} into an image; bytes of other parts and reserved ones keep
     * their values.
     *
     * @param wide the form with REX.W
     * @param registers how many XMM registers there are: 16 in 64-bit code, else 8
     */
    public static void save(Cpu c, byte[] image, boolean wide, int registers, int parts) {
        MemorySegment m = MemorySegment.ofArray(image);
        if ((parts & X87) != 0) saveX87(c, m, wide);
        if ((parts & SSE) == 0) return;
        saveMxcsr(c, image);
        for (int n = 0; n < registers * 2; n++) m.set(LONG, 160 + n * 8L, c.xmm[n]);
    }

    static void saveMxcsr(Cpu c, byte[] image) {
        MemorySegment m = MemorySegment.ofArray(image);
        m.set(INT, 24, c.mxcsr);
        m.set(INT, 28, MXCSR_MASK);
    }

    private static void saveX87(Cpu c, MemorySegment m, boolean wide) {
        m.set(SHORT, 0, (short) c.fpControl);
        m.set(SHORT, 2, (short) (c.fpStatus | c.fpTop << 11));
        m.set(SHORT, 4, (short) c.fpUsed);
        m.set(SHORT, 6, (short) c.fpOpcode);
        m.set(LONG, 8, wide ? c.fpIp : c.fpIp & 0xffffffffL | (c.fpIpSelector & 0xffffL) << 32);
        m.set(LONG, 16, wide ? c.fpDp : c.fpDp & 0xffffffffL | (c.fpDpSelector & 0xffffL) << 32);
        for (int i = 0; i < 8; i++) {
            int n = c.fpTop + i & 7;
            m.set(LONG, 32 + i * 16L, c.fpMantissa[n]);
            m.set(LONG, 40 + i * 16L, c.fpExponent[n] & 0xffffL);
        }
    }

    /** The value for MXCSR in an image; bits outside {@link #MXCSR_MASK} make the restoring instruction fault. */
    public static int mxcsr(byte[] image) {
        return MemorySegment.ofArray(image).get(INT, 24);
    }

    /** Takes the parts named by {@code parts} from an image. The caller has checked MXCSR. */
    public static void restore(Cpu c, byte[] image, boolean wide, int registers, int parts) {
        MemorySegment m = MemorySegment.ofArray(image);
        if ((parts & X87) != 0) restoreX87(c, m, wide);
        if ((parts & SSE) == 0) return;
        c.mxcsr = m.get(INT, 24) & MXCSR_MASK;
        for (int n = 0; n < registers * 2; n++) c.xmm[n] = m.get(LONG, 160 + n * 8L);
    }

    private static void restoreX87(Cpu c, MemorySegment m, boolean wide) {
        setControl(c, m.get(SHORT, 0));
        int status = m.get(SHORT, 2) & 0xffff;
        c.fpTop = status >> 11 & 7;
        setStatus(c, status);
        c.fpUsed = m.get(ValueLayout.JAVA_BYTE, 4) & 0xff;
        c.fpOpcode = m.get(SHORT, 6) & 0x7ff;
        c.fpIp = wide ? m.get(LONG, 8) : m.get(INT, 8) & 0xffffffffL;
        c.fpDp = wide ? m.get(LONG, 16) : m.get(INT, 16) & 0xffffffffL;
        c.fpIpSelector = wide ? 0 : m.get(SHORT, 12) & 0xffff;
        c.fpDpSelector = wide ? 0 : m.get(SHORT, 20) & 0xffff;
        for (int i = 0; i < 8; i++) {
            int n = c.fpTop + i & 7;
            c.fpMantissa[n] = m.get(LONG, 32 + i * 16L);
            c.fpExponent[n] = m.get(SHORT, 40 + i * 16L) & 0xffff;
        }
    }

    /** The state after a reset of x87: FNINIT, and what XRSTOR makes of a part that the image does not hold. */
    public static void resetX87(Cpu c) {
        c.fpControl = 0x37f;
        c.fpStatus = 0;
        c.fpTop = 0;
        c.fpUsed = 0;
        c.fpOpcode = 0;
        c.fpIp = 0;
        c.fpDp = 0;
        c.fpIpSelector = 0;
        c.fpDpSelector = 0;
    }

    public static void setControl(Cpu c, int control) {
        c.fpControl = control & 0x1f7f | 0x40;
        summarise(c);
    }

    /** Takes a status word but for TOP. */
    public static void setStatus(Cpu c, int status) {
        c.fpStatus = status & (CONDITIONS | SF | 0x3f);
        summarise(c);
    }

    public static void summarise(Cpu c) {
        if ((c.fpStatus & ~c.fpControl & 0x3f) != 0) c.fpStatus |= ES | BUSY;
        else c.fpStatus &= ~(ES | BUSY);
    }
}
