package org.nestorvm.sandbox;

import java.util.List;
import java.util.function.IntFunction;
import org.nestorvm.memory.sys.Processes;

/**
 * What a process keeps.
 *
 * @param name for messages: {@code disk}
 * @param syscalls the filter of system calls for a process id, see {@link SyscallLists}
 * @param openFiles most descriptors it can have, those that come over a socket included
 * @param fileBytes how long a file can become by what it writes, memory files included; {@link Processes#UNLIMITED}
 * @param memoryBytes how much more memory of its own than now it can have, besides the heap of its JVM
 * @param threads most threads, where it gets a user of its own
 * @param readable directories and files that Landlock leaves readable; the filters of {@link SyscallLists} refuse
 *     opening anyhow
 */
public record SandboxPolicy(
        String name,
        IntFunction<SyscallFilter> syscalls,
        long openFiles,
        long fileBytes,
        long memoryBytes,
        long threads,
        List<String> readable) {
    private static final long OPEN_FILES = 512, THREADS = 256, CONNECTIONS = 16384;
    /** Room for the memory file in which requests in flight are recorded. */
    private static final long MEMORY_FILE_BYTES = 16L << 20;
    /**
     * For the stacks of threads, classes, and what the JVM and its compilers need outside the heap; a vsock device has
     * as much there as in its heap.
     */
    private static final long SMALL = 128L << 20, LARGE = 256L << 20;

    public static final SandboxPolicy PLAIN =
            new SandboxPolicy("plain", SyscallLists::plain, OPEN_FILES, MEMORY_FILE_BYTES, SMALL, THREADS, List.of());
    public static final SandboxPolicy NET =
            new SandboxPolicy("net", SyscallLists::net, OPEN_FILES, Processes.UNLIMITED, LARGE, THREADS, List.of());
    public static final SandboxPolicy DISK =
            new SandboxPolicy("disk", SyscallLists::disk, OPEN_FILES, Processes.UNLIMITED, LARGE, THREADS, List.of());
    public static final SandboxPolicy CDROM =
            new SandboxPolicy("cdrom", SyscallLists::cdrom, OPEN_FILES, MEMORY_FILE_BYTES, SMALL, THREADS, List.of());
    /** What it prints may go to a file. */
    public static final SandboxPolicy STREAMS = new SandboxPolicy(
            "streams", SyscallLists::streams, OPEN_FILES, Processes.UNLIMITED, SMALL, THREADS, List.of());
    /**
     * Each of the guest's connections is a descriptor. Programs of any user are reached, though it gives up user and
     * root directory: whoever started it connects in its place.
     */
    public static final SandboxPolicy SOCKETS = new SandboxPolicy(
            "sockets", SyscallLists::sockets, OPEN_FILES + CONNECTIONS, MEMORY_FILE_BYTES, LARGE, THREADS, List.of());
}
