package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Filters of system calls: seccomp(2), with the names of linux/seccomp.h and linux/filter.h. A filter is a program of
 * classic BPF, see module sandbox.
 */
public final class Seccomp {
    public static final int SECCOMP_SET_MODE_FILTER = 1, SECCOMP_GET_ACTION_AVAIL = 2;
    public static final int SECCOMP_FILTER_FLAG_TSYNC = 1;
    public static final int SECCOMP_RET_KILL_PROCESS = 0x80000000,
            SECCOMP_RET_ERRNO = 0x00050000,
            SECCOMP_RET_ALLOW = 0x7fff0000,
            SECCOMP_RET_DATA = 0xffff;
    /** Instructions of one filter. */
    public static final int BPF_MAXINSNS = 4096;

    private static final long SYS_SECCOMP = 317;
    private static final long SOCK_FPROG_BYTES = 16, FPROG_FILTER = 8;

    private Seccomp() {}

    /** Whether filters can kill the whole process, Linux 4.14; TSYNC is older. */
    static boolean isThere() {
        CallState state = CallState.get();
        state.value.set(INT, 0, SECCOMP_RET_KILL_PROCESS);
        return SystemCall.call(SYS_SECCOMP, SECCOMP_GET_ACTION_AVAIL, 0, state.value.address()) == 0;
    }

    /**
     * Adds a filter to every thread of the process, and gives each no-new-privileges as well. The calling thread must
     * have that set, or be privileged.
     *
     * @param program struct sock_filter each: code in bits 0-15, jt in 16-23, jf in 24-31, k in 32-63
     */
    public static void filterAllThreads(Object object, long[] program) throws ErrnoException {
        filter(object, program, SECCOMP_FILTER_FLAG_TSYNC);
    }

    /**
     * Adds a filter to the calling thread, for all that it starts. The thread must have no-new-privileges set, or be
     * privileged.
     */
    public static void filterThisThread(Object object, long[] program) throws ErrnoException {
        filter(object, program, 0);
    }

    private static void filter(Object object, long[] program, int flags) throws ErrnoException {
        if (program.length == 0 || program.length > BPF_MAXINSNS)
            throw new IllegalArgumentException(
                    "a filter has 1 to " + BPF_MAXINSNS + " instructions: " + program.length);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment instructions = arena.allocateFrom(ValueLayout.JAVA_LONG, program);
            MemorySegment fprog = arena.allocate(SOCK_FPROG_BYTES, Long.BYTES);
            fprog.set(Libc.SHORT, 0, (short) program.length);
            fprog.set(LONG, FPROG_FILTER, instructions.address());
            long result = SystemCall.call(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, flags, fprog.address());
            // A positive answer is the thread that has another filter already.
            Libc.check("seccomp", object, result > 0 ? -Errno.ESRCH : result);
        }
    }
}
