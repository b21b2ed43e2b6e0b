package org.nestorvm.vhost;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.Used;

/**
 * A device that dies at any moment, and its successor, which has the ring and the in-flight region and nothing else.
 */
class InflightTest {
    private static final int SIZE = 8;
    private static final long SPLIT = Features.VERSION_1, PACKED = Features.VERSION_1 | Features.RING_PACKED;

    /** One queue, its driver, and the devices that come after each other. */
    private static final class Scene implements AutoCloseable {
        final DriverMemory memory = new DriverMemory();
        final long features;
        final boolean packed;
        final DriverQueue driver;
        final long regionBytes = Virtqueue.inflightBytes(SIZE);
        final long region = memory.host(memory.allocate(regionBytes, 64), regionBytes);
        final QueueSetup setup;
        final Deque<Long> order = new ArrayDeque<>(); // what is offered, not yet taken by any device
        final Map<Integer, Long> offered = new HashMap<>(); // by the id of the chain: the number in its first buffer
        final List<Long> used = new ArrayList<>();
        Virtqueue queue;
        long next;

        Scene(long features) throws IOException, QueueViolation {
            this.features = features;
            packed = (features & Features.RING_PACKED) != 0;
            driver = DriverQueue.create(memory, 0, SIZE, features);
            QueueSetup plain = driver.setup(-1);
            setup = new QueueSetup(
                    0, SIZE, plain.descriptors(), plain.driver(), plain.device(), plain.position(), region, -1);
            begin();
        }

        /** A process starts; it is told the position of the very beginning. */
        void begin() throws QueueViolation {
            queue = Virtqueue.open(setup, memory.memory(), features);
        }

        void offer(int buffers) {
            long number = next++;
            List<Buffer> chain = new ArrayList<>();
            for (int i = 0; i < buffers; i++) chain.add(new Buffer(memory.allocate(8, 8), 8, i > 0));
            HostMemory.putLong(memory.host(chain.getFirst().gpa(), 8), number);
            offered.put(driver.offer(chain), number);
        }

        void collect() {
            for (Used one; (one = driver.take()) != null; ) used.add(offered.remove(one.id()));
        }

        byte[] save(long hostAddress, long bytes) {
            byte[] saved = new byte[(int) bytes];
            HostMemory.copyOut(hostAddress, saved, 0, saved.length);
            return saved;
        }

        void restore(long hostAddress, byte[] saved) {
            HostMemory.copyIn(saved, 0, hostAddress, saved.length);
        }

        long ring() {
            return packed ? memory.host(setup.descriptors(), 16L * SIZE) : memory.host(setup.device(), 6 + 8L * SIZE);
        }

        long ringBytes() {
            return packed ? 16L * SIZE : 6 + 8L * SIZE;
        }

        /** Gives back, and dies after the driver can see it, before it is written down. */
        void pushAndDie(Chain chain, boolean visible) throws QueueViolation {
            byte[] before = save(region, regionBytes), ringBefore = save(ring(), ringBytes());
            queue.push(chain, 0);
            byte[] after = save(region, regionBytes);
            if (packed) keepPacked(before, after);
            else keepSplit(before, after);
            restore(region, after);
            if (!visible) restore(ring(), ringBefore);
            begin();
        }

        private void keepSplit(byte[] before, byte[] after) {
            after[14] = before[14]; // used_idx
            after[15] = before[15];
            keepInflight(before, after, 16, 16);
        }

        private void keepPacked(byte[] before, byte[] after) {
            for (int at : new int[] {14, 15, 18, 19, 21})
                after[at] = before[at]; // old_free_head, old_used_idx, old_used_wrap_counter
            keepInflight(before, after, 32, 32);
        }

        private void keepInflight(byte[] before, byte[] after, int header, int entry) {
            for (int i = 0; i < SIZE; i++) after[header + i * entry] = before[header + i * entry];
        }

        @Override
        public void close() throws IOException {
            memory.close();
        }
    }

    private static long number(Chain chain) {
        byte[] bytes = new byte[8];
        chain.readable().copyOut(0, bytes, 0, 8);
        return java.nio.ByteBuffer.wrap(bytes)
                .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                .getLong();
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void requestsUnderWayComeFirstInTheOrderInWhichTheyWereTaken(long features) throws Exception {
        try (Scene scene = new Scene(features)) {
            for (int i = 0; i < 3; i++) scene.offer(2);
            Chain zero = scene.queue.poll(), one = scene.queue.poll();
            scene.queue.push(one, 0);
            assertEquals(2, number(scene.queue.poll()));
            assertEquals(0, number(zero));
            scene.begin();
            scene.offer(1);
            assertEquals(0, number(scene.queue.poll()));
            assertEquals(2, number(scene.queue.poll()));
            assertEquals(3, number(scene.queue.poll()));
            assertNull(scene.queue.poll());
        }
    }

    @Property(tries = 100)
    void nothingIsLostOrDoneTwice(@ForAll boolean packed, @ForAll long seed) throws Exception {
        Random random = new Random(seed);
        try (Scene scene = new Scene(packed ? PACKED : SPLIT)) {
            List<Chain> held = new ArrayList<>(); // in the order in which they were taken
            int fixed = 0; // of these cannot go back into the ring: one that was taken after them is used
            for (int step = 0; step < 400; step++) {
                switch (random.nextInt(8)) {
                    case 0, 1 -> {
                        if (scene.offered.size() < 2) scene.offer(1 + random.nextInt(3));
                        else scene.collect();
                    }
                    case 2, 3, 4 -> {
                        Chain chain = scene.queue.poll();
                        if (chain != null) held.add(chain);
                    }
                    case 5 -> {
                        if (held.isEmpty()) break;
                        int which = random.nextInt(held.size());
                        fixed = Math.max(which, fixed > which ? fixed - 1 : fixed);
                        scene.queue.push(held.remove(which), 0);
                    }
                    case 6 -> {
                        if (held.isEmpty()) scene.begin();
                        else scene.pushAndDie(held.remove(random.nextInt(held.size())), random.nextBoolean());
                        held.clear();
                        fixed = 0;
                    }
                    default -> {
                        for (int i = held.size() - 1; i >= fixed && random.nextInt(3) > 0; i--)
                            scene.queue.unpoll(held.remove(i));
                    }
                }
                if (random.nextInt(4) == 0) scene.collect();
            }
            finish(scene, held);
        }
    }

    private static void finish(Scene scene, List<Chain> held) throws QueueViolation {
        for (Chain chain : held) scene.queue.push(chain, 0);
        for (Chain chain; (chain = scene.queue.poll()) != null; ) scene.queue.push(chain, 0);
        scene.collect();
        assertEquals(0, scene.offered.size());
        assertEquals(scene.next, scene.used.size());
        assertEquals(scene.next, scene.used.stream().distinct().count());
        assertEquals(0, scene.queue.inFlight());
    }

    /** The region is in the other process's hand. */
    @Property(tries = 100)
    void p34_garbageInTheRegionIsAViolationOrRequestsThatAreChecked(@ForAll boolean packed, @ForAll long seed)
            throws Exception {
        Random random = new Random(seed);
        try (Scene scene = new Scene(packed ? PACKED : SPLIT)) {
            for (int i = 0; i < 3; i++) scene.offer(2);
            for (int i = 0; i < 3; i++) scene.queue.poll();
            byte[] garbage = scene.save(scene.region, scene.regionBytes);
            for (int i = 0; i < 1 + random.nextInt(20); i++)
                garbage[random.nextInt(garbage.length)] = (byte) random.nextInt(random.nextBoolean() ? 256 : SIZE + 2);
            scene.restore(scene.region, garbage);
            try {
                scene.begin();
                for (Chain chain; (chain = scene.queue.poll()) != null; ) scene.queue.push(chain, 0);
            } catch (QueueViolation expected) {
                assertEquals(true, expected.getMessage().length() > 10);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, SIZE + 1, 0xffff})
    void aRequestOfImpossibleLengthIsAViolation(int count) throws Exception {
        try (Scene scene = new Scene(PACKED)) {
            scene.offer(2);
            scene.queue.poll();
            HostMemory.putShort(scene.region + 32 + 6, (short) count);
            assertThrows(QueueViolation.class, scene::begin);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void theRingGoesRoundManyTimes(long features) throws Exception {
        try (Scene scene = new Scene(features)) {
            long gpa = scene.memory.allocate(8, 8);
            for (int i = 0; i < 70_000; i++) {
                int id = scene.driver.offer(List.of(new Buffer(gpa, 8, false)));
                scene.queue.poll();
                if (i % 7 == 0) {
                    scene.begin();
                    scene.queue.push(scene.queue.poll(), 0);
                } else {
                    Chain chain = pending(scene, id);
                    scene.queue.push(chain, 0);
                }
                assertEquals(id, scene.driver.take().id());
            }
        }
    }

    /** The chain just taken, as a device that held it would have it: its successor takes it again. */
    private static Chain pending(Scene scene, int id) throws QueueViolation {
        scene.begin();
        Chain chain = scene.queue.poll();
        assertEquals(id, chain.id());
        return chain;
    }
}
