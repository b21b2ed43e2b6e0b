package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Arrays;

/**
 * How the C library is reached: symbols are looked up here and nowhere else in Nestor.
 *
 * <p>Every handle takes a {@link CallState#errno} segment first, then the arguments of the C function; a pointer is passed as a
 * {@code long}, which the ABIs of 64-bit Linux pass alike. The methods around the handles answer in the kernel's own convention: the result, or
 * the negated errno. {@link #check} is the one place where that becomes an exception.
 */
final class Libc {
    static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");

    private Libc() {
    }

    static MethodHandle bind(String name, ValueLayout result, MemoryLayout... arguments) {
        return cast(LINKER.downcallHandle(find(name), words(arguments.length), ERRNO), result, arguments);
    }

    /** A function declared with {@code ...}: {@code fixed} arguments come before the dots. */
    static MethodHandle bindVariadic(String name, int fixed, ValueLayout result, MemoryLayout... arguments) {
        return cast(LINKER.downcallHandle(find(name), words(arguments.length), ERRNO, Linker.Option.firstVariadicArg(fixed)), result, arguments);
    }

    /** Where a function of the C library lies in this process. */
    static long address(String name) {
        return find(name).address();
    }

    /**
     * Every function is linked as one of 64-bit words: in registers, which is where the first six arguments are, an int is the low half of one. The linker makes classes for each shape, a millisecond and more,
     * and so there are few shapes.
     */
    private static FunctionDescriptor words(int arguments) {
        MemoryLayout[] words = new MemoryLayout[arguments];
        Arrays.fill(words, LONG);
        return FunctionDescriptor.of(LONG, words);
    }

    private static MethodHandle cast(MethodHandle words, ValueLayout result, MemoryLayout... arguments) {
        Class<?>[] types = new Class<?>[arguments.length];
        for (int i = 0; i < types.length; i++) types[i] = ((ValueLayout) arguments[i]).carrier();
        return MethodHandles.explicitCastArguments(words, MethodType.methodType(result.carrier(), types).insertParameterTypes(0, MemorySegment.class));
    }

    /** For what only younger libraries have. */
    static boolean has(String name) {
        return LINKER.defaultLookup().find(name).isPresent();
    }

    private static MemorySegment find(String name) {
        return LINKER.defaultLookup().find(name)
            .orElseThrow(() -> new UnsatisfiedLinkError("the C library has no " + name + "(); Nestor needs glibc 2.28 or musl 1.2.5"));
    }

    /** A handle threw, which C does not do: what is unchecked passes as it is (no heap left, an argument refused), anything else is our mistake. */
    static AssertionError broken(String call, Throwable cause) {
        if (cause instanceof RuntimeException e) throw e;
        if (cause instanceof Error e) throw e;
        return new AssertionError("call of " + call + "()", cause);
    }

    /** Turns a negated errno into the exception that names call, object and errno. {@code object} is only rendered on failure. */
    static long check(String call, Object object, long result) throws ErrnoException {
        if (result < 0) throw new ErrnoException(call, String.valueOf(object), (int) -result);
        return result;
    }

    static int check(String call, Object object, int result) throws ErrnoException {
        if (result < 0) throw new ErrnoException(call, String.valueOf(object), -result);
        return result;
    }

    /** The text as a C string that lives as long as the arena. */
    static long string(Arena arena, String text) {
        return arena.allocateFrom(text).address();
    }
}
