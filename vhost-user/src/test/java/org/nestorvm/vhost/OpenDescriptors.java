package org.nestorvm.vhost;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Of this process. */
final class OpenDescriptors {
    private OpenDescriptors() {
    }

    /** What they are, for messages. */
    static String list() {
        StringBuilder all = new StringBuilder();
        for (String name : new File("/proc/self/fd").list()) {
            try {
                all.append(name).append(' ').append(Files.readSymbolicLink(Path.of("/proc/self/fd", name))).append('\n');
            } catch (IOException e) {
                // the listing's own
            }
        }
        return all.toString();
    }

    static int count() {
        return new File("/proc/self/fd").list().length;
    }
}
