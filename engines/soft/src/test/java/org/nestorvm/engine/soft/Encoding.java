package org.nestorvm.engine.soft;

import java.io.ByteArrayOutputStream;
import org.nestorvm.engine.soft.isa.Reg;
import org.nestorvm.engine.soft.isa.Row;
import org.nestorvm.engine.soft.isa.Table;

/**
 * Makes an encoding of a row of the instruction table, for 64-bit code: operands at random, memory at [rbx + disp8].
 */
final class Encoding {
    private Encoding() {}

    /**
     * One encoding of the row.
     *
     * @param memory a memory operand; else registers
     * @param disp the displacement from RBX
     */
    static byte[] of(Row row, Operands random, boolean memory, int disp) {
        var out = new ByteArrayOutputStream();
        if (row.prefix > 0) out.write(row.prefix);
        boolean general = false, wide = false;
        for (String o : row.operands) {
            general |= o.length() > 1 && "EGR".indexOf(o.charAt(0)) >= 0 && "bwdyqv".indexOf(o.charAt(1)) >= 0;
            wide |= o.endsWith("y");
        }
        boolean x87 = row.family.equals("x87");
        int reg = register(random, general), rm = memory ? Reg.RBX : register(random, general);
        int rex = x87 ? 0 : (wide && random.below(2) == 0 || row.rexWOnly ? 8 : 0) | reg >> 3 << 2 | rm >> 3;
        if (rex != 0) out.write(0x40 | rex);
        switch (row.map) {
            case Table.TWO -> out.write(0x0f);
            case Table.THREE_38 -> {
                out.write(0x0f);
                out.write(0x38);
            }
            case Table.THREE_3A -> {
                out.write(0x0f);
                out.write(0x3a);
            }
            default -> {}
        }
        out.write(row.opcode);
        if (row.hasModrm) {
            int field = row.digit >= 0 ? row.digit : reg & 7;
            out.write(row.modrmByte >= 0 ? row.modrmByte : (memory ? 0x40 : 0xc0) | field << 3 | rm & 7);
            if (memory) out.write(disp);
        }
        if (row.immediate == 1) out.write(random.below(256));
        return out.toByteArray();
    }

    /** General registers leave out RSP, and RBX, which holds the address. */
    private static int register(Operands random, boolean general) {
        int n = random.below(16);
        return general && (n == Reg.RSP || n == Reg.RBX) ? Reg.RAX : n;
    }
}
