package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * Starts a program with descriptors of the caller's choice, which java.lang.ProcessBuilder cannot: posix_spawn(3),
 * which in glibc neither copies the caller's page tables nor runs its code.
 *
 * <p>The program is in a session of its own, so that a terminal's signals do not reach it; every signal is at its
 * default and none is blocked.
 */
public final class Spawn {
    public static final int POSIX_SPAWN_SETSIGDEF = 0x04, POSIX_SPAWN_SETSIGMASK = 0x08, POSIX_SPAWN_SETSID = 0x80;

    // Room for the C library's structures, which it fills in: 80, 336 and 128 bytes in glibc, less in musl.
    private static final long FILE_ACTIONS_BYTES = 80, ATTRIBUTES_BYTES = 336, SIGNAL_SET_BYTES = 128;

    private static final LibcFunction POSIX_SPAWN = LibcFunction.of("posix_spawn");
    private static final LibcFunction ACTIONS_INIT = LibcFunction.of("posix_spawn_file_actions_init");
    private static final LibcFunction ACTIONS_DESTROY = LibcFunction.of("posix_spawn_file_actions_destroy");
    private static final LibcFunction ADD_DUP2 = LibcFunction.of("posix_spawn_file_actions_adddup2");
    private static final LibcFunction ADD_CLOSE = LibcFunction.of("posix_spawn_file_actions_addclose");
    private static final LibcFunction ATTRIBUTES_INIT = LibcFunction.of("posix_spawnattr_init");
    private static final LibcFunction SET_FLAGS = LibcFunction.of("posix_spawnattr_setflags");
    private static final LibcFunction SET_DEFAULTS = LibcFunction.of("posix_spawnattr_setsigdefault");
    private static final LibcFunction SET_MASK = LibcFunction.of("posix_spawnattr_setsigmask");

    /** Bound where the C library has it. */
    private static final class CloseFrom {
        static final String NAME = "posix_spawn_file_actions_addclosefrom_np";
        static final LibcFunction ADD = LibcFunction.of(NAME);
    }

    private Spawn() {}

    static boolean hasCloseFrom() {
        return Libc.has(CloseFrom.NAME);
    }

    /**
     * @param program path of the file
     * @param arguments from argv[0] on
     * @param environment all of it, {@code NAME=value} each
     * @param descriptors number i of the new program is a duplicate of element i; it has no others. They stay the
     *     caller's.
     * @return its process id; see {@link Processes#reap}
     */
    public static int start(String program, List<String> arguments, List<String> environment, int... descriptors)
            throws IOException {
        FaultPoints.call("posix_spawn", program);
        // Duplicates above the numbers that the program will use, so that no dup2 overwrites a source of a later one.
        int[] sources = new int[descriptors.length];
        int made = 0;
        try (Arena arena = Arena.ofConfined()) {
            for (; made < sources.length; made++)
                sources[made] = Descriptors.fcntl(
                        program, descriptors[made], Descriptors.F_DUPFD_CLOEXEC, Math.max(3, descriptors.length));
            long actions = arena.allocate(FILE_ACTIONS_BYTES * 2, Long.BYTES).address();
            check(program, ACTIONS_INIT.tryInt(actions));
            try {
                inherit(program, actions, sources);
                return spawn(arena, program, arguments, environment, actions);
            } finally {
                ACTIONS_DESTROY.tryInt(actions);
            }
        } finally {
            while (made > 0) Descriptors.close(sources[--made]);
        }
    }

    private static void inherit(String program, long actions, int[] sources) throws IOException {
        for (int i = 0; i < sources.length; i++) check(program, ADD_DUP2.tryInt(actions, sources[i], i));
        if (Primitive.CLOSE_FROM.present()) {
            check(program, CloseFrom.ADD.tryInt(actions, sources.length));
            return;
        }
        // Whatever somebody else opened in between without O_CLOEXEC is inherited.
        for (int descriptor : inheritable()) {
            if (descriptor >= sources.length) check(program, ADD_CLOSE.tryInt(actions, descriptor));
        }
    }

    private static int[] inheritable() throws IOException {
        int[] found = new int[16];
        int count = 0;
        try (DirectoryStream<Path> open = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path path : open) {
                int descriptor = Integer.parseInt(path.getFileName().toString());
                int flags = Descriptors.tryFcntl(descriptor, Descriptors.F_GETFD, 0);
                if (flags < 0 || (flags & Descriptors.FD_CLOEXEC) != 0) continue;
                if (count == found.length) found = Arrays.copyOf(found, 2 * count);
                found[count++] = descriptor;
            }
        }
        return Arrays.copyOf(found, count);
    }

    private static int spawn(
            Arena arena, String program, List<String> arguments, List<String> environment, long actions)
            throws ErrnoException {
        MemorySegment signals = arena.allocate(SIGNAL_SET_BYTES, Long.BYTES);
        long attributes = arena.allocate(ATTRIBUTES_BYTES * 2, Long.BYTES).address();
        check(program, ATTRIBUTES_INIT.tryInt(attributes));
        check(program, SET_MASK.tryInt(attributes, signals.address()));
        signals.fill((byte) 0xff);
        check(program, SET_DEFAULTS.tryInt(attributes, signals.address()));
        CallState state = CallState.get();
        check(
                program,
                SET_FLAGS.tryInt(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID));
        check(
                program,
                POSIX_SPAWN.tryInt(
                        state.value.address(),
                        Libc.string(arena, program),
                        actions,
                        attributes,
                        strings(arena, arguments),
                        strings(arena, environment)));
        return state.value.get(INT, 0);
    }

    private static long strings(Arena arena, List<String> texts) {
        MemorySegment array = arena.allocate((texts.size() + 1) * 8L, Long.BYTES);
        for (int i = 0; i < texts.size(); i++) array.setAtIndex(LONG, i, Libc.string(arena, texts.get(i)));
        return array.address();
    }

    /** These functions answer with the errno itself. */
    private static void check(String program, int errno) throws ErrnoException {
        Libc.check("posix_spawn", program, -errno);
    }
}
