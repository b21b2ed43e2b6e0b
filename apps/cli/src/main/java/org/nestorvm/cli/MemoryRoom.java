package org.nestorvm.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * How much memory this process may still take: of the host, and of each memory cgroup that it is in (cgroups(7);
 * versions 1 and 2). A guest that is larger is refused where it asks for all of its memory at the start, since a page
 * beyond the limit is not an error but the kernel's SIGKILL.
 */
final class MemoryRoom {
    /** What the monitor itself needs beside the guest's memory. */
    private static final long OWN_BYTES = 192L << 20;

    private static final long KIB = 1 << 10, MIB = 1 << 20;

    /** @param bytes that can be had @param what has the limit, for the message */
    private record Limit(long bytes, String what, String mend) {}

    private final Path root;

    /** @param root under which {@code proc} and {@code sys} are */
    MemoryRoom(Path root) {
        this.root = root;
    }

    /** @throws IOException with one line when there is less than a guest needs */
    void require(long guestBytes) throws IOException {
        for (Limit limit : limits()) {
            if (guestBytes + OWN_BYTES <= limit.bytes) continue;
            throw new IOException(String.format(
                    Locale.ROOT,
                    "--memory-reserve: the guest's %d MiB and %d MiB for the monitor are more than the %d MiB "
                            + "that are free in %s; lower --memory or %s",
                    guestBytes / MIB,
                    OWN_BYTES / MIB,
                    Math.max(0, limit.bytes) / MIB,
                    limit.what,
                    limit.mend));
        }
    }

    private List<Limit> limits() throws IOException {
        List<Limit> limits = new ArrayList<>();
        for (String line : lines("proc/meminfo")) {
            if (line.startsWith("MemAvailable:"))
                limits.add(new Limit(number(line.replaceAll("[^0-9]", "")) * KIB, "the host", "end other programs"));
        }
        for (String line : lines("proc/self/cgroup")) {
            String[] parts = line.split(":", 3);
            if (parts.length < 3) continue;
            if (parts[1].isEmpty())
                add(limits, "sys/fs/cgroup", parts[2], "memory.max", "memory.current", "inactive_file");
            else if (List.of(parts[1].split(",")).contains("memory"))
                add(
                        limits,
                        "sys/fs/cgroup/memory",
                        parts[2],
                        "memory.limit_in_bytes",
                        "memory.usage_in_bytes",
                        "total_inactive_file");
        }
        return limits;
    }

    /**
     * The group and all above it. In a container the path may be one of the host's, which is not there: its own group
     * is at the top.
     */
    private void add(List<Limit> limits, String mount, String group, String maxFile, String usedFile, String cacheKey)
            throws IOException {
        for (Path path = Path.of("/").relativize(Path.of(group).normalize());
                ;
                path = path.getParent() == null ? Path.of("") : path.getParent()) {
            String folder = mount + "/" + path;
            List<String> max = lines(folder + "/" + maxFile), used = lines(folder + "/" + usedFile);
            if (!max.isEmpty() && !used.isEmpty() && !max.getFirst().equals("max")) {
                limits.add(new Limit(
                        number(max.getFirst()) - number(used.getFirst()) + cache(folder, cacheKey),
                        "the memory cgroup /" + path,
                        "raise its " + maxFile));
            }
            if (path.toString().isEmpty()) return;
        }
    }

    /** File pages that the kernel takes back before it kills. */
    private long cache(String folder, String key) throws IOException {
        for (String line : lines(folder + "/memory.stat"))
            if (line.startsWith(key + " ")) return number(line.substring(key.length() + 1));
        return 0;
    }

    private static long number(String text) {
        try {
            return Long.parseLong(text.strip());
        } catch (NumberFormatException e) {
            return Long.MAX_VALUE / 2; // longer than a number is: no limit
        }
    }

    private List<String> lines(String file) throws IOException {
        Path path = root.resolve(file);
        return Files.isReadable(path) ? Files.readAllLines(path) : List.of();
    }
}
