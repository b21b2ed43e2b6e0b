package org.nestorvm.engine.soft.isa;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The instruction tables, read from the text files beside this class: what decoder, disassembler and test list have in
 * common.
 */
public final class Table {
    /** Maps: one-byte opcodes, 0F, 0F 38, 0F 3A. */
    public static final int ONE = 0, TWO = 1, THREE_38 = 2, THREE_3A = 3;

    private static final String[] FILES = {"x86.txt", "x86-system.txt", "x86-sse.txt", "x86-mmx.txt", "x86-x87.txt"};
    private static final Row[] NONE = {};
    /** Candidates by map and opcode, in the order of the files. */
    private static final Row[][][] ROWS = new Row[4][256][];

    static {
        for (Row[][] map : ROWS) Arrays.fill(map, NONE);
        for (String file : FILES) read(file);
    }

    private Table() {}

    static Row[] candidates(int map, int opcode) {
        return ROWS[map][opcode];
    }

    public static List<Row> all() {
        List<Row> all = new ArrayList<>();
        for (Row[][] map : ROWS) for (Row[] rows : map) all.addAll(Arrays.asList(rows));
        return all;
    }

    private static void read(String file) {
        var stream = Table.class.getResourceAsStream(file);
        if (stream == null) throw new IllegalStateException("no instruction table " + file);
        try (var in = new BufferedReader(new InputStreamReader(stream, StandardCharsets.US_ASCII))) {
            String family = "";
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                int comment = line.indexOf('#');
                if (comment >= 0) line = line.substring(0, comment);
                line = line.strip();
                if (line.isEmpty()) continue;
                if (line.charAt(0) == '[') family = line.substring(1, line.length() - 1);
                else add(parse(line.split("\\s+"), family, file));
            }
        } catch (IOException e) {
            throw new IllegalStateException("instruction table " + file + ": " + e.getMessage(), e);
        }
    }

    private static void add(Row row) {
        Row[] old = ROWS[row.map][row.opcode];
        Row[] now = Arrays.copyOf(old, old.length + 1);
        now[old.length] = row;
        ROWS[row.map][row.opcode] = now;
    }

    private static boolean isHexByte(String s) {
        return s.length() == 2
                && Character.digit(s.charAt(0), 16) >= 0
                && Character.digit(s.charAt(1), 16) >= 0
                && s.equals(s.toUpperCase(java.util.Locale.ROOT));
    }

    private static Row parse(String[] word, String family, String file) {
        int i = 0;
        int prefix = -1, digit = -1, mod = -1, modrmByte = -1;
        switch (word[0]) {
            case "NP" -> prefix = 0;
            case "66" -> prefix = isHexByte(word[1]) ? 0x66 : -1;
            case "F2" -> prefix = isHexByte(word[1]) ? 0xf2 : -1;
            case "F3" -> prefix = isHexByte(word[1]) ? 0xf3 : -1;
            default -> {}
        }
        if (prefix >= 0) i++;
        int map = ONE, opcode = 0;
        int first = i;
        while (i < word.length && isHexByte(word[i]) && i - first < 3) {
            opcode = Integer.parseInt(word[i++], 16);
            if (i - 1 == first && opcode == 0x0f) map = TWO;
            else if (map == TWO && i - 1 == first + 1 && opcode == 0x38) map = THREE_38;
            else if (map == TWO && i - 1 == first + 1 && opcode == 0x3a) map = THREE_3A;
            else break;
        }
        for (; i < word.length; i++) {
            String w = word[i];
            if (w.length() == 2 && w.charAt(0) == '/' && Character.isDigit(w.charAt(1))) digit = w.charAt(1) - '0';
            else if (w.equals("reg")) mod = 3;
            else if (w.equals("mem")) mod = 0;
            else if (w.startsWith("modrm=")) modrmByte = Integer.parseInt(w.substring(6), 16);
            else break;
        }
        if (i >= word.length) throw new IllegalStateException(file + ": no mnemonic in " + String.join(" ", word));
        String mnemonic = word[i++];
        String[] operands = {};
        if (i < word.length && !word[i].equals("-")) operands = word[i].split(",");
        i++;
        String flags = "";
        Set<String> attributes = new HashSet<>();
        for (; i < word.length; i++) {
            if (word[i].equals("-")) continue;
            if (word[i].matches("(?i)[oszapc]+") && flags.isEmpty() && attributes.isEmpty()) flags = word[i];
            else attributes.add(word[i]);
        }
        return new Row(mnemonic, operands, family, flags, map, opcode, prefix, digit, mod, modrmByte, attributes);
    }
}
