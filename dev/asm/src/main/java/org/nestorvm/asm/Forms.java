package org.nestorvm.asm;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** {@code forms.txt}, read once. */
final class Forms {
    /** Forms by name, in the table's order. */
    static final Map<String, List<Form>> BY_NAME = read();

    private Forms() {}

    private static Map<String, List<Form>> read() {
        Map<String, List<Form>> table = new LinkedHashMap<>();
        try (BufferedReader in = new BufferedReader(
                new InputStreamReader(Forms.class.getResourceAsStream("forms.txt"), StandardCharsets.US_ASCII))) {
            for (String line; (line = in.readLine()) != null; ) {
                if (!line.isBlank() && !line.startsWith("#")) add(table, line.trim());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return table;
    }

    private static void add(Map<String, List<Form>> table, String line) {
        String[] word = line.split(" +", 3);
        switch (word[0]) {
            case "ALIAS" -> table.put(word[1], table.get(word[2]));
            case "PX" -> {
                String opcode = "0F " + word[2].replaceAll("(?<=..)(?=..)", " ");
                add(table, word[1] + " mm,mm64 " + opcode + " /r");
                add(table, word[1] + " xmm,xm128 66 " + opcode + " /r");
            }
            case "FP" -> {
                add(table, word[1] + "ps xmm,xm128 0F " + word[2] + " /r");
                add(table, word[1] + "pd xmm,xm128 66 0F " + word[2] + " /r");
                add(table, word[1] + "ss xmm,xm32 F3 0F " + word[2] + " /r");
                add(table, word[1] + "sd xmm,xm64 F2 0F " + word[2] + " /r");
            }
            default -> addForms(table, word[0].split(","), word[1], word[2]);
        }
    }

    private static void addForms(Map<String, List<Form>> table, String[] names, String operands, String rest) {
        StringBuilder encoding = new StringBuilder(), conditions = new StringBuilder();
        for (String part : rest.split(" +"))
            (part.matches("/.*|[0-9A-F]{2}(\\+.*)?") ? encoding : conditions)
                    .append(part)
                    .append(' ');
        for (int n = 0; n < names.length; n++) {
            if (names[n].equals("-")) continue;
            table.computeIfAbsent(names[n], _ -> new ArrayList<>())
                    .addAll(Form.expand(names[n], n, operands, encoding.toString(), conditions.toString()));
        }
    }
}
