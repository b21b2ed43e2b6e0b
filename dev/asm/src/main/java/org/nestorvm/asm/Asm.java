package org.nestorvm.asm;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A program in the making. Instructions are methods (see {@link Instructions}), operands are {@link Reg}, {@link Mem},
 * numbers and {@link Label}; the code mode may change inside a program. Jumps take the short form where it reaches.
 *
 * <pre>{@code
 * Asm a = new Asm(0x1000).bits(64);
 * Label loop = a.here();
 * a.add(RAX, ptr(RBX, RCX, 8, 16)).dec(ECX).jnz(loop).hlt();
 * byte[] image = a.assemble();
 * }</pre>
 */
public final class Asm extends Instructions {
    private final long origin;
    private final List<Item> items = new ArrayList<>();
    private int mode = 16;

    /** Writes itself at an address. @return true when this differs from the last pass in a way that others see */
    private interface Item {
        boolean place(long at, ByteArrayOutputStream out);
    }

    /** @param origin address of the first byte, as the code will see it */
    public Asm(long origin) {
        this.origin = origin;
    }

    public long origin() {
        return origin;
    }

    /** Code mode of what follows: 16 (as at first), 32 or 64. */
    public Asm bits(int mode) {
        if (mode != 16 && mode != 32 && mode != 64) throw new IllegalArgumentException("mode=" + mode);
        this.mode = mode;
        return this;
    }

    /** A label to be bound later. */
    public Label label() {
        return new Label();
    }

    /** A label bound here. */
    public Label here() {
        Label label = new Label();
        bind(label);
        return label;
    }

    public Asm bind(Label label) {
        label.bind();
        items.add((at, _) -> label.place(at));
        return this;
    }

    /** Any instruction of {@code forms.txt}, by name. */
    @Override
    public Asm op(String name, Operand... operands) {
        List<Form> forms = Forms.BY_NAME.get(name);
        if (forms == null) throw new IllegalArgumentException("no such instruction: " + name);
        List<Form> fitting =
                forms.stream().filter(f -> f.accepts(operands, mode)).toList();
        if (fitting.isEmpty())
            throw new IllegalArgumentException(
                    "no form of " + name + " takes " + Arrays.toString(operands) + " in " + mode + "-bit code");
        for (int i = 0; i < operands.length; i++) {
            if (operands[i] instanceof Mem m && m.bits() == 0 && ambiguous(fitting, i))
                throw new IllegalArgumentException("say the size of " + m + " in " + name);
        }
        items.add(new Instruction(fitting, operands, mode));
        return this;
    }

    /**
     * The operands of each form of an instruction, in the words of {@code forms.txt}: {@code "rm32,simm8"}; "-" without
     * operands, "" where this mode does not have it.
     */
    public static List<String> patterns(String name, int mode) {
        return Forms.BY_NAME.get(name).stream()
                .map(f -> (f.modes() & mode) == 0
                        ? ""
                        : f.slots().isEmpty()
                                ? "-"
                                : String.join(
                                        ",", f.slots().stream().map(Slot::name).toList()))
                .toList();
    }

    /**
     * As {@link #op}, with exactly that form, an index into {@link #patterns}: where several fit, one of them has to be
     * asked for.
     */
    public Asm form(String name, int index, Operand... operands) {
        Form form = Forms.BY_NAME.get(name).get(index);
        if (!form.accepts(operands, mode))
            throw new IllegalArgumentException("form " + form + " does not take " + Arrays.toString(operands));
        items.add(new Instruction(List.of(form), operands, mode));
        return this;
    }

    private static boolean ambiguous(List<Form> forms, int operand) {
        return forms.stream()
                        .mapToInt(f -> f.slots().get(operand).memoryBits())
                        .distinct()
                        .count()
                > 1;
    }

    private static final class Instruction implements Item {
        private final List<Form> forms;
        private final Operand[] operands;
        private final int mode;
        private int form;

        Instruction(List<Form> forms, Operand[] operands, int mode) {
            this.forms = forms;
            this.operands = operands;
            this.mode = mode;
        }

        /** A form that did not reach once is not tried again: sizes only grow, so that the passes end. */
        @Override
        public boolean place(long at, ByteArrayOutputStream out) {
            int before = form;
            for (byte[] bytes; form < forms.size(); form++) {
                bytes = Encoder.encode(forms.get(form), operands, mode, at);
                if (bytes == null) continue;
                out.writeBytes(bytes);
                return form != before;
            }
            throw new IllegalArgumentException(forms.getFirst().name() + " at 0x" + Long.toHexString(at)
                    + " does not reach " + Arrays.toString(operands));
        }
    }

    public Asm lock() {
        return db(0xf0);
    }

    /** REP and REPE. */
    public Asm rep() {
        return db(0xf3);
    }

    public Asm repne() {
        return db(0xf2);
    }

    public Asm db(int... bytes) {
        byte[] copy = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) copy[i] = (byte) bytes[i];
        return bytes(copy);
    }

    public Asm bytes(byte[] bytes) {
        items.add((_, out) -> {
            out.writeBytes(bytes);
            return false;
        });
        return this;
    }

    public Asm dw(long... values) {
        for (long v : values) little(new Imm(v), 2);
        return this;
    }

    public Asm dd(long... values) {
        for (long v : values) little(new Imm(v), 4);
        return this;
    }

    public Asm dq(long... values) {
        for (long v : values) little(new Imm(v), 8);
        return this;
    }

    public Asm dw(Label label) {
        return little(label, 2);
    }

    public Asm dd(Label label) {
        return little(label, 4);
    }

    public Asm dq(Label label) {
        return little(label, 8);
    }

    private Asm little(Operand value, int size) {
        items.add((at, out) -> {
            long v = value instanceof Label l ? l.addressOr(at) : ((Imm) value).value();
            for (int i = 0; i < size; i++) out.write((int) (v >> 8 * i));
            return false;
        });
        return this;
    }

    public Asm ascii(String text) {
        return bytes(text.getBytes(StandardCharsets.US_ASCII));
    }

    /** With a zero byte behind it. */
    public Asm asciz(String text) {
        return ascii(text).db(0);
    }

    public Asm fill(int count, int value) {
        byte[] bytes = new byte[count];
        Arrays.fill(bytes, (byte) value);
        return bytes(bytes);
    }

    /** Zero bytes up to a multiple of {@code boundary}, a power of two. */
    public Asm align(int boundary) {
        items.add((at, out) -> pad(out, (int) (-at & boundary - 1)));
        return this;
    }

    /** Zero bytes up to {@code address}, which must not lie behind. */
    public Asm org(long address) {
        items.add((at, out) -> {
            if (address < at)
                throw new IllegalArgumentException(
                        "org 0x" + Long.toHexString(address) + " lies before 0x" + Long.toHexString(at));
            return pad(out, Math.toIntExact(address - at));
        });
        return this;
    }

    private static boolean pad(ByteArrayOutputStream out, int count) {
        for (int i = 0; i < count; i++) out.write(0);
        return false;
    }

    /**
     * The bytes from {@link #origin} on. Labels have their addresses from here on; more may be added and assembled
     * again.
     */
    public byte[] assemble() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        boolean changed = true;
        while (changed) {
            out.reset();
            changed = false;
            for (Item item : items) changed |= item.place(origin + out.size(), out);
        }
        return out.toByteArray();
    }
}
