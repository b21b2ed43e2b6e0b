package org.nestorvm.engine.tests.oracle;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A line of {@code instructions.txt}, for one of its names.
 *
 * @param defined flags that it writes, unless a count of zero leaves them alone
 * @param undefined flags that are undefined after it, whatever the operands
 * @param forms what the operands must look like
 */
record Spec(String group, String name, long defined, long undefined, Set<String> options, String forms) {
    static final long CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, DF = 0x400, OF = 0x800;
    static final long STATUS = CF | PF | AF | ZF | SF | OF;

    static List<Spec> read() {
        List<Spec> specs = new ArrayList<>();
        try (BufferedReader in = new BufferedReader(
                new InputStreamReader(Spec.class.getResourceAsStream("instructions.txt"), StandardCharsets.US_ASCII))) {
            for (String line; (line = in.readLine()) != null; )
                if (!line.startsWith("#") && !line.isBlank())
                    add(specs, line.trim().split(" +"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return specs;
    }

    private static void add(List<Spec> specs, String[] word) {
        Set<String> options = word.length > 3 ? Set.of(word[3].split(",")) : Set.of();
        String forms = options.stream()
                .filter(o -> o.startsWith("forms="))
                .map(o -> o.substring(6))
                .findAny()
                .orElse(options.contains("string") ? "-" : ".*");
        for (String name : word[1].split(","))
            specs.add(new Spec(
                    word[0],
                    name,
                    mask(word[2].replaceAll("[A-Z]", "")),
                    mask(word[2].replaceAll("[a-z]", "")),
                    options,
                    forms));
    }

    private static long mask(String flags) {
        long mask = 0;
        for (int i = 0; i < flags.length(); i++)
            mask |= switch (flags.charAt(i)) {
                case 'o', 'O' -> OF;
                case 's', 'S' -> SF;
                case 'z', 'Z' -> ZF;
                case 'a', 'A' -> AF;
                case 'p', 'P' -> PF;
                case 'c', 'C' -> CF;
                default -> 0;
            };
        return mask;
    }

    boolean has(String option) {
        return options.contains(option);
    }
}
