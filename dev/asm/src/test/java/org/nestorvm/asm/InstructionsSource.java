package org.nestorvm.asm;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Writes {@code Instructions.java}: a method for each name in {@code forms.txt}, with the operand counts and the
 * immediates it has there.
 */
final class InstructionsSource {
    static final Path FILE = Path.of("src/main/java/org/nestorvm/asm/Instructions.java");

    private InstructionsSource() {}

    public static void main(String[] args) throws Exception {
        Files.writeString(FILE, text());
    }

    static String text() {
        StringBuilder s = new StringBuilder("""
            package org.nestorvm.asm;

            /**
             * A method for each instruction. Generated from {@code forms.txt} by InstructionsSource; do not edit.
             * A number is an immediate, or a jump's absolute target.
             */
            public abstract sealed class Instructions permits Asm {
                Instructions() {
                }

                public abstract Asm op(String name, Operand... operands);
            """);
        for (Map.Entry<String, List<Form>> e : new TreeMap<>(Forms.BY_NAME).entrySet()) {
            Set<String> signatures = new LinkedHashSet<>();
            for (Form form : e.getValue()) signatures.addAll(signatures(form));
            for (String signature : signatures) s.append(method(e.getKey(), signature));
        }
        return s.append("}\n").toString();
    }

    /** One letter an operand: o an operand, n a number. A number in the last place may also be a label. */
    private static List<String> signatures(Form form) {
        StringBuilder letters = new StringBuilder();
        for (Slot slot : form.slots()) letters.append(slot.isImmediate() || slot.role() == Slot.Role.ONE ? 'n' : 'o');
        List<String> all = new ArrayList<>(List.of(letters.toString()));
        boolean label = !form.slots().isEmpty()
                        && form.slots().getLast().isImmediate()
                        && form.slots().getLast().bits() >= 16
                || form.name().startsWith("loop")
                || form.name().endsWith("cxz");
        if (label) all.add(letters.substring(0, letters.length() - 1) + "o");
        return all;
    }

    private static String method(String name, String signature) {
        List<String> parameters = new ArrayList<>(), arguments = new ArrayList<>();
        for (int i = 0; i < signature.length(); i++) {
            boolean number = signature.charAt(i) == 'n';
            String p = String.valueOf((char) ('a' + i));
            parameters.add((number ? "long " : "Operand ") + p);
            arguments.add(number ? ", new Imm(" + p + ")" : ", " + p);
        }
        return "\n    public Asm " + name + "(" + String.join(", ", parameters) + ") {\n        return op(\"" + name
                + "\"" + String.join("", arguments) + ");\n    }\n";
    }
}
