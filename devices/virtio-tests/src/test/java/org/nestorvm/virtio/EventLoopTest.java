package org.nestorvm.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;

@Timeout(60)
class EventLoopTest {
    private EventLoop loop;
    private int event;

    @BeforeEach
    void open() throws IOException {
        loop = new EventLoop("loop");
        event = Events.eventfd("test", 0, Events.EFD_NONBLOCK);
    }

    @AfterEach
    void close() {
        loop.close();
        Descriptors.close(event);
    }

    private static void await(Semaphore semaphore) throws InterruptedException {
        assertTrue(semaphore.tryAcquire(30, TimeUnit.SECONDS));
    }

    @Test
    void aHandlerRunsWhenItsDescriptorIsReady() throws Exception {
        Semaphore calls = new Semaphore(0);
        loop.add(event, Events.EPOLLIN, events -> {
            assertEquals(Events.EPOLLIN, events);
            Events.tryDrain(event);
            calls.release();
        });
        for (int i = 0; i < 3; i++) {
            Events.trySignal(event, 1);
            await(calls);
        }
        assertEquals(0, calls.availablePermits());
    }

    @Test
    void afterRemoveAHandlerIsNotCalled() throws Exception {
        Semaphore calls = new Semaphore(0);
        loop.add(event, Events.EPOLLIN, _ -> calls.release()); // not drained: called again and again
        Events.trySignal(event, 1);
        await(calls);
        loop.remove(event);
        int seen = calls.drainPermits();
        int other = Events.eventfd("other", 1, Events.EFD_NONBLOCK);
        try {
            Semaphore rounds = new Semaphore(0);
            loop.add(other, Events.EPOLLIN, _ -> rounds.release());
            for (int i = 0; i < 10; i++) await(rounds);
            loop.remove(other);
        } finally {
            Descriptors.close(other);
        }
        assertEquals(0, calls.availablePermits(), "after " + seen);
        loop.remove(event); // once more does nothing
    }

    @Test
    void whoIsDueIsCalledAgainAfterTheOthers() throws Exception {
        Semaphore done = new Semaphore(0);
        AtomicInteger shares = new AtomicInteger(), others = new AtomicInteger();
        int other = Events.eventfd("other", 1, Events.EFD_NONBLOCK);
        try {
            loop.add(other, Events.EPOLLIN, _ -> others.incrementAndGet());
            EventLoop.Handler worker = new EventLoop.Handler() {
                @Override
                public void ready(int events) {
                    assertEquals(0, events);
                    if (shares.incrementAndGet() < 50) loop.again(this);
                    else done.release();
                }
            };
            loop.exclusive(() -> loop.again(worker)); // from another thread: the loop has to wake up
            await(done);
            loop.remove(other);
            assertEquals(50, shares.get());
            assertThat(others.get()).isGreaterThanOrEqualTo(40);
        } finally {
            Descriptors.close(other);
        }
    }

    /** A loop that has work without end lets others in. */
    @Test
    void whoWaitsForABusyLoopGetsItsTurn() throws Exception {
        Events.trySignal(event, 1);
        AtomicInteger calls = new AtomicInteger();
        loop.add(event, Events.EPOLLIN, _ -> calls.incrementAndGet());
        for (int i = 0; i < 1_000; i++) {
            int before = calls.get();
            loop.exclusive(() -> {});
            if (i % 100 == 0) while (calls.get() == before) Thread.onSpinWait();
        }
    }

    @Test
    void aHandlerKnowsThatItIsWaitedFor() throws Exception {
        Semaphore inside = new Semaphore(0), done = new Semaphore(0);
        loop.add(event, Events.EPOLLIN, _ -> {
            Events.tryDrain(event);
            assertFalse(loop.isWanted());
            inside.release();
            while (!loop.isWanted()) Thread.onSpinWait();
            done.release();
        });
        Events.trySignal(event, 1);
        await(inside);
        loop.exclusive(() -> {});
        assertTrue(done.tryAcquire());
    }

    @Test
    void whoNeedNotWaitActsInALoopsPlaceAndElseDoesNot() throws Exception {
        AtomicInteger actions = new AtomicInteger();
        assertTrue(loop.tryExclusive(actions::incrementAndGet));
        Semaphore inside = new Semaphore(0), go = new Semaphore(0);
        loop.add(event, Events.EPOLLIN, _ -> {
            Events.tryDrain(event);
            inside.release();
            go.acquireUninterruptibly();
        });
        Events.trySignal(event, 1);
        await(inside);
        assertFalse(loop.tryExclusive(actions::incrementAndGet));
        go.release();
        loop.exclusive(actions::incrementAndGet);
        assertEquals(2, actions.get());
    }

    @Test
    void aHandlerThatFailsIsNotCalledAgainAndTheOthersAre() throws Exception {
        AtomicInteger failures = new AtomicInteger();
        Semaphore calls = new Semaphore(0);
        int other = Events.eventfd("other", 0, Events.EFD_NONBLOCK);
        try {
            loop.add(event, Events.EPOLLIN, _ -> {
                failures.incrementAndGet();
                throw new IllegalStateException("test: a handler fails");
            });
            loop.add(other, Events.EPOLLIN, _ -> {
                Events.tryDrain(other);
                calls.release();
            });
            Events.trySignal(event, 1);
            for (int i = 0; i < 10; i++) {
                Events.trySignal(other, 1);
                await(calls);
            }
            assertEquals(1, failures.get());
            loop.exclusive(() -> loop.again(_ -> {
                throw new OutOfMemoryError("test: a handler that is due fails");
            }));
            Events.trySignal(other, 1);
            await(calls);
            loop.remove(other);
        } finally {
            Descriptors.close(other);
        }
    }

    @Test
    void closeWaitsForAHandlerThatRuns() throws Exception {
        CountDownLatch inside = new CountDownLatch(1);
        AtomicInteger left = new AtomicInteger();
        loop.add(event, Events.EPOLLIN, _ -> {
            inside.countDown();
            try {
                Thread.sleep(50);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            left.incrementAndGet();
        });
        Events.trySignal(event, 1);
        inside.await();
        loop.close();
        int calls = left.get();
        assertNotEquals(0, calls);
        loop.close(); // does nothing
        assertEquals(calls, left.get());
    }

    @Test
    void aHandlerMayCloseItsLoop() throws Exception {
        Semaphore closed = new Semaphore(0);
        EventLoop own = new EventLoop("own");
        int other = Events.eventfd("other", 1, Events.EFD_NONBLOCK);
        try {
            own.add(other, Events.EPOLLIN, _ -> {
                own.close();
                closed.release();
            });
            await(closed);
        } finally {
            Descriptors.close(other);
        }
    }

    @Test
    void aDescriptorThatIsNotOpenIsRefused() throws Exception {
        int gone = Events.eventfd("gone", 0, Events.EFD_NONBLOCK);
        Descriptors.close(gone);
        assertThatThrownBy(() -> loop.add(gone, Events.EPOLLIN, _ -> {}))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("epoll_ctl")
                .hasMessageContaining("EBADF");
    }
}
