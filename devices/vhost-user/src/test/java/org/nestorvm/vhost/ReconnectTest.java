package org.nestorvm.vhost;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.DescriptorListener;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

/** Back ends end in the middle of things. The guest sees every request answered, each once, and no error. */
class ReconnectTest {
    private static final long SPLIT = Features.VERSION_1 | Features.EVENT_IDX | Features.INDIRECT_DESC,
            PACKED = SPLIT | Features.RING_PACKED;
    private static final int KILLS = Integer.getInteger("nestor.vhost.kills", 3);
    private static final int ENTRIES = 32, BYTES = 8;

    /** A guest that keeps a queue busy with numbered requests and checks every answer. */
    private static final class Load {
        final TestDriver driver;
        final DriverQueue queue;
        final long[] readable = new long[ENTRIES], writable = new long[ENTRIES];
        final Set<Integer> freeBuffers = new HashSet<>();
        final Map<Integer, Integer> bufferOf = new HashMap<>(); // by the id of the chain
        final Map<Integer, Long> numberOf = new HashMap<>();
        long sent, answered;

        Load(TestDriver driver, int index) {
            this.driver = driver;
            queue = driver.queue(index);
            for (int i = 0; i < ENTRIES; i++) {
                readable[i] = driver.memory().allocate(BYTES, 8);
                writable[i] = driver.memory().allocate(BYTES, 8);
                if (i < ENTRIES / 2) freeBuffers.add(i);
            }
        }

        void send() {
            while (!freeBuffers.isEmpty()) {
                int buffer = freeBuffers.iterator().next();
                freeBuffers.remove(buffer);
                driver.memory().write(readable[buffer], bytes(sent));
                driver.memory().write(writable[buffer], new byte[BYTES]);
                int id = queue.offer(
                        List.of(new Buffer(readable[buffer], BYTES, false), new Buffer(writable[buffer], BYTES, true)));
                assertNull(bufferOf.put(id, buffer));
                numberOf.put(id, sent++);
            }
            driver.kick(queue.index());
        }

        void check(Used used) {
            Integer buffer = bufferOf.remove(used.id());
            assertTrue(buffer != null, "used twice: " + used);
            assertEquals(BYTES, used.written());
            byte[] expected = bytes(numberOf.remove(used.id()));
            for (int i = 0; i < BYTES; i++) expected[i]++;
            assertEquals(
                    HexFormat.of().formatHex(expected),
                    HexFormat.of().formatHex(driver.memory().read(writable[buffer], BYTES)));
            freeBuffers.add(buffer);
            answered++;
        }

        /** A few rounds, so that requests are under way when this returns. */
        void run(int answers) throws InterruptedException {
            for (int i = 0; i < answers; i++) {
                send();
                check(driver.await(queue.index()));
            }
        }

        private static byte[] bytes(long number) {
            return ByteBuffer.allocate(BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(number)
                    .array();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void nothingIsLostOrAnsweredTwice(long features) throws Exception {
        Semaphore reconnected = new Semaphore(0);
        ConnectionListener listener = new ConnectionListener() {
            @Override
            public void reconnected() {
                reconnected.release();
            }
        };
        try (LocalBackEnd backEnd = new LocalBackEnd(() -> new EchoDevice(2, 5));
                DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(FrontEndOptions.of(EchoDevice.TYPE, "echo", 2, 64, backEnd)
                        .withConfigBytes(EchoDevice.CONFIG_BYTES)
                        .withListener(listener));
                TestDriver driver = TestDriver.start(front, memory, features, ENTRIES)) {
            Load one = new Load(driver, 0), two = new Load(driver, 1);
            for (int i = 0; i < 10 * KILLS; i++) {
                one.run(1 + i % 7);
                two.run(1 + i % 3);
                backEnd.kill();
                if (i % 4 != 0) assertTrue(reconnected.tryAcquire(20, TimeUnit.SECONDS));
                if (i % 5 == 0) {
                    driver.stopQueue(0);
                    driver.startQueue(0);
                }
            }
            for (Load load : List.of(one, two)) {
                load.run(20);
                while (load.answered < load.sent - 5) load.check(driver.await(load.queue.index()));
                while (load.answered < load.sent) {
                    ((EchoDevice) backEnd.device()).finish(load.queue.index());
                    load.check(driver.await(load.queue.index()));
                }
            }
            assertEquals(List.of(), driver.reasons());
            assertTrue(backEnd.count() > 5 * KILLS, "connections: " + backEnd.count());
        }
    }

    /** Processes that are killed with SIGKILL while they work. */
    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void killedProcessesLoseNothing(long features, @TempDir Path directory) throws Exception {
        try (DescriptorListener listener = DescriptorListener.listen(directory.resolve("s"));
                EchoProcess process = new EchoProcess(listener);
                DriverMemory memory = new DriverMemory();
                FrontEnd front = FrontEnd.connect(FrontEndOptions.of(EchoDevice.TYPE, "echo", 1, 64, process)
                        .withConfigBytes(EchoDevice.CONFIG_BYTES));
                TestDriver driver = TestDriver.start(front, memory, features, ENTRIES)) {
            Load load = new Load(driver, 0);
            for (int i = 0; i < Math.max(KILLS - 1, 1); i++) {
                load.run(300);
                process.killSoon();
                load.run(600);
            }
            while (load.answered < load.sent) load.check(driver.await(0));
            assertEquals(List.of(), driver.reasons());
            assertTrue(process.count() > 1);
        }
    }
}
