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
 * @param threads most threads, where it gets a user of its own
 * @param readable directories and files that Landlock leaves readable; the filters of {@link SyscallLists} refuse opening anyhow
 */
public record SandboxPolicy(String name, IntFunction<SyscallFilter> syscalls, long openFiles, long fileBytes, long threads, List<String> readable) {
    private static final long OPEN_FILES = 512, THREADS = 256;
    /** Room for the memory file in which requests in flight are recorded. */
    private static final long MEMORY_FILE_BYTES = 16L << 20;

    public static final SandboxPolicy PLAIN = new SandboxPolicy("plain", SyscallLists::plain, OPEN_FILES, MEMORY_FILE_BYTES, THREADS, List.of());
    public static final SandboxPolicy NET = new SandboxPolicy("net", SyscallLists::net, OPEN_FILES, Processes.UNLIMITED, THREADS, List.of());
    public static final SandboxPolicy DISK = new SandboxPolicy("disk", SyscallLists::disk, OPEN_FILES, Processes.UNLIMITED, THREADS, List.of());
}
