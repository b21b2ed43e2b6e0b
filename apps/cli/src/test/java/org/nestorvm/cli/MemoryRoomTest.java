package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Hosts made of files. */
class MemoryRoomTest {
    private static final long MIB = 1 << 20, GIB = 1 << 30;

    @TempDir
    Path root;

    private void file(String name, String text) throws IOException {
        Path path = root.resolve(name);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    private void refused(long bytes, String... parts) {
        assertThatThrownBy(() -> new MemoryRoom(root).require(bytes))
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll(parts);
    }

    private void fits(long bytes) {
        assertThatCode(() -> new MemoryRoom(root).require(bytes)).doesNotThrowAnyException();
    }

    @Test
    void theHostsMemoryIsALimit() throws IOException {
        fits(64 * GIB); // nothing is known
        file("proc/meminfo", "MemTotal:       8000000 kB\nMemAvailable:   4194304 kB\n");
        fits(3 * GIB);
        refused(4 * GIB, "4096 MiB", "free in the host", "lower --memory");
    }

    @Test
    void eachGroupAboveIsALimitLessWhatIsUsedAndPlusCache() throws IOException {
        file("proc/self/cgroup", "0::/outer/inner\n");
        file("sys/fs/cgroup/outer/inner/memory.max", "max\n");
        file("sys/fs/cgroup/outer/inner/memory.current", "1000\n");
        fits(2 * GIB);
        file("sys/fs/cgroup/outer/memory.max", GIB + "\n");
        file("sys/fs/cgroup/outer/memory.current", 800 * MIB + "\n");
        refused(512 * MIB, "512 MiB", "224 MiB that are free in the memory cgroup /outer;", "memory.max");
        file("sys/fs/cgroup/outer/memory.stat", "anon 5\ninactive_file " + 600 * MIB + "\n");
        fits(512 * MIB);
    }

    @Test
    void versionOneAndAContainersOwnGroup() throws IOException {
        file("proc/self/cgroup", "5:cpu:/x\n4:hugetlb,memory:/docker/of-the-host\n");
        file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        file("sys/fs/cgroup/memory/memory.usage_in_bytes", "4096\n");
        fits(64 * GIB);
        file("sys/fs/cgroup/memory/memory.limit_in_bytes", 256 * MIB + "\n");
        refused(100 * MIB, "memory cgroup /;", "memory.limit_in_bytes");
    }
}
