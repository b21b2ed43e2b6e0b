package org.nestorvm.engine.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.StructLayout;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every layout and every number against kvm-header.txt, which src/test/c/kvm-header.c printed from the kernel's own
 * header.
 */
final class KvmHeaderTest {
    private static final Map<String, StructLayout> LAYOUTS =
            KvmStructs.ALL.stream().collect(Collectors.toMap(l -> l.name().orElseThrow(), Function.identity()));

    @Test
    void numbersMatchTheHeader() {
        assertEquals(0x4020AE46, Kvm.SET_USER_MEMORY_REGION);
        assertEquals(0x40A0AE49, Kvm.SET_USER_MEMORY_REGION2);
        assertEquals(0xAE80, Kvm.RUN);
        assertEquals(0x8090AE81, Kvm.GET_REGS);
    }

    @Test
    void everyNumberMatchesTheHeader() throws Exception {
        Set<String> seen = new HashSet<>();
        for (String line : header()) {
            String[] words = line.split(" ");
            if (!words[0].equals("number")) continue;
            Field field = Kvm.class.getDeclaredField(words[1]);
            assertEquals(Integer.parseUnsignedInt(words[2]), field.getInt(null), words[1]);
            seen.add(words[1]);
        }
        for (Field field : Kvm.class.getDeclaredFields()) {
            if (!Modifier.isPrivate(field.getModifiers()) && !field.isSynthetic())
                assertThat(seen).contains(field.getName());
        }
    }

    @Test
    void everyStructureHasTheHeadersSize() throws IOException {
        Set<String> seen = new HashSet<>();
        for (String line : header()) {
            String[] words = line.split(" ");
            if (!words[0].equals("struct")) continue;
            assertEquals(Long.parseLong(words[2]), LAYOUTS.get(words[1]).byteSize(), words[1]);
            seen.add(words[1]);
        }
        assertThat(seen).isEqualTo(LAYOUTS.keySet());
    }

    @Test
    void everyFieldIsWhereTheHeaderPutsIt() throws IOException {
        int fields = 0;
        for (String line : header()) {
            String[] words = line.split(" ");
            if (!words[0].equals("field")) continue;
            int dot = words[1].indexOf('.');
            StructLayout layout = LAYOUTS.get(words[1].substring(0, dot));
            String path = inOurWords(layout, words[1].substring(dot + 1));
            assertEquals(Long.parseLong(words[2]), CStruct.offset(layout, path), words[1]);
            if (!path.equals("s.regs")) assertEquals(Long.parseLong(words[3]), CStruct.size(layout, path), words[1]);
            fields++;
        }
        assertThat(fields).isGreaterThan(250);
    }

    /** The committed numbers are what a compiler makes of this machine's header. */
    @Test
    void theNumbersCanBeMadeAgain(@TempDir Path directory) throws Exception {
        Path source = Path.of("src/test/c/kvm-header.c");
        assumeTrue(
                Files.exists(Path.of("/usr/include/linux/kvm.h")) && Files.isExecutable(Path.of("/usr/bin/cc")),
                "skipped: no C compiler with the kernel's headers");
        Path program = directory.resolve("kvm-header");
        Process compile = new ProcessBuilder("/usr/bin/cc", "-o", program.toString(), source.toString())
                .inheritIO()
                .start();
        assumeTrue(
                compile.waitFor() == 0,
                "skipped: the kernel's header here is older than the one the numbers come from");
        Process run = new ProcessBuilder(program.toString()).start();
        String printed = new String(run.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(printed.lines().toList()).isEqualTo(header());
    }

    /** The header's kvm_run has an anonymous union for the exits; ours has a name. */
    private static String inOurWords(StructLayout layout, String path) {
        boolean exit = layout == KvmRun.LAYOUT && path.contains(".") && !path.startsWith("s.");
        return exit ? "exit." + path : path;
    }

    private static List<String> header() throws IOException {
        List<String> lines = new ArrayList<>();
        try (BufferedReader in = new BufferedReader(new InputStreamReader(
                KvmHeaderTest.class.getResourceAsStream("kvm-header.txt"), StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) lines.add(line);
        }
        return lines;
    }
}
