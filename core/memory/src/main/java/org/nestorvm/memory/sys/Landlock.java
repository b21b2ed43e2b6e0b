package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Rights over files, sockets and signals that a thread gives up: landlock(7), with the names of linux/landlock.h. The
 * numbers are those of every architecture.
 */
public final class Landlock {
    public static final int LANDLOCK_CREATE_RULESET_VERSION = 1;
    public static final int LANDLOCK_RULE_PATH_BENEATH = 1;
    public static final int LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF = 1;

    public static final long LANDLOCK_ACCESS_FS_EXECUTE = 1L,
            LANDLOCK_ACCESS_FS_READ_FILE = 1L << 2,
            LANDLOCK_ACCESS_FS_READ_DIR = 1L << 3,
            LANDLOCK_ACCESS_FS_MAKE_SYM = 1L << 12;
    /** ABI 2, 3 and 5. */
    public static final long LANDLOCK_ACCESS_FS_REFER = 1L << 13,
            LANDLOCK_ACCESS_FS_TRUNCATE = 1L << 14,
            LANDLOCK_ACCESS_FS_IOCTL_DEV = 1L << 15;
    /** ABI 4. */
    public static final long LANDLOCK_ACCESS_NET_BIND_TCP = 1L, LANDLOCK_ACCESS_NET_CONNECT_TCP = 1L << 1;
    /** ABI 6. */
    public static final long LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1L, LANDLOCK_SCOPE_SIGNAL = 1L << 1;

    private static final long SYS_LANDLOCK_CREATE_RULESET = 444,
            SYS_LANDLOCK_ADD_RULE = 445,
            SYS_LANDLOCK_RESTRICT_SELF = 446;
    private static final int RULESET_ATTR_BYTES = 24, ATTR_NET = 8, ATTR_SCOPED = 16;
    private static final int PATH_BENEATH_BYTES = 12, BENEATH_PARENT = 8;

    private Landlock() {}

    /** @return the kernel's version of the interface, 1 or more, or a negated errno */
    public static int tryAbi() {
        return (int) SystemCall.call(SYS_LANDLOCK_CREATE_RULESET, 0, 0, LANDLOCK_CREATE_RULESET_VERSION);
    }

    /**
     * What the rules will be about: everything named here is refused unless a rule allows it. What the kernel's version
     * does not know must be 0.
     *
     * @return the descriptor of the set
     */
    public static int createRuleset(Object object, int abi, long files, long net, long scoped) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment attributes = arena.allocate(RULESET_ATTR_BYTES, Long.BYTES);
            attributes.set(LONG, 0, files);
            attributes.set(LONG, ATTR_NET, net);
            attributes.set(LONG, ATTR_SCOPED, scoped);
            int sizeBytes = abi < 4 ? ATTR_NET : abi < 6 ? ATTR_SCOPED : RULESET_ATTR_BYTES;
            return (int) Libc.check(
                    "landlock_create_ruleset",
                    object,
                    SystemCall.call(SYS_LANDLOCK_CREATE_RULESET, attributes.address(), sizeBytes, 0));
        }
    }

    /** Allows something beneath a directory, or for a file. */
    public static void allow(Object object, int ruleset, int directory, long files) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment beneath = arena.allocate(PATH_BENEATH_BYTES, Long.BYTES);
            beneath.set(LONG, 0, files);
            beneath.set(INT, BENEATH_PARENT, directory);
            Libc.check(
                    "landlock_add_rule",
                    object,
                    SystemCall.call(SYS_LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, beneath.address(), 0));
        }
    }

    /** Binds the calling thread, and those it starts from now on, for ever. It must have no-new-privileges. */
    public static void restrictThread(Object object, int ruleset, int flags) throws ErrnoException {
        Libc.check("landlock_restrict_self", object, SystemCall.call(SYS_LANDLOCK_RESTRICT_SELF, ruleset, flags, 0));
    }
}
