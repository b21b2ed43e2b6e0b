package org.nestorvm.memory.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class ErrnoTest {
    @Test
    void messageNamesCallObjectAndError() {
        assertThat(new ErrnoException("mmap", "guest memory \"vm1.ram0\" (512 MiB)", Errno.ENOMEM))
                .hasMessage("mmap of guest memory \"vm1.ram0\" (512 MiB): ENOMEM (12), out of memory");
        assertEquals("errno 4000", Errno.describe(4000));
        assertEquals("errno -1", Errno.describe(-1));
        assertEquals("errno 0", Errno.name(0));
        assertEquals("EHWPOISON (133), page has a hardware error", Errno.describe(Errno.EHWPOISON));
    }

    @Test
    void failingCallNamesItsPath() {
        assertThatThrownBy(() -> Descriptors.open("/nonexistent/disk.img", Descriptors.O_RDONLY))
                .hasMessage("open of /nonexistent/disk.img: ENOENT (2), no such file or directory")
                .isInstanceOfSatisfying(ErrnoException.class, e -> assertEquals("open", e.call()));
    }

    /** Threads that fail differently at the same time each see their own errno, on platform and on virtual threads. */
    @Test
    void errnoBelongsToTheThread() throws Exception {
        for (ExecutorService threads :
                List.of(Executors.newFixedThreadPool(4), Executors.newVirtualThreadPerTaskExecutor())) {
            try (threads) {
                List<Future<?>> all = new ArrayList<>();
                for (int i = 0; i < 4; i++) {
                    boolean even = i % 2 == 0;
                    all.add(threads.submit(() -> {
                        for (int round = 0; round < 20_000; round++) {
                            if (even) assertEquals(-Errno.EBADF, Ioctl.tryIoctl(-1, 0, 0));
                            else
                                assertEquals(-Errno.ENOMEM, MemoryCalls.tryMadvise(0, 4096, MemoryCalls.MADV_DONTFORK));
                            if (round % 1000 == 0) Thread.yield();
                        }
                    }));
                }
                for (Future<?> each : all) each.get();
            }
        }
    }
}
