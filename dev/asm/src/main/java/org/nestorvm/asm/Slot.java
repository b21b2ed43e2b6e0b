package org.nestorvm.asm;

/**
 * What one operand of a form may be, and where it goes in the encoding. The names are those of {@code forms.txt}.
 *
 * @param registers the kind of register that fits; null when none does
 * @param fixed the only register that fits; null for any of its kind
 * @param memoryBits size of the memory operand that fits; 0 any, -1 none
 * @param bits size of an immediate, a relative target or an absolute offset
 */
record Slot(String name, Role role, Reg.Kind registers, Reg fixed, int memoryBits, int bits) {
    enum Role {
        REG,
        RM,
        FIXED,
        ONE,
        IMMEDIATE,
        SIGNED,
        SELECTOR,
        RELATIVE,
        OFFSET
    }

    static Slot parse(String name) {
        for (Reg r : Reg.values())
            if (r != Reg.R8 && r.toString().equals(name)) return new Slot(name, Role.FIXED, r.kind, r, -1, 0);
        int digits = name.length();
        while (digits > 0 && Character.isDigit(name.charAt(digits - 1))) digits--;
        int bits = digits == name.length() ? 0 : Integer.parseInt(name.substring(digits));
        return switch (name.substring(0, digits)) {
            case "" -> new Slot(name, Role.ONE, null, null, -1, 8);
            case "r" -> new Slot(name, Role.REG, kind(bits), null, -1, 0);
            case "rr" -> new Slot(name, Role.RM, kind(bits), null, -1, 0);
            case "rm" -> new Slot(name, Role.RM, kind(bits), null, bits, 0);
            case "r32m" -> new Slot(name, Role.RM, Reg.Kind.R32, null, bits, 0);
            case "m" -> new Slot(name, Role.RM, null, null, bits, 0);
            case "xmm" -> new Slot(name, Role.REG, Reg.Kind.XMM, null, -1, 0);
            case "xr" -> new Slot(name, Role.RM, Reg.Kind.XMM, null, -1, 0);
            case "xm" -> new Slot(name, Role.RM, Reg.Kind.XMM, null, bits, 0);
            case "mm" -> new Slot(name, bits == 0 ? Role.REG : Role.RM, Reg.Kind.MMX, null, bits == 0 ? -1 : bits, 0);
            case "mr" -> new Slot(name, Role.RM, Reg.Kind.MMX, null, -1, 0);
            case "sti" -> new Slot(name, Role.REG, Reg.Kind.ST, null, -1, 0);
            case "sreg" -> new Slot(name, Role.REG, Reg.Kind.SEGMENT, null, -1, 0);
            case "creg" -> new Slot(name, Role.REG, Reg.Kind.CONTROL, null, -1, 0);
            case "dreg" -> new Slot(name, Role.REG, Reg.Kind.DEBUG, null, -1, 0);
            case "imm" -> new Slot(name, Role.IMMEDIATE, null, null, -1, bits);
            case "simm" -> new Slot(name, Role.SIGNED, null, null, -1, bits);
            case "sel" -> new Slot(name, Role.SELECTOR, null, null, -1, 16);
            case "rel" -> new Slot(name, Role.RELATIVE, null, null, -1, bits);
            case "moffs" -> new Slot(name, Role.OFFSET, null, null, bits, 0);
            default -> parseSigned32(name);
        };
    }

    private static Slot parseSigned32(String name) {
        if (name.equals("imm32s")) return new Slot(name, Role.SIGNED, null, null, -1, 32);
        if (name.equals("st0")) return new Slot(name, Role.FIXED, Reg.Kind.ST, Reg.ST0, -1, 0);
        throw new IllegalStateException("no such operand: " + name);
    }

    private static Reg.Kind kind(int bits) {
        return switch (bits) {
            case 8 -> Reg.Kind.R8;
            case 16 -> Reg.Kind.R16;
            case 32 -> Reg.Kind.R32;
            default -> Reg.Kind.R64;
        };
    }

    boolean isImmediate() {
        return role == Role.IMMEDIATE || role == Role.SIGNED || role == Role.SELECTOR || role == Role.RELATIVE;
    }

    /**
     * @param operandBits of the whole form: a sign-extended byte may also be written as the unsigned number of that
     *     size
     */
    boolean fits(Operand operand, int operandBits) {
        return switch (operand) {
            case Reg r ->
                registers != null
                        && (fixed != null
                                ? r == fixed
                                : r.kind == registers || registers == Reg.Kind.R8 && r.kind == Reg.Kind.HIGH8);
            case Mem m ->
                memoryBits >= 0
                        && (m.bits() == 0 || memoryBits == 0 || m.bits() == memoryBits)
                        && (role != Role.OFFSET || m.base() == null && m.index() == null);
            case Label _ -> role == Role.RELATIVE || isImmediate() && bits >= 16;
            case Imm i -> fitsValue(i.value(), operandBits);
        };
    }

    private boolean fitsValue(long value, int operandBits) {
        return switch (role) {
            case ONE -> value == 1;
            case RELATIVE -> true;
            case SELECTOR, IMMEDIATE -> bits == 64 || value >= -(1L << bits - 1) && value < 1L << bits;
            case SIGNED ->
                signed(value, bits)
                        || operandBits < 64
                                && operandBits > bits
                                && value >>> operandBits == 0
                                && signed(value << 64 - operandBits >> 64 - operandBits, bits);
            default -> false;
        };
    }

    private static boolean signed(long value, int bits) {
        return value << 64 - bits >> 64 - bits == value;
    }
}
