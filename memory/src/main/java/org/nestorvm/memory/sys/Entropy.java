package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The kernel's random bytes, getrandom(2): needs no descriptor, and so works in a process that can open none. */
public final class Entropy {
    private static final MethodHandle GETRANDOM = Libc.bind("getrandom", LONG, LONG, LONG, INT);

    private Entropy() {
    }

    /** Fills the first bytes of the array. */
    public static void fill(byte[] bytes, int length) {
        CallState state = CallState.get();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(length);
            for (int done = 0; done < length; ) {
                long result = state.result((long) GETRANDOM.invokeExact(state.errno, buffer.address() + done, (long) length - done, 0));
                if (result > 0) done += (int) result;
                else if (result != -Errno.EINTR) throw new IllegalStateException("getrandom: " + Errno.name((int) -result));
            }
            HostMemory.copyOut(buffer.address(), bytes, 0, length);
        } catch (Throwable t) {
            throw Libc.broken("getrandom", t);
        }
    }
}
