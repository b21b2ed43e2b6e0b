package org.nestorvm.memory;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * What the kernel says about this process, read back from /proc: the other side of every claim that these tests make.
 */
final class Proc {
    private Proc() {}

    /** Mappings of memory files whose name contains {@code name}: lines of /proc/self/maps. */
    static List<String> maps(String name) throws IOException {
        return Files.readAllLines(Path.of("/proc/self/maps")).stream()
                .filter(line -> line.contains("memfd:" + name))
                .toList();
    }

    /** Descriptor number to target, for descriptors of memory files whose name contains {@code name}. */
    static Map<Integer, String> memoryFiles(String name) throws IOException {
        Map<Integer, String> found = new TreeMap<>();
        descriptors().forEach((number, target) -> {
            if (target.contains("memfd:" + name)) found.put(number, target);
        });
        return found;
    }

    /**
     * Sockets, eventfds, pipes and memory files: what these tests open. The JVM itself opens jars and random devices
     * when it likes.
     */
    static int descriptorCount() throws IOException {
        return (int) descriptors().values().stream()
                .filter(target -> target.matches("(socket:|anon_inode:|pipe:|/memfd:).*"))
                .count();
    }

    static Map<Integer, String> descriptors() throws IOException {
        Map<Integer, String> found = new TreeMap<>();
        try (Stream<Path> entries = Files.list(Path.of("/proc/self/fd"))) {
            for (Path entry : entries.toList()) {
                String target = linkOf(entry);
                if (target != null)
                    found.put(Integer.valueOf(entry.getFileName().toString()), target);
            }
        }
        return found;
    }

    /** null for the descriptor that listed the directory and is closed by now. */
    private static String linkOf(Path entry) {
        try {
            return Files.readSymbolicLink(entry).toString();
        } catch (java.nio.file.NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * The two-letter flags of the mapping that starts at the address: dc do not copy on fork, dd do not dump, sl
     * sealed, ... See proc_pid_smaps(5).
     */
    static Set<String> flags(long hostAddress) throws IOException {
        return new TreeSet<>(List.of(entry(hostAddress).get("VmFlags").trim().split(" ")));
    }

    /** Bytes of the mapping that this process has entered in its page table. */
    static long rssBytes(long hostAddress) throws IOException {
        return Long.parseLong(entry(hostAddress).get("Rss").replace("kB", "").trim()) << 10;
    }

    private static Map<String, String> entry(long hostAddress) throws IOException {
        String head = String.format("%08x-", hostAddress);
        List<String> lines = Files.readAllLines(Path.of("/proc/self/smaps"));
        Map<String, String> fields = new TreeMap<>();
        boolean inside = false;
        for (String line : lines) {
            boolean starts = line.matches("[0-9a-f]+-[0-9a-f]+ .*");
            if (starts && inside) break;
            if (starts) inside = line.startsWith(head);
            else if (inside) fields.put(line.substring(0, line.indexOf(':')), line.substring(line.indexOf(':') + 1));
        }
        if (fields.isEmpty())
            throw new AssertionError("no mapping starts at 0x" + Long.toHexString(hostAddress) + ": "
                    + new ArrayList<>(lines.subList(0, 5)));
        return fields;
    }

    /** Reserved huge pages of 2 MiB that nobody uses. */
    static long freeHugePages() throws IOException {
        return number(Path.of("/proc/meminfo"), "HugePages_Free:");
    }

    /** Bytes of shared memory in this process's page table, all mappings together. */
    static long sharedMemoryOfThisProcess() throws IOException {
        return number(Path.of("/proc/self/status"), "RssShmem:") << 10;
    }

    /** Bytes of shared memory that exist on the host, whoever has them. */
    static long sharedMemoryOfTheHost() throws IOException {
        return number(Path.of("/proc/meminfo"), "Shmem:") << 10;
    }

    private static long number(Path file, String field) throws IOException {
        String line = Files.readAllLines(file).stream()
                .filter(candidate -> candidate.startsWith(field))
                .findFirst()
                .orElseThrow();
        return Long.parseLong(line.replaceAll("\\D", ""));
    }

    /** Everything that creating, mapping and sharing may leave behind. */
    record Leftovers(
            List<String> maps,
            Map<Integer, String> files,
            int descriptors,
            int objects,
            long objectBytes,
            int mapped,
            int sealed) {
        static Leftovers of(String name) throws IOException {
            return new Leftovers(
                    Proc.maps(name),
                    Proc.memoryFiles(name),
                    Proc.descriptorCount(),
                    MemoryObject.liveCount(),
                    MemoryObject.liveBytes(),
                    AddressSpace.mappedCount(),
                    AddressSpace.sealedCount());
        }
    }
}
