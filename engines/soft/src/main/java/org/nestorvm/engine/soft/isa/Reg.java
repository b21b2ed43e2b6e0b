package org.nestorvm.engine.soft.isa;

/** Numbers of registers and segment registers, as instructions encode them, and of what stands beside them. */
public final class Reg {
    public static final int ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5, LDTR = 6, TR = 7;
    /** Not a segment: base 0, for the segments that 64-bit code does not use. */
    public static final int FLAT = 8;

    public static final int RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7;
    /** Entries of the register file behind the registers: the address of the running block's first byte, and zero. */
    public static final int RIP = 16, ZERO = 17;

    private Reg() {}
}
