package org.nestorvm.asm;

/**
 * A memory operand. Address size follows the registers' width, and the mode's where there is none.
 *
 * @param bits size of what is there; 0 lets the other operand say it
 * @param segment override, or null
 * @param label null, or a place whose address is added to {@code disp}: relative to RIP in 64-bit mode where there is
 *     no register
 */
public record Mem(int bits, Reg segment, Reg base, Reg index, int scale, long disp, Label label) implements Operand {
    public Mem {
        if (scale != 1 && scale != 2 && scale != 4 && scale != 8) throw new IllegalArgumentException("scale=" + scale);
        if (index == Reg.RSP || index == Reg.ESP) throw new IllegalArgumentException("SP cannot be an index");
    }

    public static Mem ptr(Reg base) {
        return ptr(base, 0);
    }

    public static Mem ptr(Reg base, long disp) {
        return new Mem(0, null, base, null, 1, disp, null);
    }

    public static Mem ptr(Reg base, Label label) {
        return new Mem(0, null, base, null, 1, 0, label);
    }

    /** @param base may be null */
    public static Mem ptr(Reg base, Reg index, int scale, long disp) {
        return new Mem(0, null, base, index, scale, disp, null);
    }

    public static Mem ptr(Label label) {
        return new Mem(0, null, null, null, 1, 0, label);
    }

    /** An absolute address: 16, 32 or (sign extended) 32 bits of displacement. */
    public static Mem abs(long address) {
        return new Mem(0, null, null, null, 1, address, null);
    }

    public Mem m8() {
        return sized(8);
    }

    public Mem m16() {
        return sized(16);
    }

    public Mem m32() {
        return sized(32);
    }

    public Mem m64() {
        return sized(64);
    }

    public Mem m80() {
        return sized(80);
    }

    public Mem m128() {
        return sized(128);
    }

    public Mem sized(int bits) {
        return new Mem(bits, segment, base, index, scale, disp, label);
    }

    public Mem in(Reg segment) {
        return new Mem(bits, segment, base, index, scale, disp, label);
    }

    /** Address size in bits, 0 when no register says it. */
    int addressBits() {
        return base != null ? base.kind.bits : index != null ? index.kind.bits : 0;
    }

    @Override
    public String toString() {
        StringBuilder s = new StringBuilder(
                switch (bits) {
                    case 0 -> "";
                    case 8 -> "byte ptr ";
                    case 16 -> "word ptr ";
                    case 32 -> "dword ptr ";
                    case 48 -> "fword ptr ";
                    case 64 -> "qword ptr ";
                    case 80 -> "tbyte ptr ";
                    default -> "xmmword ptr ";
                });
        s.append(segment == null ? base == null && index == null ? "ds:" : "" : segment + ":")
                .append('[');
        if (base != null) s.append(base);
        if (index != null)
            s.append(base == null ? "" : "+").append(index).append(index.kind.bits == 16 ? "" : "*" + scale);
        if (label != null) s.append('+').append(label);
        if (base == null && index == null) s.append(new Imm(disp));
        else if (disp != 0) s.append(disp < 0 ? "" : "+").append(new Imm(disp));
        return s.append(']').toString();
    }
}
