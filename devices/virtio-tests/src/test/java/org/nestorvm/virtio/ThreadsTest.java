package org.nestorvm.virtio;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class ThreadsTest {
    @Test
    void anInterruptWaitsUntilTheThreadHasEnded() {
        CountDownLatch end = new CountDownLatch(1);
        Thread thread = Thread.ofPlatform().daemon().start(() -> {
            try {
                end.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        Thread.currentThread().interrupt();
        assertFalse(Threads.awaitEnd(thread, 1_000_000));
        assertTrue(Thread.interrupted());
        Thread.currentThread().interrupt();
        end.countDown();
        Threads.awaitEnd(thread);
        assertFalse(thread.isAlive());
        assertTrue(Threads.awaitEnd(thread, 0));
        assertTrue(Thread.interrupted());
    }
}
