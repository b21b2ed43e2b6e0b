package org.nestorvm.sandbox;

import static org.nestorvm.memory.sys.Landlock.*;

import java.io.IOException;
import java.util.List;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Landlock;

/**
 * Everything that the kernel's version of Landlock knows is refused: files, binding and connecting TCP sockets (ABI 4),
 * ioctls of devices that are opened from now on (5), signals to and abstract sockets of processes outside (6). What is
 * open stays usable.
 *
 * <p>Landlock binds the calling thread and those that it starts afterwards. The threads that the JVM has already
 * (garbage collector, compilers, signals) are bound by the filter of system calls alone, so the caller starts the
 * device's threads after this.
 */
final class LandlockRules {
    /** O_PATH, asm-generic/fcntl.h. */
    private static final int O_PATH = 0x200000;

    private LandlockRules() {}

    static long files(int abi) {
        long all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
        if (abi >= 2) all |= LANDLOCK_ACCESS_FS_REFER;
        if (abi >= 3) all |= LANDLOCK_ACCESS_FS_TRUNCATE;
        if (abi >= 5) all |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
        return all;
    }

    static long net(int abi) {
        return abi >= 4 ? LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP : 0;
    }

    static long scoped(int abi) {
        return abi >= 6 ? LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL : 0;
    }

    /** @return what it covers, for people */
    static String apply(String name, int abi, List<String> readable) throws IOException {
        int ruleset = Landlock.createRuleset(name, abi, files(abi), net(abi), scoped(abi));
        try {
            for (String path : readable) allow(name, ruleset, path);
            Landlock.restrictThread(name, ruleset, 0);
        } finally {
            Descriptors.close(ruleset);
        }
        return "Landlock ABI " + abi + " (files" + (abi >= 4 ? ", TCP" : "")
                + (abi >= 6 ? ", signals, abstract sockets" : "") + ")";
    }

    private static void allow(String name, int ruleset, String path) throws IOException {
        int directory = Descriptors.open(path, O_PATH);
        try {
            Landlock.allow(name, ruleset, directory, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
        } finally {
            Descriptors.close(directory);
        }
    }
}
