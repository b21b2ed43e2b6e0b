package org.nestorvm.engine.soft.isa;

/**
 * What the decoder found in one instruction: the scratch pad from which operations are made. One per decoder, reused.
 */
public final class Insn {
    /** The row of the table; its mnemonic says what to make. */
    public Row row;
    /** Size of code: 2, 4 or 8 bytes (CS.D and CS.L). */
    int codeSize;
    /** SS.B: 2, 4 or 8 bytes of stack pointer. */
    int stackSize;
    /** Offsets from the block's first byte. */
    public int start, end;

    /** Effective operand size in bytes: 2, 4, 8. Byte instructions say so in their row. */
    public int opSize;
    /** Effective address size in bytes: 2, 4, 8. */
    public int addrSize;

    public boolean lock, opSizePrefix;
    /** 0, 0xf2 or 0xf3. */
    public int rep;
    /** REX bits W 8, R 4, X 2, B 1; hasRex tells SPL from AH. */
    public int rex;

    public boolean hasRex;
    public int map, opcode;
    public int modrm, mod, reg, rm;
    /** Memory operand, when mod != 3: indices into cpu.r. */
    public int base, index, scale;

    public long disp;
    public boolean ripRelative;
    /** Segment of the memory operand after overrides: ES 0 .. GS 5. */
    public int seg;

    boolean segOverride;
    /** Immediates, sign-extended; the second is ENTER's and the selector of a far pointer. */
    public long imm, imm2;

    /** Takes over what {@code CompareBranch} asks of an instruction. */
    public void copy(Insn i) {
        row = i.row;
        codeSize = i.codeSize;
        start = i.start;
        end = i.end;
        opSize = i.opSize;
        mod = i.mod;
        reg = i.reg;
        rm = i.rm;
        imm = i.imm;
    }

    public boolean isReg() {
        return mod == 3;
    }

    public boolean code64() {
        return codeSize == 8;
    }

    public boolean rexW() {
        return (rex & 8) != 0;
    }

    public long addressMask() {
        return addrSize == 8 ? -1L : addrSize == 4 ? 0xffffffffL : 0xffffL;
    }

    int length() {
        return end - start;
    }
}
