package org.nestorvm.asm;

/** An immediate value, or the absolute address that a jump goes to. */
public record Imm(long value) implements Operand {
    @Override
    public String toString() {
        return value < 0 && value != Long.MIN_VALUE ? "-0x" + Long.toHexString(-value) : "0x" + Long.toHexString(value);
    }
}
