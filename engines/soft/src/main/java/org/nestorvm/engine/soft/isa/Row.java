package org.nestorvm.engine.soft.isa;

/** One row of the instruction table: see the head of x86.txt. */
public final class Row {
    public final String mnemonic;
    /** Operand codes as the manual's appendix A writes them: Ev, Gb, Ib, Wo ... */
    public final String[] operands;

    public final String family;
    /** Flags written, of "oszapc"; capital letters are undefined afterwards. */
    final String flags;

    public final int map, opcode;
    /** Mandatory prefix: -1 any, 0 none of 66 F2 F3, 0x66, 0xf2, 0xf3. */
    public final int prefix;
    /** /digit, or -1. */
    public final int digit;
    /** -1 any, 3 register only, 0 memory only. */
    public final int mod;
    /** Whole second modrm byte (x87), or -1. */
    public final int modrmByte;

    public final boolean hasModrm,
            byteOp,
            invalid64,
            only64,
            default64,
            force64,
            lockable,
            endsBlock,
            rexWOnly,
            rexWNot;
    /**
     * Bytes of the immediate: 0..8; -1 depends on operand size (Iz: 2 or 4), -2 full operand size (Iv), -3 address size
     * (Ob, Ov), -4 far pointer.
     */
    public final int immediate;
    /** A second immediate byte, or word, follows (ENTER). */
    public final boolean secondByte;

    Row(
            String mnemonic,
            String[] operands,
            String family,
            String flags,
            int map,
            int opcode,
            int prefix,
            int digit,
            int mod,
            int modrmByte,
            java.util.Set<String> attributes) {
        this.mnemonic = mnemonic;
        this.operands = operands;
        this.family = family;
        this.flags = flags;
        this.map = map;
        this.opcode = opcode;
        this.prefix = prefix;
        this.digit = digit;
        this.mod = mod;
        this.modrmByte = modrmByte;
        boolean modrm = digit >= 0 || mod >= 0 || modrmByte >= 0 || attributes.contains("modrm");
        boolean bytes = false;
        int imm = 0;
        boolean second = false;
        for (int i = 0; i < operands.length; i++) {
            String o = operands[i];
            modrm |= switch (o.charAt(0)) {
                case 'E', 'G', 'M', 'R', 'S', 'C', 'D', 'V', 'W', 'P', 'Q', 'N', 'U' ->
                    o.length() > 1
                            && !o.equals("CL")
                            && !o.equals("DX")
                            && !o.equals("GS")
                            && !o.equals("DS")
                            && !o.equals("CS")
                            && !o.equals("SS")
                            && !o.equals("ES");
                default -> false;
            };
            bytes |= i == 0 && o.length() == 2 && o.charAt(1) == 'b' && "EGXYOMZ".indexOf(o.charAt(0)) >= 0
                    || i == 0 && o.equals("AL");
            int size = switch (o) {
                case "Ib", "sIb", "Jb" -> 1;
                case "Iw" -> 2;
                case "Iz", "Jz" -> -1;
                case "Iv" -> -2;
                case "Ob", "Ov" -> -3;
                case "Ap" -> -4;
                default -> 0;
            };
            if (size != 0) {
                if (imm != 0) second = true;
                else imm = size;
            }
        }
        hasModrm = modrm;
        byteOp = bytes;
        immediate = imm;
        secondByte = second;
        invalid64 = attributes.contains("i64");
        only64 = attributes.contains("o64");
        default64 = attributes.contains("d64");
        force64 = attributes.contains("f64");
        lockable = attributes.contains("lock");
        endsBlock = attributes.contains("end");
        rexWOnly = attributes.contains("w1");
        rexWNot = attributes.contains("w0");
    }

    @Override
    public String toString() {
        return mnemonic + (operands.length == 0 ? "" : " " + String.join(",", operands));
    }
}
