package org.nestorvm.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.Ring;
import org.nestorvm.virtio.queue.Virtqueue;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

@Timeout(60)
class RingDeviceTest {
    private static final long STOP_NS = 5_000_000_000L;

    @ParameterizedTest
    @EnumSource
    void withoutEventfdsTheDriversOwnThreadServes(Ring ring) throws Exception {
        List<Thread> threads = new ArrayList<>();
        EchoDevice echo = new EchoDevice() {
            @Override
            protected long echo(Chain chain) {
                threads.add(Thread.currentThread());
                return super.echo(chain);
            }
        };
        try (echo;
                DriverMemory memory = new DriverMemory();
                TestDriver driver = TestDriver.startWithoutEventfds(echo, memory, ring.features(), 16)) {
            for (byte i = 0; i < 40; i++) assertArrayEquals(new byte[] {i}, driver.request(0, new byte[] {i}, 1));
            assertThat(threads).hasSize(40).containsOnly(Thread.currentThread());
            driver.stopQueue(0);
            driver.queue(0).offer(new byte[] {1}, 1);
            driver.forceKick(0); // stopped: nothing happens
            assertNull(driver.queue(0).take());
            driver.startQueue(0); // and what came meanwhile is served
            assertEquals(1, driver.await(0).written());
        }
    }

    /**
     * Where time is counted in instructions, what the guest sees after a notification must not depend on another
     * thread.
     */
    @ParameterizedTest
    @EnumSource
    void withoutEventfdsAllIsDoneWhenTheNotificationReturns(Ring ring) throws Exception {
        List<Thread> threads = new ArrayList<>();
        EchoDevice echo = new EchoDevice(1, 1024) {
            @Override
            protected long echo(Chain chain) {
                threads.add(Thread.currentThread());
                return super.echo(chain);
            }
        };
        try (echo;
                DriverMemory memory = new DriverMemory();
                TestDriver driver = TestDriver.startWithoutEventfds(echo, memory, ring.features(), 1024)) {
            for (int i = 0; i < 1024; i++) driver.queue(0).offer(List.of(new Buffer(0, 1, false)));
            driver.forceKick(0);
            assertThat(threads).hasSize(1024).containsOnly(Thread.currentThread());
        }
    }

    /**
     * Other processors feed the queue while one is in the device: it comes back after its share, and the device's
     * thread goes on.
     */
    @ParameterizedTest
    @EnumSource
    void aDriversThreadIsNotKeptForEver(Ring ring) throws Exception {
        try (Busy busy = new Busy(ring, false)) {
            busy.driver.forceKick(0);
            busy.awaitServed(10_000);
            busy.stopInTime();
        }
    }

    @ParameterizedTest
    @EnumSource
    void aBusyQueueStopsAndGoesOn(Ring ring) throws Exception {
        try (Busy busy = new Busy(ring, true)) {
            busy.driver.forceKick(0);
            for (int i = 0; i < 20; i++) {
                busy.awaitServed(500);
                busy.stopInTime();
                long before = busy.served;
                Thread.yield();
                assertEquals(before, busy.served);
                busy.driver.startQueue(0);
            }
            busy.awaitServed(500);
        }
    }

    /** A device that offers its queue's next request itself while it serves one: the queue never runs dry. */
    private static final class Busy implements AutoCloseable {
        final DriverMemory memory = new DriverMemory();
        final EchoDevice echo;
        final TestDriver driver;
        volatile long served;

        Busy(Ring ring, boolean eventfds) throws Exception {
            List<Buffer> buffers = List.of(new Buffer(0, 8, false), new Buffer(8, 8, true));
            echo = new EchoDevice() {
                @Override
                protected long echo(Chain chain) {
                    served++;
                    DriverQueue queue = driver().queue(0);
                    while (queue.take() != null) {}
                    queue.offer(buffers);
                    return super.echo(chain);
                }
            };
            driver = eventfds
                    ? TestDriver.start(echo, memory, ring.features(), 8)
                    : TestDriver.startWithoutEventfds(echo, memory, ring.features(), 8);
            driver.queue(0).offer(buffers);
        }

        private TestDriver driver() {
            return driver;
        }

        void awaitServed(long more) {
            for (long end = served + more; served < end; ) Thread.onSpinWait();
        }

        void stopInTime() {
            long start = System.nanoTime();
            driver.stopQueue(0);
            assertThat(System.nanoTime() - start).isLessThan(STOP_NS);
        }

        @Override
        public void close() throws Exception {
            driver.close();
            echo.close();
            memory.close();
        }
    }

    /** Our own mistake ends the device's work, not the process and not the driver's thread. */
    @Test
    void aHandlerThatFailsAsksForAReset() throws Exception {
        AtomicBoolean fail = new AtomicBoolean(true);
        EchoDevice echo = new EchoDevice() {
            @Override
            protected long echo(Chain chain) {
                if (fail.get()) throw new IllegalStateException("test: a handler fails");
                return super.echo(chain);
            }

            @Override
            protected void queueStopped(int index, Virtqueue queue) {
                if (fail.get()) throw new IllegalStateException("test: and so does the end");
            }
        };
        for (boolean eventfds : new boolean[] {true, false}) {
            fail.set(true);
            try (DriverMemory memory = new DriverMemory()) {
                try (TestDriver driver = eventfds
                        ? TestDriver.start(echo, memory, Ring.SPLIT.features(), 8)
                        : TestDriver.startWithoutEventfds(echo, memory, Ring.SPLIT.features(), 8)) {
                    driver.queue(0).offer(new byte[] {1}, 1);
                    driver.kick(0);
                    assertThat(driver.awaitNeedsReset())
                            .contains("internal error")
                            .contains("a handler fails");
                }
                fail.set(false);
                try (TestDriver driver = TestDriver.start(echo, memory, Ring.SPLIT.features(), 8)) {
                    assertArrayEquals(new byte[] {1}, driver.request(0, new byte[] {1}, 1));
                }
            }
        }
        echo.close();
    }

    /** What goes wrong in one queue stops them all, with one word to the driver. */
    @Test
    void manyQueuesBreakOnce() throws Exception {
        try (EchoDevice echo = new EchoDevice(2, 8, 8, 8, 8);
                DriverMemory memory = new DriverMemory();
                TestDriver driver = TestDriver.start(echo, memory, Ring.SPLIT.features(), 8)) {
            for (int i = 0; i < 4; i++) assertArrayEquals(new byte[] {1}, driver.request(i, new byte[] {1}, 1));
            for (int i = 0; i < 4; i++) {
                driver.queue(i).offer(List.of(new Buffer(1L << 40, 1, true)));
                driver.forceKick(i);
            }
            driver.awaitNeedsReset();
            for (int i = 0; i < 4; i++) driver.stopQueue(i);
            assertThat(driver.reasons()).hasSize(1);
        }
    }

    @Test
    void theLimitsOfADeviceAreItsQueues() throws Exception {
        try (EchoDevice echo = new EchoDevice(2, 8, 16);
                DriverMemory memory = new DriverMemory();
                TestDriver driver = TestDriver.start(echo, memory, Ring.SPLIT.features(), 16)) {
            assertEquals(2, echo.queueCount());
            assertEquals(8, echo.maxQueueSize(0));
            assertEquals(16, echo.maxQueueSize(1));
            assertEquals(0, echo.features() & Features.VHOST_PROTOCOL);
            assertThatThrownBy(() -> driver.startQueue(0))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("runs already");
        }
    }

    @Test
    void aQueueThatDoesNotRunStaysWhereItWas() throws Exception {
        EchoDevice echo = new EchoDevice();
        try (echo;
                DriverMemory memory = new DriverMemory()) {
            assertEquals(0, echo.stopQueue(0));
            TestDriver driver = TestDriver.start(echo, memory, Ring.SPLIT.features(), 8);
            for (int i = 0; i < 5; i++) driver.request(0, new byte[] {1}, 1);
            assertEquals(5, echo.stopQueue(0));
            assertEquals(5, echo.stopQueue(0));
            driver.close();
        }
        echo.notified(0); // after the end nothing is served, and nothing fails
        echo.close();
    }

    /** The device's lock is free while the driver waits: two queues of one loop do not keep each other. */
    @Test
    void interruptsComeWithoutLoss() throws Exception {
        for (Ring ring : Ring.values()) {
            try (EchoDevice echo = new EchoDevice(1, 8, 8);
                    DriverMemory memory = new DriverMemory(null, 0, 64 << 20);
                    TestDriver driver = TestDriver.start(echo, memory, ring.features(), 8)) {
                for (int i = 0; i < 2_000; i++) {
                    int queue = i & 1;
                    driver.queue(queue).offer(List.of(new Buffer(0, 1, false), new Buffer(16, 1, true)));
                    driver.kick(queue);
                    Used used = driver.await(queue);
                    assertEquals(1, used.written());
                }
                assertTrue(driver.reasons().isEmpty());
            }
        }
    }
}
