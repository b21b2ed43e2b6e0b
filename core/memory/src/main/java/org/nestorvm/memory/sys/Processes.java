package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Properties of a process and its end: prctl(2), prlimit(2), clock_getcpuclockid(3), kill(2), pidfd_open(2),
 * waitpid(2).
 */
public final class Processes {
    public static final int PR_SET_PDEATHSIG = 1, PR_GET_DUMPABLE = 3, PR_SET_DUMPABLE = 4, PR_SET_NAME = 15;
    public static final int PR_SET_NO_NEW_PRIVS = 38, PR_GET_NO_NEW_PRIVS = 39;
    public static final int RLIMIT_CPU = 0,
            RLIMIT_FSIZE = 1,
            RLIMIT_DATA = 2,
            RLIMIT_CORE = 4,
            RLIMIT_NPROC = 6,
            RLIMIT_NOFILE = 7,
            RLIMIT_MEMLOCK = 8,
            RLIMIT_AS = 9;
    public static final int CLONE_NEWUTS = 0x04000000, CLONE_NEWIPC = 0x08000000, CLONE_NEWNET = 0x40000000;
    public static final int SIGKILL = 9, SIGTERM = 15, SIGCONT = 18, SIGSTOP = 19, SIGXCPU = 24;
    /** A limit that is none, RLIM_INFINITY. */
    public static final long UNLIMITED = -1L;

    /** What {@link #reap} answers while the process runs. */
    public static final int STILL_RUNNING = -1;

    private static final long SYS_PIDFD_OPEN = 434;
    private static final int WNOHANG = 1;
    private static final int RLIMIT_BYTES = 16, RLIM_MAX = 8;
    private static final int TV_NSEC = 8;
    private static final long NS_PER_SECOND = 1_000_000_000;

    private static final LibcFunction PRCTL = LibcFunction.variadic("prctl");
    private static final LibcFunction GETRLIMIT = LibcFunction.of("getrlimit");
    private static final LibcFunction SETRLIMIT = LibcFunction.of("setrlimit");
    private static final LibcFunction PRLIMIT = LibcFunction.of("prlimit");
    private static final LibcFunction GETCPUCLOCKID = LibcFunction.of("clock_getcpuclockid");
    private static final LibcFunction GETTIME = LibcFunction.of("clock_gettime");
    private static final LibcFunction UNSHARE = LibcFunction.of("unshare");
    private static final LibcFunction KILL = LibcFunction.of("kill");
    private static final LibcFunction GETPID = LibcFunction.of("getpid");
    private static final LibcFunction WAITPID = LibcFunction.of("waitpid");

    private Processes() {}

    /** A resource limit: what applies now and how far it may be raised; {@link #UNLIMITED} or at least 0. */
    public record Limit(long soft, long hard) {}

    public static int getpid() {
        return GETPID.tryInt();
    }

    /** @param name of the option, for the message: {@code PR_SET_NO_NEW_PRIVS} */
    public static int prctl(String name, int option, long first, long second) throws ErrnoException {
        FaultPoints.call("prctl", name);
        return Libc.check("prctl", name, tryPrctl(option, first, second));
    }

    static int tryPrctl(int option, long first, long second) {
        return PRCTL.tryInt(option, first, second, 0L, 0L);
    }

    /**
     * Gives the calling thread, and what it starts, a namespace of its own: {@link #CLONE_NEWNET},
     * {@link #CLONE_NEWIPC}, {@link #CLONE_NEWUTS}. For platform threads.
     */
    public static void unshare(int flags) throws ErrnoException {
        Libc.check("unshare", "this thread", UNSHARE.tryInt(flags));
    }

    public static Limit limit(int resource) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rlimit = arena.allocate(RLIMIT_BYTES, Long.BYTES);
            Libc.check("getrlimit", "resource " + resource, rlimit(GETRLIMIT, resource, rlimit));
            return new Limit(rlimit.get(LONG, 0), rlimit.get(LONG, RLIM_MAX));
        }
    }

    public static void setLimit(int resource, Limit limit) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment rlimit = arena.allocate(RLIMIT_BYTES, Long.BYTES);
            rlimit.set(LONG, 0, limit.soft);
            rlimit.set(LONG, RLIM_MAX, limit.hard);
            Libc.check("setrlimit", "resource " + resource, rlimit(SETRLIMIT, resource, rlimit));
        }
    }

    /**
     * Changes how far another process may go, as {@link #setLimit} does for this one; the hard limit stays. For
     * processes of the same user, or with CAP_SYS_RESOURCE. @return 0 or a negated errno
     */
    public static int trySetSoftLimit(int pid, int resource, long soft) {
        MemorySegment rlimit = CallState.get().small;
        int result = PRLIMIT.tryInt(pid, resource, 0L, rlimit.address());
        if (result < 0) return result;
        rlimit.set(LONG, 0, soft);
        return PRLIMIT.tryInt(pid, resource, rlimit.address(), 0L);
    }

    /** @return time on processors that a process has used, or a negated errno */
    public static long tryCpuTimeNs(int pid) {
        CallState state = CallState.get();
        int error = GETCPUCLOCKID.tryInt(pid, state.value.address()); // which answers with the errno itself
        if (error != 0) return -error;
        int result = GETTIME.tryInt(state.value.get(INT, 0), state.small.address());
        return result < 0 ? result : state.small.get(LONG, 0) * NS_PER_SECOND + state.small.get(LONG, TV_NSEC);
    }

    private static int rlimit(LibcFunction call, int resource, MemorySegment rlimit) {
        return call.tryInt(resource, rlimit.address());
    }

    /** @param signal 0 asks only whether the process is there. @return 0 or a negated errno (-ESRCH when it is not) */
    public static int tryKill(int pid, int signal) {
        return KILL.tryInt(pid, signal);
    }

    /**
     * A descriptor that is readable when the process has ended, Linux 5.3; not inherited. Only good for children that
     * are not reaped yet, whose number cannot be another's.
     */
    public static int pidfdOpen(Object object, int pid) throws ErrnoException {
        FaultPoints.call("pidfd_open", object);
        return (int) Libc.check("pidfd_open", object, SystemCall.call(SYS_PIDFD_OPEN, pid, 0, 0));
    }

    static boolean hasPidfd() {
        long result = SystemCall.call(SYS_PIDFD_OPEN, getpid(), 0, 0);
        if (result >= 0) Descriptors.close((int) result);
        return result >= 0;
    }

    /**
     * Takes the status of a child that has ended, after which its number may become another's.
     *
     * @param block whether to wait for its end
     * @return as a shell tells it: the exit code, or 128 and the signal; {@link #STILL_RUNNING}
     */
    public static int reap(int pid, boolean block) throws ErrnoException {
        CallState state = CallState.get();
        int result;
        do {
            result = WAITPID.tryInt(pid, state.value.address(), block ? 0 : WNOHANG);
        } while (result == -Errno.EINTR);
        if (Libc.check("waitpid", "process " + pid, result) == 0) return STILL_RUNNING;
        int status = state.value.get(INT, 0);
        int signal = status & 0x7f;
        return signal == 0 ? status >> 8 & 0xff : 128 + signal;
    }
}
