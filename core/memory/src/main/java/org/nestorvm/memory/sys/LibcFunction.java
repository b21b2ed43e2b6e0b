package org.nestorvm.memory.sys;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;

/**
 * A function of the C library. Integers and pointers are passed as {@code long}.
 *
 * <p>All are linked as functions of six 64-bit words. In registers, which is where the ABIs of 64-bit Linux have the
 * first six arguments, an int is the low half of a word, and a function does not look at registers that it has no
 * arguments for. The linker makes a dozen classes for each shape of a function, at every start of a JVM, and so there
 * are two: this one, and the same with dots in its declaration.
 *
 * <p>The {@code try} forms answer in the kernel's own convention: the result, or the negated errno where it is -1. A
 * record, so that the handle of one in a static final field is a constant for HotSpot and the call compiles to a call.
 * Nothing is allocated.
 */
record LibcFunction(String name, MethodHandle handle) {
    private static final int WORDS = 6;
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno"),
            DOTS = Linker.Option.firstVariadicArg(1);
    private static final FunctionDescriptor SHAPE = shape();

    private static FunctionDescriptor shape() {
        MemoryLayout[] words = new MemoryLayout[WORDS];
        Arrays.fill(words, Libc.LONG);
        return FunctionDescriptor.of(Libc.LONG, words);
    }

    static LibcFunction of(String name) {
        return new LibcFunction(name, Linker.nativeLinker().downcallHandle(Libc.find(name), SHAPE, ERRNO));
    }

    /** One that is declared with {@code ...}. */
    static LibcFunction variadic(String name) {
        return new LibcFunction(name, Linker.nativeLinker().downcallHandle(Libc.find(name), SHAPE, ERRNO, DOTS));
    }

    int tryInt() {
        return tryInt(0, 0, 0, 0, 0, 0);
    }

    int tryInt(long a) {
        return tryInt(a, 0, 0, 0, 0, 0);
    }

    int tryInt(long a, long b) {
        return tryInt(a, b, 0, 0, 0, 0);
    }

    int tryInt(long a, long b, long c) {
        return tryInt(a, b, c, 0, 0, 0);
    }

    int tryInt(long a, long b, long c, long d) {
        return tryInt(a, b, c, d, 0, 0);
    }

    int tryInt(long a, long b, long c, long d, long e) {
        return tryInt(a, b, c, d, e, 0);
    }

    /** For functions that return int, whose upper half is not theirs. */
    int tryInt(long a, long b, long c, long d, long e, long f) {
        CallState state = CallState.get();
        return state.result((int) call(state, a, b, c, d, e, f));
    }

    long tryLong(long a, long b, long c) {
        return tryLong(a, b, c, 0, 0, 0);
    }

    long tryLong(long a, long b, long c, long d) {
        return tryLong(a, b, c, d, 0, 0);
    }

    long tryLong(long a, long b, long c, long d, long e) {
        return tryLong(a, b, c, d, e, 0);
    }

    long tryLong(long a, long b, long c, long d, long e, long f) {
        CallState state = CallState.get();
        return state.result(call(state, a, b, c, d, e, f));
    }

    /** The result as it is, of a function that leaves errno alone or whose -1 may be a value. */
    long plain(long a) {
        return call(CallState.get(), a, 0, 0, 0, 0, 0);
    }

    private long call(CallState state, long a, long b, long c, long d, long e, long f) {
        try {
            return (long) handle.invokeExact(state.errno, a, b, c, d, e, f);
        } catch (Throwable t) {
            throw broken(t);
        }
    }

    /**
     * A handle threw, which C does not do: what is unchecked passes as it is (no heap left, an argument refused),
     * anything else is our mistake.
     */
    private AssertionError broken(Throwable cause) {
        if (cause instanceof RuntimeException e) throw e;
        if (cause instanceof Error e) throw e;
        return new AssertionError("call of " + name + "()", cause);
    }
}
