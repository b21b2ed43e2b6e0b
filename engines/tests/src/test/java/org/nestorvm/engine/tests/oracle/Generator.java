package org.nestorvm.engine.tests.oracle;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntToLongFunction;
import org.nestorvm.asm.Asm;
import org.nestorvm.asm.Imm;
import org.nestorvm.asm.Label;
import org.nestorvm.asm.Mem;
import org.nestorvm.asm.Operand;
import org.nestorvm.asm.Reg;

/** Makes instructions out of a specification's forms: registers, addressing forms and immediates as they come. */
final class Generator {
    private final Values values;
    private final long windowAddress;
    private final boolean below2GiB;
    private final int mode;

    /** @param mode of the code: 16, 32 or 64 */
    Generator(Values values, int mode, long windowAddress, boolean below2GiB) {
        this.mode = mode;
        this.values = values;
        this.windowAddress = windowAddress;
        this.below2GiB = below2GiB;
    }

    /**
     * Every form of a specification once, each with a prefix where the specification wants some; the n-th is encoded
     * for the address that {@code addresses} tells.
     */
    List<Variant> variants(Spec spec, IntToLongFunction addresses) {
        List<Variant> all = new ArrayList<>();
        List<String> patterns = Asm.patterns(spec.name(), mode);
        for (int form = 0; form < patterns.size(); form++) {
            String pattern = patterns.get(form);
            if (pattern.isEmpty()
                    || !pattern.matches(spec.forms())
                    || pattern.equals("-") != spec.forms().equals("-")
                            && spec.forms().equals("-")) continue;
            if (spec.forms().equals(".+") && pattern.equals("-")) continue;
            Variant v = null;
            for (int attempt = 0; v == null && attempt < 50; attempt++)
                v = variant(spec, form, pattern, addresses.applyAsLong(all.size()));
            if (v == null) throw new IllegalStateException("no operands for " + spec.name() + " " + pattern);
            all.add(v);
        }
        return all;
    }

    /** What one attempt has chosen so far. */
    private static final class Choice {
        final Map<Reg, Long> registers = new HashMap<>();
        final Set<Integer> operandNumbers = new HashSet<>();
        int target = -1;
    }

    private Variant variant(Spec spec, int form, String pattern, long address) {
        String[] slots = pattern.equals("-") ? new String[0] : pattern.split(",");
        Operand[] operands = new Operand[slots.length];
        Choice choice = new Choice();
        for (int i = 0; i < slots.length; i++) operands[i] = operand(spec, slots[i], choice);
        if (spec.has("bits")
                && choice.target >= 0
                && operands[1] instanceof Reg r
                && choice.registers.containsKey(Reg.gpr(64, r.number))) return null;
        Asm a = new Asm(address).bits(mode);
        String prefix = "";
        if (spec.has("rep") && values.oneIn(2)) {
            boolean repne = values.oneIn(2);
            prefix = repne ? "repne " : "rep ";
            if (repne) a.repne();
            else a.rep();
        }
        try {
            byte[] code = a.form(spec.name(), form, operands).assemble();
            List<String> texts = new ArrayList<>();
            for (Operand o : operands) texts.add(o.toString());
            return new Variant(
                    spec,
                    pattern,
                    prefix + spec.name() + " " + String.join(", ", texts),
                    code,
                    operands,
                    choice.registers,
                    choice.target);
        } catch (IllegalArgumentException e) {
            return null; // AH beside a register that needs a REX prefix
        }
    }

    private Operand operand(Spec spec, String slot, Choice choice) {
        for (Reg r : Reg.values())
            if (!r.name().equals("R8") && r.toString().equals(slot) || slot.equals("st0") && r == Reg.ST0) return r;
        String kind = slot.replaceAll("\\d+s?$", "");
        int bits = slot.matches(".*\\d+s?") ? Integer.parseInt(slot.replaceAll("^.*?(\\d+)s?$", "$1")) : 0;
        return switch (kind) {
            case "" -> new Imm(1);
            case "r", "rr" -> general(bits);
            case "rm" -> values.oneIn(2) ? general(bits) : memory(spec, bits, choice);
            case "r32m" -> values.oneIn(2) ? general(32) : memory(spec, bits, choice);
            case "m" -> memory(spec, bits, choice);
            case "moffs" -> moffs(bits, choice);
            case "xmm", "xr" -> Reg.xmm(values.below(mode == 64 ? 16 : 8));
            case "xm" -> values.oneIn(2) ? Reg.xmm(values.below(mode == 64 ? 16 : 8)) : memory(spec, bits, choice);
            case "mm" -> bits == 0 || values.oneIn(2) ? Reg.mm(values.below(8)) : memory(spec, bits, choice);
            case "mr" -> Reg.mm(values.below(8));
            case "sti" -> Reg.st(values.below(8));
            case "imm" -> new Imm(immediate(spec, bits));
            case "simm" -> new Imm(values.integer() << 64 - bits >> 64 - bits);
            default -> throw new IllegalStateException("slot " + slot);
        };
    }

    /** Any but RSP, which has its own tests. */
    private Reg general(int bits) {
        if (bits == 8 && values.oneIn(4)) return new Reg[] {Reg.AH, Reg.CH, Reg.DH, Reg.BH}[values.below(4)];
        int number = values.below(mode == 64 ? 16 : bits == 8 ? 4 : 8);
        return Reg.gpr(bits, number == 4 ? 3 : number);
    }

    /** Reserved bits stay zero. */
    private long immediate(Spec spec, int bits) {
        String name = spec.name();
        if (name.startsWith("cmp") && name.length() == 5 || name.equals("mpsadbw")) return values.below(8);
        if (name.startsWith("round")) return values.below(16);
        if (name.equals("aam")) return 1 + values.below(255); // by zero is a #DE
        if (name.equals("pclmulqdq")) return values.below(2) | values.below(2) << 4;
        if (name.startsWith("pcmp")) return values.below(128);
        if (name.equals("enter")) return values.below(bits == 8 ? 5 : 100);
        if (bits == 8 && spec.group().matches("shift|rotate") && values.oneIn(2)) return values.below(34);
        long value = values.integer();
        return bits == 64 ? value : slotIsSigned(bits) ? value << 32 >> 32 : value & (1L << bits) - 1;
    }

    private boolean slotIsSigned(int bits) {
        return bits == 32 && values.oneIn(2);
    }

    private int target(Spec spec, int bits) {
        boolean aligned = bits == 128 && !spec.has("unaligned");
        int at = values.oneIn(4) ? 4096 - 16 + values.below(32) : 1024 + values.below(5000);
        return aligned ? at & -16 : at;
    }

    private Mem moffs(int bits, Choice choice) {
        choice.target = 1024 + values.below(5000);
        return Mem.abs(windowAddress + choice.target).sized(bits);
    }

    /**
     * Base, index, both, relative to RIP or absolute; 64-bit addresses, or 32-bit ones where the window can be reached
     * by them.
     */
    private Mem memory(Spec spec, int bits, Choice choice) {
        choice.target = target(spec, bits);
        long address = windowAddress + choice.target;
        if (values.oneIn(6)) return ptrLabel(address, bits);
        if (below2GiB && values.oneIn(8)) return Mem.abs(address).sized(bits);
        if (mode == 16 && values.oneIn(2)) return memory16(bits, address, choice);
        int width = mode != 64 || below2GiB && values.oneIn(5) ? 32 : 64;
        Reg base = pointerRegister(spec), index = values.oneIn(2) ? null : pointerRegister(spec);
        if (index == base) index = null;
        int scale = index == null ? 1 : 1 << values.below(4);
        long disp = switch (values.below(3)) {
            case 0 -> 0;
            case 1 -> values.below(256) - 128;
            default -> mode == 16 ? values.below(1 << 13) - (1 << 12) : values.below(1 << 20) - (1 << 19);
        };
        long position = values.below(64) - 32;
        long baseValue = address - disp - (index == null ? 0 : position * scale);
        long garbage = width == 32 && mode == 64 ? values.integer() << 32 : 0;
        if (index != null) choice.registers.put(index, width == 32 ? position & 0xffffffffL | garbage : position);
        choice.registers.put(base, width == 32 ? baseValue & 0xffffffffL | garbage : baseValue);
        return Mem.ptr(narrow(base, width), narrow(index, width), scale, disp).sized(bits);
    }

    private Mem memory16(int bits, long address, Choice choice) {
        Reg base = new Reg[] {Reg.BX, Reg.BP, Reg.SI, Reg.DI}[values.below(4)];
        Reg index = base == Reg.SI || base == Reg.DI || values.oneIn(2) ? null : values.oneIn(2) ? Reg.SI : Reg.DI;
        long disp = values.oneIn(3) ? 0 : values.oneIn(2) ? values.below(256) - 128 : (short) values.integer(),
                position = index == null ? 0 : values.integer() & 0xffff;
        if (index != null) choice.registers.put(Reg.gpr(64, index.number), position);
        choice.registers.put(Reg.gpr(64, base.number), address - disp - position & 0xffff);
        return Mem.ptr(base, index, 1, disp).sized(bits);
    }

    private static Mem ptrLabel(long address, int bits) {
        return Mem.ptr(Label.of(address)).sized(bits);
    }

    private static Reg narrow(Reg r, int width) {
        return r == null ? null : Reg.gpr(width, r.number);
    }

    /** None that an instruction uses without naming it. */
    private Reg pointerRegister(Spec spec) {
        if (mode != 64)
            return Reg.gpr(
                    64,
                    spec.has("rbp") || spec.has("rdi") || spec.has("rbx")
                            ? 6
                            : new int[] {3, 5, 6, 7}[values.below(4)]);
        int[] numbers = spec.has("rbp") || spec.has("rdi") || spec.has("rbx")
                ? new int[] {8, 9, 10, 11, 12, 13, 14, 15}
                : new int[] {3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        return Reg.gpr(64, numbers[values.below(numbers.length)]);
    }
}
