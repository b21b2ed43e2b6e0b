package org.nestorvm.asm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every form of the table, with several operands, in every mode it has, must come out as GNU as encodes it. */
class GnuComparisonTest {
    private static final int VARIANTS = 6;
    private final Random random = new Random(1);

    private record Line(String text, String ours, Form form) {}

    @ParameterizedTest
    @ValueSource(ints = {16, 32, 64})
    void formsEncodeLikeGnu(int mode) throws Exception {
        assumeTrue(GnuAssembler.available(), "no GNU binutils here");
        List<Line> lines = new ArrayList<>();
        for (Map.Entry<String, List<Form>> e : Forms.BY_NAME.entrySet()) {
            for (Form form : e.getValue()) {
                if (form.name().equals(e.getKey()) && (form.modes() & mode) != 0 && comparable(form, mode))
                    instances(form, mode, lines);
            }
        }
        List<String> theirs =
                GnuAssembler.assemble(mode, lines.stream().map(Line::text).toList());
        List<String> differences = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            String ours = lines.get(i).ours();
            String gnu = theirs.get(i);
            boolean same = gnu.startsWith(ours) && gnu.substring(ours.length()).matches("0*");
            if (!same) differences.add(lines.get(i).text() + ": ours " + ours + " gnu " + gnu);
        }
        System.out.println("asm: " + lines.size() + " encodings compared with GNU as in " + mode + "-bit mode");
        assertEquals("", String.join("\n", differences));
        assertTrue(lines.size() > 1000);
    }

    private void instances(Form form, int mode, List<Line> lines) {
        int count = form.slots().isEmpty() ? 1 : VARIANTS;
        for (int v = 0; v < count; v++) {
            Operand[] operands = new Operand[form.slots().size()];
            for (int i = 0; i < operands.length; i++)
                operands[i] = operand(form, form.slots().get(i), mode);
            byte[] ours;
            try {
                ours = new Asm(0).bits(mode).op(form.name(), operands).assemble();
            } catch (IllegalArgumentException e) {
                continue; // AH with a REX prefix, or no such register in this mode
            }
            lines.add(new Line(text(form, operands, mode), HexFormat.of().formatHex(ours), form));
        }
    }

    private String text(Form form, Operand[] operands, int mode) {
        List<String> words = new ArrayList<>();
        for (int i = 0; i < operands.length; i++) {
            boolean relative = form.slots().get(i).role() == Slot.Role.RELATIVE;
            words.add(relative ? ".+" + operands[i] : operands[i].toString());
        }
        return gnuName(form.name(), mode) + " " + String.join(", ", words);
    }

    /** Where GNU's Intel syntax has another name. */
    private static String gnuName(String name, int mode) {
        boolean prefix = name.endsWith("w") == (mode != 16);
        return switch (name) {
            case "interrupt" -> "int";
            case "xlatb" -> "xlat";
            case "sysretd" -> mode == 64 ? name : "sysret";
            case "sysexit" -> mode == 64 ? "sysexitd" : name;
            case "retfw", "retfd" -> (prefix ? mode == 16 ? "data32 " : "data16 " : "") + "retf";
            case "pushaw", "pushad" -> (prefix ? mode == 16 ? "data32 " : "data16 " : "") + "pusha";
            case "popaw", "popad" -> (prefix ? mode == 16 ? "data32 " : "data16 " : "") + "popa";
            default -> name;
        };
    }

    /**
     * GNU does not know SALC, nor far pointers of 80 bits in Intel syntax, and takes a near indirect jump through 32
     * bits in 16-bit code for a far one.
     */
    private static boolean comparable(Form form, int mode) {
        boolean indirect =
                form.slots().size() == 1 && form.slots().getFirst().name().equals("m32");
        return !form.name().equals("salc")
                && !form.slots().stream().anyMatch(o -> o.name().equals("m80") && form.operandBits() == 64)
                && !form.name().matches("l(jmp|call)q")
                && !(mode == 16
                        && indirect
                        && (form.name().equals("jmp") || form.name().equals("call")));
    }

    private Operand operand(Form form, Slot slot, int mode) {
        return switch (slot.role()) {
            case FIXED -> slot.fixed();
            case ONE -> new Imm(1);
            case REG -> register(slot.registers(), mode);
            case RM ->
                slot.memoryBits() >= 0 && (slot.registers() == null || random.nextBoolean())
                        ? memory(slot.memoryBits(), mode)
                        : register(slot.registers(), mode);
            case IMMEDIATE, SELECTOR ->
                new Imm(slot.bits() == 64 ? random.nextLong() : random.nextLong() >>> 65 - slot.bits());
            case SIGNED -> new Imm(random.nextLong() >> 64 - slot.bits());
            case RELATIVE -> new Imm(slot.bits() == 8 ? 0x40 : 0x1234);
            case OFFSET ->
                new Mem(0, null, null, null, 1, mode == 64 ? random.nextLong() : 0x1234, null).sized(slot.memoryBits());
        };
    }

    private Reg register(Reg.Kind kind, int mode) {
        int n = mode == 64 ? 16 : 8;
        return switch (kind) {
            case R8 ->
                mode != 64 || random.nextInt(8) == 0
                        ? Reg.values()[Reg.AL.ordinal() + random.nextInt(4)]
                        : Reg.gpr(8, random.nextInt(n));
            case HIGH8 -> Reg.AH;
            case R16 -> Reg.gpr(16, random.nextInt(n));
            case R32 -> Reg.gpr(32, random.nextInt(n));
            case R64 -> Reg.gpr(64, random.nextInt(n));
            case SEGMENT -> new Reg[] {Reg.ES, Reg.SS, Reg.DS, Reg.FS, Reg.GS}[random.nextInt(5)];
            case CONTROL ->
                new Reg[] {Reg.CR0, Reg.CR2, Reg.CR3, Reg.CR4, mode == 64 ? Reg.CR8 : Reg.CR0}[random.nextInt(5)];
            case DEBUG -> new Reg[] {Reg.DR0, Reg.DR3, Reg.DR6, Reg.DR7}[random.nextInt(4)];
            case XMM -> Reg.xmm(random.nextInt(n));
            case MMX -> Reg.mm(random.nextInt(8));
            case ST -> Reg.st(1 + random.nextInt(7));
        };
    }

    private Mem memory(int bits, int mode) {
        long disp = switch (random.nextInt(4)) {
            case 0 -> 0;
            case 1 -> random.nextInt(256) - 128;
            default -> mode == 16 ? random.nextInt(0x8000) : random.nextInt();
        };
        Reg segment = random.nextInt(5) == 0 ? Reg.FS : null;
        if (random.nextInt(6) == 0) return new Mem(bits, segment, null, null, 1, disp & 0x7fff, null);
        if (mode == 16 && random.nextBoolean() || mode == 32 && random.nextInt(8) == 0)
            return memory16(bits, segment, (short) disp);
        int width = mode == 64 && random.nextInt(8) > 0 ? 64 : 32;
        int registers = mode == 64 ? 16 : 8;
        Reg base = random.nextInt(5) == 0 ? null : Reg.gpr(width, random.nextInt(registers));
        Reg index = base != null && random.nextBoolean() ? null : Reg.gpr(width, random.nextInt(registers));
        if (index != null && index.number == 4) index = Reg.gpr(width, 5);
        return new Mem(bits, segment, base, index, index == null ? 1 : 1 << random.nextInt(4), disp, null);
    }

    private Mem memory16(int bits, Reg segment, long disp) {
        Reg base = new Reg[] {Reg.BX, Reg.BP, Reg.SI, Reg.DI}[random.nextInt(4)];
        Reg index = base.number < 6 && random.nextBoolean() ? random.nextBoolean() ? Reg.SI : Reg.DI : null;
        return new Mem(bits, segment, base, index, 1, disp, null);
    }
}
