package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.invoke.MethodHandle;

/** syscall(2): what the C library has no function for, by number. Arguments that the call does not have are passed as 0. */
final class SystemCall {
    private static final MethodHandle SYSCALL = Libc.bindVariadic("syscall", 1, LONG, LONG, LONG, LONG, LONG, LONG);

    private SystemCall() {
    }

    /** @return the result or a negated errno */
    static long call(long number, long a, long b, long c) {
        return call(number, a, b, c, 0);
    }

    static long call(long number, long a, long b, long c, long d) {
        CallState state = CallState.get();
        try {
            return state.result((long) SYSCALL.invokeExact(state.errno, number, a, b, c, d));
        } catch (Throwable t) {
            throw Libc.broken("syscall", t);
        }
    }
}
