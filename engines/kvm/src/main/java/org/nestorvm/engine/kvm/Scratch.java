package org.nestorvm.engine.kvm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.nestorvm.memory.sys.HostMemory;

/**
 * One page for each thread, to pass a small structure to the kernel without allocating. Valid until the thread's next
 * use.
 */
final class Scratch {
    static final int SIZE_BYTES = 4096;
    private static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);

    private final MemorySegment page = Arena.ofAuto().allocate(SIZE_BYTES, 4096); // kept: its memory goes with it

    private Scratch() {}

    /** The page as it is. */
    static long current() {
        return OF_THREAD.get().page.address();
    }

    /** @return the host address of {@code sizeBytes} zeroed bytes, page aligned; at most {@link #SIZE_BYTES} */
    static long zeroed(long sizeBytes) {
        long address = OF_THREAD.get().page.address();
        HostMemory.fill(address, sizeBytes, (byte) 0);
        return address;
    }
}
