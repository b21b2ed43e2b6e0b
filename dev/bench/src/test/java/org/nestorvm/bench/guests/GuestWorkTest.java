package org.nestorvm.bench.guests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The program that guests run under Linux does here, on the host, what it says that it does. */
class GuestWorkTest {
    private static final double SCALE = 0.01;
    private static final List<String> NAMES = List.of(
            "empty-loop",
            "sieve",
            "crc32",
            "memcpy",
            "system-call",
            "page-fault",
            "context-switch",
            "fork",
            "fork-exec");

    @TempDir
    Path directory;

    @Test
    void eachWorkIsDoneAndTimed() throws Exception {
        Path program = LinuxComparison.compile(directory, Path.of("src/main/c/guest-work.c"));
        assumeTrue(program != null, "needs " + LinuxComparison.NEEDED);
        Map<String, String> said = GuestProcess.said(GuestProcess.output(List.of(program.toString(), "" + SCALE)));
        assertEquals(NAMES, List.copyOf(said.keySet()));
        said.forEach((name, text) -> assertTrue(Long.parseLong(text.split(" ")[0]) > 0, name + " took no time"));
        assertEquals(2_000_000, result(said, "empty-loop"));
        assertEquals(crc(500_000), result(said, "crc32"));
        assertEquals(5_000, result(said, "system-call"));
        assertEquals(1_024, result(said, "page-fault"), "every page is new, and counts one");
        assertEquals(200, result(said, "context-switch"));
        assertEquals(5, result(said, "fork"), "children that ended well");
        assertEquals(3, result(said, "fork-exec"), "children that ended well");
    }

    private static long result(Map<String, String> said, String name) {
        return Long.parseLong(said.get(name).split(" ")[1]);
    }

    /** Java's, which inverts the end as well. */
    private static long crc(int bytes) {
        CRC32 crc = new CRC32();
        for (int i = 0; i < bytes; i++) crc.update((i & 65535) * 0x9e3779b1 >>> 24);
        return ~crc.getValue() & 0xffffffffL;
    }
}
