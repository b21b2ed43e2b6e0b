package org.nestorvm.memory.sys;

/**
 * syscall(2): what the C library has no function for, by number. Arguments that the call does not have are passed as 0.
 */
final class SystemCall {
    private static final LibcFunction SYSCALL = LibcFunction.variadic("syscall");

    private SystemCall() {}

    /** @return the result or a negated errno */
    static long call(long number, long a, long b, long c) {
        return call(number, a, b, c, 0);
    }

    static long call(long number, long a, long b, long c, long d) {
        return SYSCALL.tryLong(number, a, b, c, d);
    }
}
