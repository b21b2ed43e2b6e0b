package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Breaks one thread of this process out of a blocking system call, by a signal whose handler does nothing.
 *
 * <p>The handler is a function of the C library that touches nothing but a register, abs(3): a signal may come at any
 * instruction, where no Java code could run. With SA_RESTART calls that can go on do so, so that no other library in
 * the thread notices; KVM_RUN is none of those, it always answers EINTR. The signal is the first real-time one from
 * {@link #FIRST} on that nobody in this process has a handler for: the C library uses 32 and 33, the JDK's channels use
 * 62, and both the JVM's and the embedding program's handlers stay as they are.
 */
public final class ThreadSignal {
    private static final int FIRST = 40, LAST = 61;
    private static final long SYS_GETTID = 186, SYS_TGKILL = 234;
    private static final int SA_RESTART = 0x10000000;
    /** struct sigaction of the C library on x86-64: handler, 1024 bits of mask, flags, restorer. */
    private static final long SIGACTION_BYTES = 152, SA_HANDLER = 0, SA_FLAGS = 136;

    private static final LibcFunction SIGACTION = LibcFunction.of("sigaction");

    private static final class Installed {
        static final int NUMBER = install();
    }

    private ThreadSignal() {}

    /** The kernel's number of the calling thread, which must be a platform thread. */
    public static int currentThread() {
        return (int) SystemCall.call(SYS_GETTID, 0, 0, 0);
    }

    /**
     * Installs the handler, if that was not done yet. Before the first {@link #interrupt} of a thread that must not
     * miss it.
     */
    public static void prepare() {
        if (Installed.NUMBER == 0)
            throw new IllegalStateException("no free real-time signal from " + FIRST + " to " + LAST);
    }

    /**
     * Makes a system call in which that thread of this process blocks return EINTR. Nothing happens to a thread that
     * runs, or that has ended. Signals of this kind queue: a thread that does not come to run keeps all that were sent,
     * and then takes them one inside the other on its stack. So whoever sends one waits for the thread to react before
     * the next.
     *
     * @return false when the user's limit of queued signals is reached (RLIMIT_SIGPENDING) and none was sent
     */
    public static boolean interrupt(int thread) {
        return SystemCall.call(SYS_TGKILL, ProcessHandle.current().pid(), thread, Installed.NUMBER) != -Errno.EAGAIN;
    }

    private static int install() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment action = arena.allocate(SIGACTION_BYTES, 8);
            for (int number = FIRST; number <= LAST; number++) {
                if (sigaction(number, 0, action.address()) != 0 || action.get(LONG, SA_HANDLER) != 0) continue;
                action.fill((byte) 0);
                action.set(LONG, SA_HANDLER, Libc.address("abs"));
                action.set(INT, SA_FLAGS, SA_RESTART);
                if (sigaction(number, action.address(), 0) == 0) return number;
            }
            return 0;
        }
    }

    private static int sigaction(int number, long newAction, long oldAction) {
        return SIGACTION.tryInt(number, newAction, oldAction);
    }
}
