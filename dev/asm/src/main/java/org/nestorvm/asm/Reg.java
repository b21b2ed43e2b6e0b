package org.nestorvm.asm;

/** Every register that an instruction can name. {@link #number} is the encoding's. */
public enum Reg implements Operand {
    AL(Kind.R8, 0),
    CL(Kind.R8, 1),
    DL(Kind.R8, 2),
    BL(Kind.R8, 3),
    SPL(Kind.R8, 4),
    BPL(Kind.R8, 5),
    SIL(Kind.R8, 6),
    DIL(Kind.R8, 7),
    R8B(Kind.R8, 8),
    R9B(Kind.R8, 9),
    R10B(Kind.R8, 10),
    R11B(Kind.R8, 11),
    R12B(Kind.R8, 12),
    R13B(Kind.R8, 13),
    R14B(Kind.R8, 14),
    R15B(Kind.R8, 15),
    AH(Kind.HIGH8, 4),
    CH(Kind.HIGH8, 5),
    DH(Kind.HIGH8, 6),
    BH(Kind.HIGH8, 7),
    AX(Kind.R16, 0),
    CX(Kind.R16, 1),
    DX(Kind.R16, 2),
    BX(Kind.R16, 3),
    SP(Kind.R16, 4),
    BP(Kind.R16, 5),
    SI(Kind.R16, 6),
    DI(Kind.R16, 7),
    R8W(Kind.R16, 8),
    R9W(Kind.R16, 9),
    R10W(Kind.R16, 10),
    R11W(Kind.R16, 11),
    R12W(Kind.R16, 12),
    R13W(Kind.R16, 13),
    R14W(Kind.R16, 14),
    R15W(Kind.R16, 15),
    EAX(Kind.R32, 0),
    ECX(Kind.R32, 1),
    EDX(Kind.R32, 2),
    EBX(Kind.R32, 3),
    ESP(Kind.R32, 4),
    EBP(Kind.R32, 5),
    ESI(Kind.R32, 6),
    EDI(Kind.R32, 7),
    R8D(Kind.R32, 8),
    R9D(Kind.R32, 9),
    R10D(Kind.R32, 10),
    R11D(Kind.R32, 11),
    R12D(Kind.R32, 12),
    R13D(Kind.R32, 13),
    R14D(Kind.R32, 14),
    R15D(Kind.R32, 15),
    RAX(Kind.R64, 0),
    RCX(Kind.R64, 1),
    RDX(Kind.R64, 2),
    RBX(Kind.R64, 3),
    RSP(Kind.R64, 4),
    RBP(Kind.R64, 5),
    RSI(Kind.R64, 6),
    RDI(Kind.R64, 7),
    R8(Kind.R64, 8),
    R9(Kind.R64, 9),
    R10(Kind.R64, 10),
    R11(Kind.R64, 11),
    R12(Kind.R64, 12),
    R13(Kind.R64, 13),
    R14(Kind.R64, 14),
    R15(Kind.R64, 15),
    ES(Kind.SEGMENT, 0),
    CS(Kind.SEGMENT, 1),
    SS(Kind.SEGMENT, 2),
    DS(Kind.SEGMENT, 3),
    FS(Kind.SEGMENT, 4),
    GS(Kind.SEGMENT, 5),
    CR0(Kind.CONTROL, 0),
    CR1(Kind.CONTROL, 1),
    CR2(Kind.CONTROL, 2),
    CR3(Kind.CONTROL, 3),
    CR4(Kind.CONTROL, 4),
    CR5(Kind.CONTROL, 5),
    CR6(Kind.CONTROL, 6),
    CR7(Kind.CONTROL, 7),
    CR8(Kind.CONTROL, 8),
    DR0(Kind.DEBUG, 0),
    DR1(Kind.DEBUG, 1),
    DR2(Kind.DEBUG, 2),
    DR3(Kind.DEBUG, 3),
    DR4(Kind.DEBUG, 4),
    DR5(Kind.DEBUG, 5),
    DR6(Kind.DEBUG, 6),
    DR7(Kind.DEBUG, 7),
    XMM0(Kind.XMM, 0),
    XMM1(Kind.XMM, 1),
    XMM2(Kind.XMM, 2),
    XMM3(Kind.XMM, 3),
    XMM4(Kind.XMM, 4),
    XMM5(Kind.XMM, 5),
    XMM6(Kind.XMM, 6),
    XMM7(Kind.XMM, 7),
    XMM8(Kind.XMM, 8),
    XMM9(Kind.XMM, 9),
    XMM10(Kind.XMM, 10),
    XMM11(Kind.XMM, 11),
    XMM12(Kind.XMM, 12),
    XMM13(Kind.XMM, 13),
    XMM14(Kind.XMM, 14),
    XMM15(Kind.XMM, 15),
    MM0(Kind.MMX, 0),
    MM1(Kind.MMX, 1),
    MM2(Kind.MMX, 2),
    MM3(Kind.MMX, 3),
    MM4(Kind.MMX, 4),
    MM5(Kind.MMX, 5),
    MM6(Kind.MMX, 6),
    MM7(Kind.MMX, 7),
    ST0(Kind.ST, 0),
    ST1(Kind.ST, 1),
    ST2(Kind.ST, 2),
    ST3(Kind.ST, 3),
    ST4(Kind.ST, 4),
    ST5(Kind.ST, 5),
    ST6(Kind.ST, 6),
    ST7(Kind.ST, 7);

    /**
     * HIGH8 are AH to BH: they share their numbers with SPL to DIL, which need a REX prefix, as these must not have
     * one.
     */
    public enum Kind {
        R8(8),
        HIGH8(8),
        R16(16),
        R32(32),
        R64(64),
        SEGMENT(16),
        CONTROL(0),
        DEBUG(0),
        XMM(128),
        MMX(64),
        ST(80);

        public final int bits;

        Kind(int bits) {
            this.bits = bits;
        }
    }

    public final Kind kind;
    public final int number;

    Reg(Kind kind, int number) {
        this.kind = kind;
        this.number = number;
    }

    /** The general-purpose register of that number and width; with 8 bits, 4 to 7 are SPL to DIL. */
    public static Reg gpr(int bits, int number) {
        Reg first = switch (bits) {
            case 8 -> AL;
            case 16 -> AX;
            case 32 -> EAX;
            case 64 -> RAX;
            default -> throw new IllegalArgumentException("bits=" + bits);
        };
        return values()[first.ordinal() + number];
    }

    public static Reg xmm(int number) {
        return values()[XMM0.ordinal() + number];
    }

    public static Reg mm(int number) {
        return values()[MM0.ordinal() + number];
    }

    public static Reg st(int number) {
        return values()[ST0.ordinal() + number];
    }

    /** SPL to DIL and every register above 7 exist only with a REX prefix. */
    boolean needsRex() {
        return number > 7 || kind == Kind.R8 && number > 3;
    }

    @Override
    public String toString() {
        return kind == Kind.ST ? "st(" + number + ")" : name().toLowerCase(java.util.Locale.ROOT);
    }
}
