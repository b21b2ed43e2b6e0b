package org.nestorvm.memory.sys;

/** Lets tests of the sandbox make the calls that no program of ours makes. */
public final class AnySystemCall {
    private AnySystemCall() {}

    /** @return the result or a negated errno */
    public static long call(long number, long a, long b, long c) {
        return SystemCall.call(number, a, b, c);
    }
}
