package org.nestorvm.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * The environment of this process as the bytes that it is, proc(5): what Java makes of it in some locales cannot be
 * undone.
 */
final class HostBytes {
    private static final Path ENVIRONMENT = Path.of("/proc/self/environ");
    /**
     * Variables that the script which starts the JVM has changed, with commas between; what they were before has names
     * with a prefix.
     */
    private static final String CHANGED = "nestor.environment.saved", SAVED_PREFIX = "NESTOR_SAVED_";

    private HostBytes() {}

    /** The environment as it was before the script that starts the JVM. */
    static List<byte[]> environment() throws IOException {
        return before(
                split(Files.readAllBytes(ENVIRONMENT)),
                Set.of(System.getProperty(CHANGED, "").split(",")));
    }

    static List<byte[]> before(List<byte[]> now, Set<String> changed) {
        List<byte[]> before = new ArrayList<>();
        for (byte[] each : now) {
            String text = new String(each, StandardCharsets.ISO_8859_1);
            int equals = text.indexOf('=');
            String name = text.substring(0, Math.max(equals, 0));
            if (name.isEmpty() || changed.contains(name)) continue;
            boolean saved = name.startsWith(SAVED_PREFIX) && changed.contains(name.substring(SAVED_PREFIX.length()));
            before.add(saved ? Arrays.copyOfRange(each, SAVED_PREFIX.length(), each.length) : each);
        }
        return before;
    }

    private static List<byte[]> split(byte[] bytes) {
        List<byte[]> parts = new ArrayList<>();
        for (int start = 0, i = 0; i < bytes.length; i++) {
            if (bytes[i] != 0) continue;
            parts.add(Arrays.copyOfRange(bytes, start, i));
            start = i + 1;
        }
        return parts;
    }
}
