package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What a thread needs around a call: the segment in which the linker leaves errno before the JVM can disturb it, eight
 * bytes for calls that answer through a pointer, and a small structure for calls that take one. One per thread, made at
 * its first call and freed after the thread.
 *
 * <p>The linker of JDK 25 makes a slice of the errno segment for each call, 40 bytes, which escape analysis removes
 * where HotSpot compiles the call as a whole: true of each method of this package by itself, not always of one that
 * makes many calls in one body. Keep hot bodies small.
 */
final class CallState {
    private static final long ERRNO_OFFSET =
            Linker.Option.captureStateLayout().byteOffset(MemoryLayout.PathElement.groupElement("errno"));
    private static final ThreadLocal<CallState> OF_THREAD = ThreadLocal.withInitial(CallState::new);

    final MemorySegment errno;
    final MemorySegment value;
    /** As long as the longest structure that a call made in the course of work takes: struct itimerspec. */
    final MemorySegment small;

    private CallState() {
        // The collector frees the memory after the thread: a thread that ends inside a foreign library has no place to
        // close an arena.
        Arena arena = Arena.ofAuto();
        errno = arena.allocate(Linker.Option.captureStateLayout());
        value = arena.allocate(ValueLayout.JAVA_LONG);
        small = arena.allocate(32, Long.BYTES);
    }

    static CallState get() {
        return OF_THREAD.get();
    }

    /** The kernel's convention: {@code result}, or the negated errno if the C function returned -1. */
    int result(int result) {
        return result == -1 ? -errno() : result;
    }

    long result(long result) {
        return result == -1 ? -errno() : result;
    }

    private int errno() {
        return errno.get(ValueLayout.JAVA_INT, ERRNO_OFFSET);
    }
}
