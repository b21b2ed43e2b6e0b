package org.nestorvm.engine.tests.oracle;

import java.util.List;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Imm;
import org.nestorvm.asm.Label;
import org.nestorvm.asm.Mem;
import org.nestorvm.asm.Operand;
import org.nestorvm.asm.Reg;

/**
 * Makes programs of some dozen instructions with forward jumps, loops, calls, pushes and pops: what one instruction
 * leaves to the next, lazily computed flags above all. Flags that are undefined are never read; R13 counts loops, R14
 * is scratch for this class, R15 points to the window, and all of them stay out of the instructions' way.
 */
final class ProgramGenerator {
    /** What a program is made of: groups of {@code instructions.txt}. */
    private static final String GROUPS =
            "alu|logic|not|incdec|multiply|shift|rotate|bit|move|flag|condition|sselogic|integer|ssemove";

    private static final String LEFT_OUT =
            "xlatb|movabs|movbe|maskmov.*|movnt.*|psl.*|psr.*|mov[dq]q2.*|movq2dq|pshufw|emms|lddqu|std";
    private static final Reg LOOP = Reg.R13, SCRATCH = Reg.R14, POINTER = Reg.R15;

    /** @param undefined flags that are undefined at the end */
    record Program(byte[] code, String text, long undefined) {}

    private final Values values;
    private final long windowAddress;
    private final List<Spec> specs;
    private Asm a;
    private StringBuilder text;
    private long undefined;

    ProgramGenerator(Values values, long windowAddress) {
        this.values = values;
        this.windowAddress = windowAddress;
        specs = Spec.read().stream()
                .filter(s -> s.group().matches(GROUPS) && !s.name().matches(LEFT_OUT))
                .toList();
    }

    Program program(long address) {
        a = new Asm(address).bits(64);
        text = new StringBuilder();
        undefined = 0;
        block(3);
        return new Program(a.assemble(), text.toString(), undefined);
    }

    /** The registers that a program leaves alone. */
    void prepare(CaseState s) {
        s.gpr[POINTER.number] = windowAddress + 4096;
    }

    private void block(int depth) {
        int count = 2 + values.below(5);
        for (int i = 0; i < count; i++) {
            switch (depth == 0 ? 9 : values.below(12)) {
                case 0 -> loop(depth);
                case 1, 2 -> skip(depth);
                case 3 -> call(depth);
                case 4 -> pushAndPop();
                default -> instruction();
            }
        }
    }

    /** Makes every flag defined, where two ways meet. */
    private void join() {
        a.cmp(SCRATCH, POINTER);
        text.append("cmp r14,r15; ");
        undefined = 0;
    }

    private void loop(int depth) {
        a.push(LOOP).mov(Reg.gpr(32, LOOP.number), 1 + values.below(6));
        text.append("loop { ");
        Label head = a.here();
        join();
        block(depth - 1);
        a.dec(Reg.gpr(32, LOOP.number)).jnz(head).pop(LOOP);
        undefined &= Spec.CF; // DEC writes the others
        text.append("} ");
    }

    private void skip(int depth) {
        String jump = condition("j");
        if (jump == null) return;
        Label over = a.label();
        a.op(jump, over);
        text.append(jump).append(" { ");
        block(depth - 1);
        a.bind(over);
        text.append("} ");
        join();
    }

    private void call(int depth) {
        Label function = a.label(), over = a.label();
        a.call(function).jmp(over).bind(function);
        text.append("call { ");
        block(depth - 1);
        a.ret().bind(over);
        text.append("} ");
    }

    private void pushAndPop() {
        Reg from = general(64), to = general(64);
        a.push(from).pop(to);
        text.append("push ").append(from).append("; pop ").append(to).append("; ");
    }

    /** A conditional instruction whose flags are defined, or null when there is none. */
    private String condition(String prefix) {
        String[] names = {"o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"};
        for (int attempt = 0; attempt < 20; attempt++) {
            String name = prefix + names[values.below(16)];
            if ((reads(name.substring(prefix.length())) & undefined) == 0) return name;
        }
        return null;
    }

    private static long reads(String condition) {
        return switch (condition) {
            case "o", "no" -> Spec.OF;
            case "b", "ae" -> Spec.CF;
            case "e", "ne" -> Spec.ZF;
            case "be", "a" -> Spec.CF | Spec.ZF;
            case "s", "ns" -> Spec.SF;
            case "p", "np" -> Spec.PF;
            case "l", "ge" -> Spec.SF | Spec.OF;
            default -> Spec.SF | Spec.OF | Spec.ZF;
        };
    }

    private static long reads(Spec spec) {
        String name = spec.name();
        if (spec.group().equals("condition")) return reads(name.replaceAll("^(set|cmov)", ""));
        return switch (name) {
            case "adc", "sbb", "cmc", "rcl", "rcr" -> Spec.CF;
            case "lahf" -> Spec.STATUS & ~Spec.OF;
            default -> 0;
        };
    }

    private void instruction() {
        for (int attempt = 0; attempt < 50; attempt++)
            if (tryInstruction(specs.get(values.below(specs.size())))) return;
    }

    private boolean tryInstruction(Spec spec) {
        if ((reads(spec) & undefined) != 0) return false;
        List<String> patterns = Asm.patterns(spec.name(), 64);
        int form = values.below(patterns.size());
        String pattern = patterns.get(form);
        if (pattern.isEmpty()
                || !pattern.matches(spec.forms())
                || pattern.matches(".*(mm\\d*,|,mm|mr|,st|sti).*") && !pattern.contains("xmm")) return false;
        if (spec.forms().equals(".+") && pattern.equals("-")) return false;
        String[] slots = pattern.equals("-") ? new String[0] : pattern.split(",");
        if (spec.has("shiftdouble") && slots[0].endsWith("16") && slots[2].equals("cl"))
            return false; // by more than 16 the result is undefined
        Operand[] operands = new Operand[slots.length];
        for (int i = 0; i < slots.length; i++) operands[i] = operand(slots[i], spec);
        if (spec.has("bits") && operands[0] instanceof Mem && operands[1] instanceof Reg) return false;
        try {
            new Asm(a.origin()).bits(64).form(spec.name(), form, operands).assemble();
        } catch (IllegalArgumentException e) {
            return false;
        }
        a.form(spec.name(), form, operands);
        text.append(spec.name());
        for (int i = 0; i < operands.length; i++)
            text.append(i == 0 ? " " : ",").append(operands[i]);
        text.append("; ");
        flags(spec, operands, slots);
        return true;
    }

    private void flags(Spec spec, Operand[] operands, String[] slots) {
        boolean counted = spec.has("shift") || spec.has("shiftdouble") || spec.has("rotate") || spec.has("rotatecarry");
        if (!counted) {
            undefined = undefined & ~spec.defined() | spec.undefined();
            return;
        }
        int width = Integer.parseInt(slots[0].replaceAll("\\D", ""));
        long count = operands[operands.length - 1] instanceof Imm i ? i.value() & (width == 64 ? 63 : 31) : -1;
        if (count == 0) return;
        boolean shift = spec.group().equals("shift");
        if (count > 0) undefined &= ~spec.defined();
        if (shift) undefined |= Spec.AF;
        if (count != 1) undefined |= Spec.OF;
        if (shift && (count < 0 || count >= width) && width < 32 && !spec.name().equals("sar")) undefined |= Spec.CF;
    }

    private Operand operand(String slot, Spec spec) {
        for (Reg r : Reg.values()) if (r != Reg.R8 && r.toString().equals(slot)) return r;
        String kind = slot.replaceAll("\\d+s?$", "");
        int bits = slot.matches(".*\\d+s?") ? Integer.parseInt(slot.replaceAll("^.*?(\\d+)s?$", "$1")) : 0;
        return switch (kind) {
            case "" -> new Imm(1);
            case "r", "rr" -> general(bits);
            case "rm" -> values.oneIn(3) ? memory(bits) : general(bits);
            case "r32m" -> values.oneIn(3) ? memory(bits) : general(32);
            case "m" -> memory(bits);
            case "xmm", "xr" -> Reg.xmm(values.below(16));
            case "xm" -> values.oneIn(3) ? memory(bits) : Reg.xmm(values.below(16));
            // a double shift of 16 bits by more is undefined
            case "imm" ->
                new Imm(
                        spec.has("shiftdouble")
                                ? values.below(16)
                                : bits == 64 ? values.integer() : values.integer() & (1L << bits) - 1);
            case "simm" -> new Imm(values.integer() << 64 - bits >> 64 - bits);
            default -> Reg.st(0); // no form takes it: the attempt is given up
        };
    }

    private Reg general(int bits) {
        if (bits == 8 && values.oneIn(5)) return new Reg[] {Reg.AH, Reg.CH, Reg.DH, Reg.BH}[values.below(4)];
        int number = values.below(13);
        return Reg.gpr(bits, number == 4 ? 0 : number);
    }

    /** In a small part of the window, so that instructions meet each other's results. */
    private Mem memory(int bits) {
        int at = bits == 128 ? 16 * values.below(8) : values.below(100);
        return switch (values.below(3)) {
            case 0 -> Mem.ptr(Label.of(windowAddress + 4096 + at)).sized(bits);
            default -> Mem.ptr(POINTER, at).sized(bits);
        };
    }
}
