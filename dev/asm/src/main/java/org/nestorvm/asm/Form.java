package org.nestorvm.asm;

import java.util.ArrayList;
import java.util.List;

/**
 * One way to encode an instruction: a line of {@code forms.txt} with its letters replaced.
 *
 * @param operandBits 16 or 32 where the mode decides about a prefix; 64 with REX.W; 0 where the operand size does not
 *     matter
 * @param addressBits the same for the address size
 * @param modes set of code modes: 16 | 32 | 64
 * @param prefix mandatory prefix, 0 for none
 * @param digit value of ModRM.reg, {@link #REG} for /r, {@link #NO_MODRM}
 * @param registerInOpcode the last opcode byte holds a register number
 */
record Form(
        String name,
        List<Slot> slots,
        int operandBits,
        int addressBits,
        int modes,
        int prefix,
        List<Integer> opcode,
        int digit,
        boolean registerInOpcode) {
    static final int REG = 8, NO_MODRM = -1;

    /** The forms of the n-th name of a line, letters v, y and z replaced. */
    static List<Form> expand(String name, int n, String operands, String encoding, String conditions) {
        List<Form> forms = new ArrayList<>();
        if (operands.contains("relz")) {
            forms.add(one(name, n, operands.replace("relz", "rel16"), encoding, conditions + " mode16"));
            forms.add(one(name, n, operands.replace("relz", "rel32"), encoding, conditions + " mode32 mode64"));
        } else if (operands.matches(".*(rv|mv|immz).*")) {
            for (int size = 16; size <= 64; size *= 2) {
                String concrete = operands.replace("immz", size == 64 ? "imm32s" : "imm" + size)
                        .replace("rv", "r" + size)
                        .replace("mv", "m" + size);
                forms.add(one(name, n, concrete, encoding, conditions + (size == 64 ? " W only64" : " o" + size)));
            }
        } else if (operands.matches(".*(ry|my).*")) {
            forms.add(one(name, n, operands.replace("ry", "r32").replace("my", "m32"), encoding, conditions));
            forms.add(one(
                    name, n, operands.replace("ry", "r64").replace("my", "m64"), encoding, conditions + " W only64"));
        } else {
            forms.add(one(name, n, operands, encoding, conditions));
        }
        return forms;
    }

    private static Form one(String name, int n, String operands, String encoding, String conditions) {
        List<Slot> slots = new ArrayList<>();
        if (!operands.equals("-")) for (String o : operands.split(",")) slots.add(Slot.parse(o));
        List<Integer> bytes = new ArrayList<>();
        int digit = NO_MODRM;
        boolean inOpcode = false;
        for (String part : encoding.trim().split(" +")) {
            if (part.equals("/r")) digit = REG;
            else if (part.startsWith("/")) digit = sum(part.substring(1), n, 10);
            else {
                inOpcode = part.endsWith("+r");
                bytes.add(sum(inOpcode ? part.substring(0, part.length() - 2) : part, n, 16));
            }
        }
        int prefix = 0;
        if (bytes.size() > 1 && (bytes.getFirst() == 0x66 || bytes.getFirst() == 0xF2 || bytes.getFirst() == 0xF3))
            prefix = bytes.removeFirst();
        List<String> flags = List.of(conditions.trim().split(" +"));
        int operandBits = flags.contains("o16") ? 16 : flags.contains("o32") ? 32 : flags.contains("W") ? 64 : 0;
        int addressBits = flags.contains("a16") ? 16 : flags.contains("a32") ? 32 : 0;
        return new Form(name, slots, operandBits, addressBits, modes(flags), prefix, bytes, digit, inOpcode);
    }

    private static int modes(List<String> flags) {
        int modes = flags.contains("no64") ? 16 | 32 : flags.contains("only64") ? 64 : 0;
        for (int m = 16; m <= 64; m *= 2) if (flags.contains("mode" + m)) modes |= m;
        if (flags.contains("a16")) modes = 16 | 32;
        return modes == 0 ? 16 | 32 | 64 : modes;
    }

    /** A sum of terms: a number (the first in {@code radix}), n, or n times a number. */
    private static int sum(String text, int n, int radix) {
        int sum = 0;
        for (String term : text.split("\\+")) {
            if (term.equals("n")) sum += n;
            else if (term.startsWith("n*")) sum += n * Integer.parseInt(term.substring(2));
            else sum += Integer.parseInt(term, radix);
        }
        return sum;
    }

    boolean accepts(Operand[] operands, int mode) {
        if (operands.length != slots.size() || (modes & mode) == 0) return false;
        for (int i = 0; i < operands.length; i++) if (!slots.get(i).fits(operands[i], operandBits)) return false;
        return true;
    }
}
