package org.nestorvm.asm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Runs GNU as: one instruction a line in, its bytes out, or the assembler's complaint. */
final class GnuAssembler {
    private static final int CELL = 32;

    private GnuAssembler() {}

    static boolean available() {
        return Files.isExecutable(Path.of("/usr/bin/as")) && Files.isExecutable(Path.of("/usr/bin/objcopy"));
    }

    /** @return for each line its bytes in hex, or a text that begins with "error" */
    static List<String> assemble(int mode, List<String> lines) throws IOException, InterruptedException {
        Path dir = Files.createTempDirectory("gas");
        try {
            Map<Integer, String> errors = new TreeMap<>();
            String complaints = "";
            for (int attempt = 0; attempt < 2; attempt++) {
                StringBuilder source = new StringBuilder(".intel_syntax noprefix\n.code" + mode + "\n");
                for (int i = 0; i < lines.size(); i++) {
                    source.append(".org ")
                            .append(i * CELL)
                            .append("; ")
                            .append(errors.containsKey(i) ? "nop" : lines.get(i))
                            .append('\n');
                }
                Files.writeString(dir.resolve("in.s"), source);
                complaints = run(dir, "as", "-O0", "-o", "out.o", "in.s");
                for (String c : complaints.split("\n")) {
                    if (c.matches("in.s:\\d+: Error.*")) errors.put(Integer.parseInt(c.split(":")[1]) - 3, c);
                }
                if (errors.isEmpty()) break;
            }
            String copy = run(dir, "objcopy", "-O", "binary", "-j", ".text", "out.o", "out.bin");
            if (!Files.exists(dir.resolve("out.bin"))) throw new IOException(complaints + copy);
            return cells(Files.readAllBytes(dir.resolve("out.bin")), lines.size(), errors);
        } finally {
            for (String name : new String[] {"in.s", "out.o", "out.bin", "log"})
                Files.deleteIfExists(dir.resolve(name));
            Files.delete(dir);
        }
    }

    private static List<String> cells(byte[] bytes, int count, Map<Integer, String> errors) {
        List<String> cells = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int end = Math.min((i + 1) * CELL, bytes.length);
            StringBuilder hex = new StringBuilder();
            for (int b = i * CELL; b < end; b++) hex.append(String.format("%02x", bytes[b]));
            cells.add(errors.containsKey(i) ? "error: " + errors.get(i) : hex.toString());
        }
        return cells;
    }

    private static String run(Path dir, String... command) throws IOException, InterruptedException {
        Process p = new ProcessBuilder(command)
                .directory(dir.toFile())
                .redirectErrorStream(true)
                .redirectOutput(dir.resolve("log").toFile())
                .start();
        p.waitFor();
        return Files.readString(dir.resolve("log"));
    }
}
