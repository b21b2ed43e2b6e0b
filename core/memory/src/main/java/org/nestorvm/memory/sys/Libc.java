package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * How the C library is reached: symbols are looked up here and nowhere else in Nestor.
 *
 * <p>A {@link LibcFunction} answers in the kernel's own convention: the result, or the negated errno. {@link #check} is
 * the one place where that becomes an exception.
 */
final class Libc {
    static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private Libc() {}

    /** Where a function of the C library lies in this process. */
    static long address(String name) {
        return find(name).address();
    }

    /** For what only younger libraries have. */
    static boolean has(String name) {
        return Linker.nativeLinker().defaultLookup().find(name).isPresent();
    }

    static MemorySegment find(String name) {
        return Linker.nativeLinker()
                .defaultLookup()
                .find(name)
                .orElseThrow(() -> new UnsatisfiedLinkError(
                        "the C library has no " + name + "(); Nestor needs glibc 2.28 or musl 1.2.5"));
    }

    /**
     * Turns a negated errno into the exception that names call, object and errno. {@code object} is only rendered on
     * failure.
     */
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
        byte[] bytes = HostText.bytes(text);
        MemorySegment string = arena.allocate(bytes.length + 1L);
        MemorySegment.copy(bytes, 0, string, BYTE, 0, bytes.length);
        return string.address();
    }
}
