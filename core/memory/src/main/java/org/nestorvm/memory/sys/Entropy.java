package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The kernel's random bytes, getrandom(2): needs no descriptor, and so works in a process that can open none. */
public final class Entropy {
    private static final LibcFunction GETRANDOM = LibcFunction.of("getrandom");

    private Entropy() {}

    /** Fills the first bytes of the array. */
    public static void fill(byte[] bytes, int length) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(length);
            for (int done = 0; done < length; ) {
                long result = GETRANDOM.tryLong(buffer.address() + done, (long) length - done, 0);
                if (result > 0) done += (int) result;
                else if (result != -Errno.EINTR)
                    throw new IllegalStateException("getrandom: " + Errno.name((int) -result));
            }
            HostMemory.copyOut(buffer.address(), bytes, 0, length);
        }
    }
}
