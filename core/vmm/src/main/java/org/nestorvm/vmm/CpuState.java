package org.nestorvm.vmm;

/**
 * The architectural state of an x86-64 processor, in the manuals' terms; the common ground of engines, loaders and
 * debuggers. A new one holds the state after RESET (SDM vol. 3A, table 10-1): real mode at F000:FFF0.
 */
public final class CpuState {
    /** RAX RCX RDX RBX RSP RBP RSI RDI R8..R15: the encoding's order. */
    public static final int RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7;
    /** The encoding's order of segment registers; then the two system segments. */
    public static final int ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5, LDTR = 6, TR = 7;

    public final long[] gpr = new long[16];
    public long rip = 0xfff0;
    public long rflags = 2;

    public final int[] selector = new int[8];
    public final long[] base = new long[8];
    /** Limits in bytes (scaled), as unsigned 32-bit values. */
    public final int[] limit = new int[8];
    /**
     * Access rights in the layout of the VMCS (SDM vol. 3C, table 25-2): 3:0 type, 4 S, 6:5 DPL, 7 P, 12 AVL, 13 L, 14
     * D/B, 15 G, 16 unusable.
     */
    public final int[] access = new int[8];

    public long gdtrBase, idtrBase;
    public int gdtrLimit = 0xffff, idtrLimit = 0xffff;
    public long cr0 = 0x60000010L, cr2, cr3, cr4, cr8, xcr0 = 1, efer;
    public final long[] dr = {0, 0, 0, 0, 0, 0, 0xffff0ff0L, 0x400};

    public long star, lstar, cstar, sfmask, kernelGsBase, sysenterCs, sysenterEsp, sysenterEip, tscAux;
    public long pat = 0x0007040600070406L, miscEnable = 1, tsc, xss;
    /** Enabled, as after RESET. Engines set bit 8, boot processor, for the one with index 0 and for no other. */
    public long apicBase = 0xfee00800L;

    /**
     * x87, MMX and SSE state in the 512-byte FXSAVE layout of 64-bit mode, followed by the XSAVE header and the
     * components in standard format.
     */
    public final byte[] xsave = new byte[4096];

    /** HLT was executed and nothing has ended it; or an application processor that waits for INIT and SIPI. */
    public boolean halted, waitForSipi;
    /** The instruction after STI, or after MOV SS or POP SS, has not retired yet. */
    public boolean stiShadow, movSsShadow, nmiBlocked;

    public CpuState() {
        for (int s = ES; s <= GS; s++) {
            limit[s] = 0xffff;
            access[s] = s == CS ? 0x9b : 0x93;
        }
        selector[CS] = 0xf000;
        base[CS] = 0xffff0000L;
        limit[LDTR] = 0xffff;
        access[LDTR] = 0x82;
        limit[TR] = 0xffff;
        access[TR] = 0x8b;
        gpr[RDX] = 0x600;
        xsave[0] = 0x7f; // FCW 037Fh, as after FNINIT; FTW (abridged) 0: all empty
        xsave[1] = 0x03;
        xsave[24] = (byte) 0x80; // MXCSR 1F80h
        xsave[25] = 0x1f;
    }
}
