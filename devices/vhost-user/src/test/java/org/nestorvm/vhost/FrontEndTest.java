package org.nestorvm.vhost;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.AddressSpace;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.DeviceEvents;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.VirtioDevice;
import org.nestorvm.virtio.rng.RngDevice;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

/** A guest's driver, our front end, our back end, a device: with nothing between the last two but a socket. */
class FrontEndTest {
    private static final long SPLIT = Features.VERSION_1 | Features.EVENT_IDX, PACKED = SPLIT | Features.RING_PACKED;

    private static FrontEndOptions echo(Connector connector, int queues) {
        return FrontEndOptions.of(EchoDevice.TYPE, "echo", queues, EchoDevice.QUEUE_SIZE, connector)
                .withConfigBytes(EchoDevice.CONFIG_BYTES);
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED, Features.VERSION_1, Features.VERSION_1 | Features.RING_PACKED})
    void entropyComesThroughTheSocket(long features) throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() ->
                        new RngDevice("rng", (bytes, length) -> java.util.Arrays.fill(bytes, 0, length, (byte) 7)));
                DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(FrontEndOptions.of(RngDevice.TYPE, "rng", 1, 64, backEnd));
                TestDriver driver = TestDriver.start(front, memory, features, 64)) {
            byte[] random = driver.request(0, new byte[0], 70_000);
            assertEquals(70_000, random.length);
            for (byte b : random) assertEquals(7, b);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void queuesStopAndGoOnWhereTheyWere(long features) throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(2, 0));
                DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(echo(backEnd, 2));
                TestDriver driver = TestDriver.start(front, memory, features, 16)) {
            for (int i = 0; i < 100; i++) {
                int queue = i & 1;
                assertArrayEquals(new byte[] {(byte) (i + 1), 1}, driver.request(queue, new byte[] {(byte) i, 0}, 10));
                if (i % 3 == 0) {
                    driver.stopQueue(queue);
                    driver.queue(queue).offer(new byte[] {9}, 1);
                    driver.startQueue(queue);
                    driver.await(queue);
                }
            }
        }
    }

    /** Another driver sets the device up after a reset, in other memory. */
    @Test
    void aResetDeviceServesAnotherDriver() throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
                FrontEnd front = FrontEnd.connect(echo(backEnd, 1))) {
            for (long features : new long[] {SPLIT, PACKED, SPLIT}) {
                try (DriverMemory memory = new DriverMemory(null, 0, 1 << 20, 1L << 32, 1 << 20, 1L << 33, 1 << 20);
                        TestDriver driver = TestDriver.start(front, memory, features, 8)) {
                    assertArrayEquals(new byte[] {4}, driver.request(0, new byte[] {3}, 1));
                }
            }
            assertEquals(1, backEnd.count());
        }
    }

    @Test
    void memoryOfManyRegionsIsToldOneByOne() throws Exception {
        long[] layout = new long[2 * 20];
        for (int i = 0; i < 20; i++) {
            layout[2 * i] = (long) i << 24;
            layout[2 * i + 1] = 1 << 20;
        }
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
                DriverMemory memory = new DriverMemory(null, layout);
                FrontEnd front = FrontEnd.connect(echo(backEnd, 1));
                TestDriver driver = TestDriver.start(front, memory, SPLIT, 8)) {
            memory.write(19L << 24, new byte[] {41});
            driver.queue(0).offer(List.of(new Buffer(19L << 24, 1, false), new Buffer(18L << 24, 1, true)));
            driver.kick(0);
            driver.await(0);
            assertArrayEquals(new byte[] {42}, memory.read(18L << 24, 1));
        }
    }

    @Test
    void theConfigurationIsReadWrittenAndHeardOf() throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
                DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(echo(backEnd, 1));
                TestDriver driver = TestDriver.start(front, memory, SPLIT, 8)) {
            assertEquals(0x12345678, front.config().get(0, 4));
            ((EchoDevice) backEnd.device()).changeConfig(0x55);
            driver.awaitConfigChange();
            assertEquals(0x55, front.config().get(0, 4));
            front.config().write(4, 1, 9);
            assertEquals(9, backEnd.device().config().get(4, 1));
            front.config().write(0, 4, 1); // not writable: the guest reads what is there
            driver.awaitConfigChange();
            assertEquals(0x55, front.config().get(0, 4));
        }
    }

    /** A transport that calls instead of signalling an eventfd. */
    @Test
    void notificationsCanBeCalls() throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
                DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(echo(backEnd, 1));
                TestDriver driver = TestDriver.start(front, memory, SPLIT, 8)) {
            driver.stopQueue(0);
            front.startQueue(driver.queue(0).setup(-1));
            driver.queue(0).offer(new byte[] {1}, 1);
            front.notified(0);
            assertEquals(1, driver.await(0).written());
        }
    }

    /** Nothing of an earlier life of the device comes into a later one. */
    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void p37_resetsInTheMiddleOfTraffic(long features) throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(2, 2));
                FrontEnd front = FrontEnd.connect(echo(backEnd, 2));
                DriverMemory memory = new DriverMemory()) {
            for (int life = 0; life < 50; life++) {
                if (life % 10 == 5) backEnd.kill();
                try (TestDriver driver = TestDriver.start(front, memory, features, 16)) {
                    for (int i = 0; i < 6; i++) driver.queue(i & 1).offer(new byte[] {(byte) life}, 1);
                    driver.kick(0);
                    driver.kick(1);
                    if (life % 3 == 0) collect(driver, 0, 1);
                    assertEquals(List.of(), driver.reasons());
                }
            }
        }
    }

    /**
     * A transport whose host delivers interrupts without a thread of this process: it gets the eventfd, and gives it
     * back.
     */
    @Test
    void interruptsCanGoPastThisProcess() throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
                DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(echo(backEnd, 1))) {
            int[] connected = {-1};
            DeviceEvents events = new DeviceEvents() {
                @Override
                public void interrupt(int queue) {
                    throw new AssertionError("interrupt of queue " + queue);
                }

                @Override
                public void configChanged() {
                    throw new AssertionError("configuration changed");
                }

                @Override
                public void needsReset(String why) {
                    throw new AssertionError(why);
                }

                @Override
                public boolean connectInterrupt(int queue, int eventfd) {
                    connected[0] = eventfd;
                    return true;
                }

                @Override
                public void disconnectInterrupt(int queue, int eventfd) {
                    assertEquals(connected[0], eventfd);
                    connected[0] = -1;
                }
            };
            DriverQueue queue = DriverQueue.create(memory, 0, 8, Features.VERSION_1);
            front.activate(new DeviceSession(Features.VERSION_1, memory.memory(), events));
            front.startQueue(queue.setup(-1));
            queue.offer(new byte[] {1}, 1);
            front.notified(0);
            assertEquals(Events.POLLIN, Events.tryPoll(connected[0], Events.POLLIN, 10_000));
            assertEquals(1, queue.take().written());
            front.stopQueue(0);
            assertEquals(-1, connected[0]);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void p36_aRingThatBreaksTheRulesAsksForAReset(long features) throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
                DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(echo(backEnd, 1))) {
            try (TestDriver driver = TestDriver.start(front, memory, features, 8)) {
                driver.queue(0).offer(List.of(new Buffer(1L << 40, 10, true)));
                driver.kick(0);
                assertTrue(driver.awaitNeedsReset().contains("queue 0"));
            }
            try (TestDriver driver = TestDriver.start(front, memory, features, 8)) {
                assertArrayEquals(new byte[] {4}, driver.request(0, new byte[] {3}, 1));
            }
            try (TestDriver driver = TestDriver.start(front, memory, features, 8)) {
                driver.stopQueue(0);
                front.startQueue(new org.nestorvm.virtio.QueueSetup(0, 8, 1L << 50, 0, 0, 0, -1));
                assertTrue(driver.awaitNeedsReset().contains("not lie in memory"));
            }
        }
    }

    @Test
    void aBackEndThatIsNotReplacedIsAReasonForAReset() throws Exception {
        LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
        Connector once = Connector.once(backEnd.connect(0));
        try (DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(echo(once, 1));
                TestDriver driver = TestDriver.start(front, memory, SPLIT, 8)) {
            backEnd.kill();
            assertTrue(driver.awaitNeedsReset().contains("the back end is gone"));
            driver.stopQueue(0); // says nothing, and does not wait
            driver.startQueue(0);
        }
        backEnd.close();
    }

    @Test
    void aBackEndWithTooFewQueuesIsRefused() throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0))) {
            assertTrue(assertThrows(IOException.class, () -> FrontEnd.connect(echo(backEnd, 3)))
                    .getMessage()
                    .contains("has 1 queues, not 3"));
        }
    }

    @Test
    void nothingIsLeftBehind() throws Exception {
        int mapped = AddressSpace.mappedCount(),
                objects = MemoryObject.liveCount(),
                descriptors = OpenDescriptors.count();
        for (int i = 0; i < 3; i++) {
            try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(2, 3));
                    DriverMemory memory = new DriverMemory();
                    FrontEnd front = FrontEnd.connect(echo(backEnd, 2));
                    TestDriver driver = TestDriver.start(front, memory, PACKED, 16)) {
                for (int j = 0; j < 6; j++) driver.queue(1).offer(new byte[] {1}, 1);
                driver.kick(1);
                backEnd.kill();
                collect(driver, 1, 3);
            }
        }
        assertEquals(mapped, AddressSpace.mappedCount());
        assertEquals(objects, MemoryObject.liveCount());
        OpenDescriptors.assertAtMost(descriptors);
    }

    /** While no back end can be had, the front end is closed at once all the same. */
    @Test
    void closingEndsTheSearchForABackEnd() throws Exception {
        LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
        CountDownLatch searched = new CountDownLatch(1), interrupted = new CountDownLatch(1);
        Connector connector = new Connector() {
            private boolean first = true;

            @Override
            public org.nestorvm.memory.DescriptorChannel connect(int failures)
                    throws IOException, InterruptedException {
                if (first) {
                    first = false;
                    return backEnd.connect(0);
                }
                searched.countDown();
                try {
                    Thread.sleep(60_000);
                } finally {
                    interrupted.countDown();
                }
                throw new IOException("nothing found");
            }
        };
        try (DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(echo(connector, 1));
                TestDriver driver = TestDriver.start(front, memory, SPLIT, 8)) {
            backEnd.kill();
            assertTrue(searched.await(20, TimeUnit.SECONDS));
            driver.stopQueue(0);
            driver.startQueue(0);
        }
        assertTrue(interrupted.await(20, TimeUnit.SECONDS));
        backEnd.close();
    }

    @Test
    void offeredFeaturesAreTheDevices() throws Exception {
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(1, 0));
                FrontEnd front = FrontEnd.connect(echo(backEnd, 1).withFeatures(1, Features.RING_PACKED))) {
            VirtioDevice device = backEnd.device();
            assertEquals(device.features() & ~Features.RING_PACKED | 1, front.features());
            assertNull(backEnd.failure());
        }
    }

    static List<Used> collect(TestDriver driver, int queue, int count) throws InterruptedException {
        List<Used> all = new java.util.ArrayList<>();
        while (all.size() < count) all.add(driver.await(queue));
        return all;
    }
}
