package org.nestorvm.virtio.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.SplitDriver;
import org.nestorvm.virtio.testkit.Used;

/** What a driver that keeps the rules sees: both kinds of rings, the driver and the device in one thread. */
class QueueTest {
    private static final int F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4;

    private static Virtqueue open(DriverQueue driver, DriverMemory memory, Ring ring) throws QueueViolation {
        return Virtqueue.open(driver.setup(-1), memory.memory(), ring.features);
    }

    /** Eight bytes to read, eight to write. */
    private static List<Buffer> request(DriverMemory memory) {
        return List.of(new Buffer(memory.allocate(8, 8), 8, false), new Buffer(memory.allocate(8, 8), 8, true));
    }

    private static void put(DriverMemory memory, Buffer buffer, long value) {
        HostMemory.putLong(memory.host(buffer.gpa(), 8), value);
    }

    private static long get(DriverMemory memory, Buffer buffer) {
        return HostMemory.getLong(memory.host(buffer.gpa(), 8));
    }

    private static void answer(Virtqueue queue, Chain chain) {
        long asked = HostMemory.getLong(chain.readable().base(0));
        HostMemory.putLong(chain.writable().base(0), asked + 1);
        queue.push(chain, 8);
    }

    @ParameterizedTest
    @EnumSource
    void servesPastAllWraps(Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            List<List<Buffer>> requests = new ArrayList<>();
            for (int i = 0; i < 3; i++) requests.add(request(memory));
            long sent = 0;
            while (sent < 70_000) {
                int batch = 1 + (int) (sent % 3);
                for (int i = 0; i < batch; i++) {
                    put(memory, requests.get(i).getFirst(), sent + i);
                    driver.offer(requests.get(i));
                }
                for (Chain chain; (chain = queue.poll()) != null; ) answer(queue, chain);
                for (int i = 0; i < batch; i++, sent++) {
                    assertEquals(8, driver.take().written());
                    assertEquals(sent + 1, get(memory, requests.get(i).getLast()));
                }
                assertNull(driver.take());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void chainsComeBackInTheOrderTheDeviceEndsThem(Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            for (int round = 0; round < 50; round++) {
                List<Integer> ids = new ArrayList<>();
                List<Chain> chains = new ArrayList<>();
                for (int i = 0; i < 3; i++) ids.add(driver.offer(request(memory)));
                for (Chain chain; (chain = queue.poll()) != null; ) chains.add(chain);
                assertEquals(3, queue.inFlight());
                for (int i : new int[] {2, 0, 1}) queue.push(chains.get(i), i);
                for (int i : new int[] {2, 0, 1}) assertEquals(new Used(ids.get(i), i), driver.take());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void anIndirectTableMayBeLongerThanTheQueue(Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            for (int round = 0; round < 20; round++) {
                List<Buffer> buffers = new ArrayList<>();
                for (int i = 0; i < 50; i++) buffers.add(new Buffer(memory.allocate(8, 8), 8, i >= 20));
                int id = driver.offerIndirect(buffers);
                Chain chain = queue.poll();
                assertEquals(20 * 8, chain.readable().totalBytes());
                assertEquals(30 * 8, chain.writable().totalBytes());
                for (int i = 0; i < 50; i++) {
                    long expected = memory.host(buffers.get(i).gpa(), 8);
                    assertEquals(
                            expected,
                            i < 20 ? chain.readable().base(i) : chain.writable().base(i - 20));
                }
                queue.push(chain, 240);
                assertEquals(new Used(id, 240), driver.take());
            }
        }
    }

    @Test
    void aSplitChainMayEndInAnIndirectTable() throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            SplitDriver driver = (SplitDriver) DriverQueue.create(memory, 0, 8, Ring.SPLIT.features);
            Virtqueue queue = open(driver, memory, Ring.SPLIT);
            long table = memory.allocate(32, 16);
            putDescriptor(memory, table, memory.allocate(4, 4), 4, F_NEXT, 1);
            putDescriptor(memory, table + 16, memory.allocate(7, 4), 7, F_WRITE, 0);
            driver.descriptor(0, memory.allocate(3, 4), 3, F_NEXT, 5);
            driver.descriptor(5, table, 32, F_INDIRECT | F_WRITE, 0); // WRITE counts for nothing beside INDIRECT
            driver.publish(0);
            Chain chain = queue.poll();
            assertEquals(7, chain.readable().totalBytes());
            assertEquals(7, chain.writable().totalBytes());
            assertEquals(0, chain.id());
        }
    }

    /** The entries of a packed table have no flag but WRITE. */
    @Test
    void otherFlagsInAPackedTableAreIgnored() throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, 7, Ring.PACKED.features);
            Virtqueue queue = open(driver, memory, Ring.PACKED);
            long buffer = memory.allocate(64, 16);
            driver.offerIndirect(List.of(new Buffer(buffer, 16, false), new Buffer(buffer + 16, 16, false)));
            long entry = memory.host(driver.descriptors(), 16);
            long table = HostMemory.getLong(entry);
            for (int i = 0; i < 2; i++) HostMemory.putShort(memory.host(table + 16 * i + 14, 2), (short) ~F_WRITE);
            assertEquals(32, queue.poll().readable().totalBytes());
        }
    }

    private static void putDescriptor(DriverMemory memory, long at, long gpa, int length, int flags, int next) {
        long entry = memory.host(at, 16);
        HostMemory.putLong(entry, gpa);
        HostMemory.putInt(entry + 8, length);
        HostMemory.putShort(entry + 12, (short) flags);
        HostMemory.putShort(entry + 14, (short) next);
    }

    @ParameterizedTest
    @EnumSource
    void p34_anEmptyBufferIsNoBuffer(Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            long at = memory.allocate(8, 8);
            int id = driver.offer(
                    List.of(new Buffer(1L << 60, 0, false), new Buffer(at, 8, false), new Buffer(at, 0, true)));
            Chain chain = queue.poll();
            assertEquals(1, chain.readable().count());
            assertEquals(0, chain.writable().count());
            queue.push(chain, 0);
            assertEquals(new Used(id, 0), driver.take());
        }
    }

    @ParameterizedTest
    @EnumSource
    void aChainTakenBackComesAgain(Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            for (int round = 0; round < 30; round++) {
                int first = driver.offer(request(memory));
                int second = driver.offer(request(memory));
                Chain one = queue.poll();
                int before = queue.position();
                Chain two = queue.poll();
                queue.unpoll(two);
                assertEquals(before, queue.position());
                assertEquals(1, queue.inFlight());
                two = queue.poll();
                assertEquals(second, two.id());
                queue.push(two, 1);
                queue.push(one, 2);
                assertEquals(new Used(second, 1), driver.take());
                assertEquals(new Used(first, 2), driver.take());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void anotherDeviceGoesOnWhereOneStopped(Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            int position = driver.setup(-1).position();
            for (int round = 0; round < 100; round++) {
                Virtqueue queue =
                        Virtqueue.open(driver.setup(-1).withPosition(position), memory.memory(), ring.features);
                assertNull(queue.poll());
                int id = driver.offer(request(memory));
                answer(queue, queue.poll());
                assertEquals(new Used(id, 8), driver.take());
                driver.offer(request(memory));
                queue.unpoll(queue.poll());
                position = queue.position();
                queue = Virtqueue.open(driver.setup(-1).withPosition(position), memory.memory(), ring.features);
                answer(queue, queue.poll());
                assertNotNull(driver.take());
                position = queue.position();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void p33_aBufferMayCrossFromOneRegionIntoTheNext(Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory(null, 0, 1 << 20, 1 << 20, 1 << 20, 4 << 20, 1 << 20)) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            driver.offer(List.of(new Buffer((1 << 20) - 3, 10, false)));
            Chain chain = queue.poll();
            assertEquals(2, chain.readable().count());
            assertEquals(memory.host((1 << 20) - 3, 3), chain.readable().base(0));
            assertEquals(3, chain.readable().length(0));
            assertEquals(memory.host(1 << 20, 7), chain.readable().base(1));
            assertEquals(7, chain.readable().length(1));
            queue.push(chain, 0);
            driver.offer(List.of(new Buffer((2 << 20) - 3, 10, true))); // a hole follows the second region
            assertThatThrownBy(queue::poll).isInstanceOf(QueueViolation.class).hasMessageContaining("is not memory");
        }
    }

    @ParameterizedTest
    @EnumSource
    void fourGibibytesAreAChainAndOneByteMoreIsNot(Ring ring) throws Exception {
        int gibibyte = 1 << 30;
        try (DriverMemory memory = new DriverMemory(null, 0, 2L * gibibyte)) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            List<Buffer> buffers = new ArrayList<>();
            for (int i = 0; i < 4; i++) buffers.add(new Buffer(gibibyte, gibibyte, true));
            driver.offer(buffers);
            Chain chain = queue.poll();
            assertEquals(4L * gibibyte, chain.writable().totalBytes());
            queue.push(chain, 0);
            driver.take();
            buffers.addFirst(new Buffer(0, 1, false));
            driver.offer(buffers);
            assertThatThrownBy(queue::poll).isInstanceOf(QueueViolation.class).hasMessageContaining("2^32");
        }
    }

    /** Whoever logs dirty pages hears of rings and buffers, and of nothing that was only read. */
    @ParameterizedTest
    @EnumSource
    void whatIsWrittenIsTold(Ring ring) throws Exception {
        List<long[]> told = new ArrayList<>();
        DeviceMemory.WriteListener listener = (gpa, sizeBytes) -> told.add(new long[] {gpa, sizeBytes});
        try (DriverMemory memory = new DriverMemory(listener, 0, 1 << 20)) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            List<Buffer> buffers = request(memory);
            driver.offer(buffers);
            answer(queue, queue.poll());
            queue.disableNotifications();
            assertFalse(queue.enableNotifications());
            assertThat(told).anyMatch(piece -> piece[0] == buffers.getLast().gpa() && piece[1] == 8);
            assertThat(told)
                    .noneMatch(piece -> piece[0] <= buffers.getFirst().gpa()
                            && buffers.getFirst().gpa() < piece[0] + piece[1]);
            long used = ring.isPacked() ? driver.descriptors() : driver.deviceArea() + 4;
            for (long at : new long[] {
                used,
                used + 7,
                driver.deviceArea() + 2,
                ring == Ring.SPLIT_EVENT ? driver.deviceArea() + 4 + 8L * ring.size : driver.deviceArea()
            }) {
                assertThat(told).as("0x%x", at).anyMatch(piece -> piece[0] <= at && at < piece[0] + piece[1]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void p34_nothingIsCountedAsWrittenThatWasNot(Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            for (long written : new long[] {0, 1, 8, 3}) {
                int id = driver.offer(request(memory));
                queue.push(queue.poll(), written);
                assertEquals(new Used(id, written), driver.take());
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aChainIsGivenBackOnce(Ring ring) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, ring.size, ring.features);
            Virtqueue queue = open(driver, memory, ring);
            driver.offer(request(memory));
            Chain chain = queue.poll();
            queue.push(chain, 0);
            assertThatThrownBy(() -> queue.push(chain, 0))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("twice");
        }
    }

    @Test
    void aNewPackedQueueBeginsWithBothWrapCountersSet() {
        assertEquals(QueueSetup.PACKED_START, QueueSetup.start(Ring.PACKED.features));
        assertEquals(0, QueueSetup.start(Ring.SPLIT.features));
    }
}
