package org.nestorvm.vmm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.paging.NestedPageTable;

/**
 * What this process holds of the host at one moment, as the kernel tells it: mappings of memory files, open
 * descriptors, and our own counts.
 *
 * @param mappings lines of /proc/self/maps that show memory files
 * @param descriptors what /proc/self/fd points to, with how often; the java launcher's own files stay the same
 * @param tableBytes of nested page tables: they lie in anonymous mappings, which cannot be told from the JVM's own in
 *     /proc
 */
record Host(List<String> mappings, TreeMap<String, Integer> descriptors, int objects, int mapped, long tableBytes) {
    static Host now() {
        try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
            return new Host(
                    maps.filter(line -> line.contains("/memfd:")).toList(),
                    openFiles(),
                    MemoryObject.liveCount(),
                    AddressSpace.mappedCount(),
                    NestedPageTable.liveTableBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static TreeMap<String, Integer> openFiles() throws IOException {
        TreeMap<String, Integer> files = new TreeMap<>();
        try (Stream<Path> list = Files.list(Path.of("/proc/self/fd"))) {
            for (Path link : list.toList()) {
                try {
                    String target = Files.readSymbolicLink(link).toString();
                    if (target.startsWith("/memfd:")
                            || target.startsWith("socket:")
                            || target.startsWith("anon_inode:")) files.merge(target, 1, Integer::sum);
                } catch (IOException gone) {
                    continue; // the descriptor of the listing itself
                }
            }
        }
        return files;
    }

    void assertUnchanged(String after) {
        Host now = now();
        assertEquals(String.join("\n", mappings), String.join("\n", now.mappings), () -> "mappings after " + after);
        assertEquals(descriptors, now.descriptors, () -> "descriptors after " + after);
        assertEquals(objects, now.objects, () -> "live objects after " + after);
        assertEquals(mapped, now.mapped, () -> "mappings counted after " + after);
        assertEquals(tableBytes, now.tableBytes, () -> "bytes of nested page tables after " + after);
    }
}
