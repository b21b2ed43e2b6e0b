package org.nestorvm.engine.soft;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The rooms of the software processor: what each may use. Arrows point one way, from the end of the list to its start.
 */
class RoomsTest {
    private static final String HOME = "org/nestorvm/engine/soft/";

    private static final Map<String, Set<String>> MAY_USE = Map.ofEntries(
            Map.entry("number", Set.of()),
            Map.entry("isa", Set.of()),
            Map.entry("chip", Set.of()),
            Map.entry("state", Set.of("number", "isa", "chip")),
            Map.entry("mmu", Set.of("state", "isa", "chip")),
            Map.entry("ops", Set.of("state", "isa")),
            Map.entry("ops/integer", Set.of("ops", "state", "isa", "number")),
            Map.entry("ops/sse", Set.of("ops", "state", "isa", "number")),
            Map.entry("ops/x87", Set.of("ops", "state", "isa", "number")),
            Map.entry("ops/system", Set.of("ops", "ops/integer", "mmu", "state", "isa", "chip")),
            Map.entry("run", Set.of("ops", "ops/integer", "ops/sse", "ops/x87", "ops/system", "mmu", "state", "isa")),
            Map.entry("", Set.of("run", "ops/integer", "ops/system", "mmu", "state", "isa", "chip")));

    @Test
    void arrowsPointOneWay() throws Exception {
        Map<String, Set<String>> uses = new TreeMap<>();
        Path root = Path.of(SoftEngine.class
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI())
                .resolve(HOME);
        try (Stream<Path> files = Files.walk(root)) {
            for (Path file :
                    files.filter(each -> each.toString().endsWith(".class")).toList()) {
                String room = root.relativize(file.getParent()).toString();
                for (String used : classes(file)) {
                    if (!used.startsWith(HOME)) continue;
                    String other = used.substring(HOME.length(), Math.max(HOME.length(), used.lastIndexOf('/')));
                    if (!other.equals(room))
                        uses.computeIfAbsent(room, _ -> new TreeSet<>()).add(other);
                }
            }
        }
        assertThat(uses).isNotEmpty();
        uses.forEach((room, others) ->
                assertThat(MAY_USE.get(room)).as("what room '%s' may use", room).containsAll(others));
    }

    /**
     * The classes that one names, arrays and descriptors left out: a class that is used is named by itself somewhere.
     */
    private static List<String> classes(Path file) throws IOException {
        List<String> found = new java.util.ArrayList<>();
        for (PoolEntry entry : ClassFile.of().parse(file).constantPool()) {
            if (entry instanceof ClassEntry type) found.add(type.asInternalName());
        }
        return found;
    }
}
