package org.nestorvm.vhost;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.Primitive;

/**
 * Sockets, eventfds, epoll sets and memory files of this process. Ordinary files and pipes are the JVM's, which opens
 * and closes them when it likes.
 */
final class OpenDescriptors {
    private OpenDescriptors() {}

    static int count() {
        Primitive.KERNEL_SIGNAL.present(); // has a file that stays open
        return list().size();
    }

    /** What another test has left to a thread that ends may go meanwhile; nothing may come. */
    static void assertAtMost(int before) {
        assertTrue(count() <= before, () -> "more than " + before + " descriptors: " + list());
    }

    private static List<String> list() {
        List<String> found = new ArrayList<>();
        for (String name : new File("/proc/self/fd").list()) {
            try {
                String target =
                        Files.readSymbolicLink(Path.of("/proc/self/fd", name)).toString();
                if (target.startsWith("socket:") || target.startsWith("anon_inode:") || target.startsWith("/memfd:"))
                    found.add(name + " " + target);
            } catch (IOException e) {
                // the listing's own
            }
        }
        return found;
    }
}
