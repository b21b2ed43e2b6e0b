package org.nestorvm.memory.sys;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import org.junit.jupiter.api.Test;

/**
 * Why memory of other processes must be sealed: the bus error of a file that was shortened. HotSpot survives it, with
 * an error that no caller expects.
 */
class SignalTest {
    private static final int PAGE = MemoryCalls.PAGE_BYTES;

    @Test
    void accessBeyondAShortenedFileIsAnInternalErrorNotTheEndOfTheProcess() throws IOException {
        int descriptor = MemoryCalls.memfdCreate("shortened", MemoryCalls.MFD_CLOEXEC);
        Descriptors.ftruncate("shortened", descriptor, 2 * PAGE);
        long address = MemoryCalls.mmap(
                "shortened",
                2 * PAGE,
                MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                MemoryCalls.MAP_SHARED,
                descriptor,
                0);
        HostMemory.putLong(address + PAGE, 5);
        Descriptors.ftruncate("shortened", descriptor, PAGE);
        assertThrows(InternalError.class, () -> read(address + PAGE));
        if (Primitive.POPULATE_WRITE.present()) {
            assertEquals(
                    -Errno.EFAULT,
                    MemoryCalls.tryMadvise(address + PAGE, PAGE, MemoryCalls.MADV_POPULATE_WRITE),
                    "asking the kernel is an errno instead");
        }
        MemoryCalls.munmap("shortened", address, 2 * PAGE);
        Descriptors.close(descriptor);
    }

    /** The error is thrown at the next point at which the JVM looks: the loop has such points. */
    private static long read(long address) {
        long sum = 0;
        for (int i = 0; i < 1000; i++) sum += HostMemory.getLong(address);
        return sum;
    }
}
