package org.nestorvm.virtio.blk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

/** A disk of which some requests have to wait: the others of their queue go on. */
@Timeout(60)
class WaitingRequestsTest {
    private static final int IN = 0,
            OUT = 1,
            FLUSH = 4,
            DISCARD = 11,
            WRITE_ZEROES = 13,
            OK = 0,
            IOERR = 1,
            SECTOR = 512;
    private static final int SECTORS = 64, SLOW = 32, THREADS = 3, QUEUE = 64, PATIENCE_S = 30;
    private static final long
            BLK = BlkDevice.F_FLUSH | BlkDevice.F_DISCARD | BlkDevice.F_WRITE_ZEROES | BlkDevice.F_CONFIG_WCE,
            SPLIT = Features.VERSION_1 | Features.EVENT_IDX | BLK,
            PACKED = SPLIT | Features.RING_PACKED;

    /** A request of the guest's. */
    private record Request(byte[] readable, List<Buffer> buffers) {
        int type() {
            return ByteBuffer.wrap(readable).order(ByteOrder.LITTLE_ENDIAN).getInt();
        }
    }

    private final Map<Integer, Request> offered = new HashMap<>(); // by the id of the chain
    private final List<Request> done = new ArrayList<>();
    private DriverMemory memory;
    private MemoryDisk disk;
    private BlkDevice device;
    private TestDriver driver;

    /** Requests to sectors from {@link #SLOW} on may wait. */
    private void plugIn(long features, int threads) throws Exception {
        disk = new MemoryDisk(SECTORS, false);
        disk.quick = offset -> offset < SLOW * SECTOR;
        device = new BlkDevice("disk", disk, "", 1, threads);
        memory = new DriverMemory();
        driver = TestDriver.start(device, memory, features, QUEUE);
    }

    private void plugIn(long features) throws Exception {
        plugIn(features, THREADS);
    }

    @AfterEach
    void pullOut() throws Exception {
        if (device == null) return;
        disk.letGo();
        driver.close();
        device.close();
        memory.close();
        assertThat(threadsOf("disk-io-")).isEmpty();
    }

    private static List<Thread> threadsOf(String name) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith(name))
                .toList();
    }

    private static byte[] header(int type, long sector, byte... data) {
        return ByteBuffer.allocate(16 + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(0)
                .putLong(sector)
                .put(data)
                .array();
    }

    private static byte[] range(int type, long sector, int sectors) {
        return ByteBuffer.allocate(32)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(0)
                .putLong(0)
                .putLong(sector)
                .putInt(sectors)
                .putInt(0)
                .array();
    }

    private static byte[] random(int size, long seed) {
        byte[] bytes = new byte[size];
        new SplittableRandom(seed).nextBytes(bytes);
        return bytes;
    }

    private Request offer(byte[] readable, int writable) {
        int id = driver.queue(0).offer(readable, writable);
        Request request = new Request(readable, List.copyOf(driver.queue(0).lastBuffers()));
        if (offered.put(id, request) != null) throw new AssertionError("id " + id + " twice");
        driver.kick(0);
        return request;
    }

    private Request collect(Used used) {
        Request request = offered.remove(used.id());
        assertTrue(request != null, "used and not offered: " + used);
        assertEquals(request.buffers().getLast().sizeBytes(), used.written());
        done.add(request);
        return request;
    }

    private void collectWhatIsThere() {
        for (Used used; (used = driver.queue(0).take()) != null; ) collect(used);
    }

    private void await(Request request) throws InterruptedException {
        while (!done.contains(request)) collect(driver.await(0));
    }

    private byte[] answer(Request request) {
        Buffer last = request.buffers().getLast();
        return memory.read(last.gpa(), last.sizeBytes());
    }

    private int status(Request request) {
        byte[] answer = answer(request);
        return answer[answer.length - 1];
    }

    private byte[] ask(byte[] readable, int writable) throws InterruptedException {
        Request request = offer(readable, writable);
        await(request);
        return answer(request);
    }

    private void awaitArrivals(int count) throws InterruptedException {
        assertTrue(disk.arrived.tryAcquire(count, PATIENCE_S, TimeUnit.SECONDS), "requests at the disk");
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void readsAndWritesGoOnBesideAFlush(long features) throws Exception {
        plugIn(features);
        disk.hold();
        Request flush = offer(header(FLUSH, 0), 1);
        awaitArrivals(1);
        assertThat(disk.lastThread).startsWith("disk-io-");
        for (int i = 0; i < 200; i++) {
            byte[] data = random(SECTOR, i);
            assertEquals(OK, ask(header(OUT, i % SLOW, data), 1)[0]);
            assertArrayEquals(data, Arrays.copyOf(ask(header(IN, i % SLOW), SECTOR + 1), SECTOR));
        }
        assertThat(disk.lastThread)
                .as("what does not wait stays on the queue's thread")
                .isEqualTo("disk");
        assertThat(done).doesNotContain(flush);
        disk.letGo();
        await(flush);
        assertEquals(OK, status(flush));
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void requestsThatWaitDoSoSideBySideAndEndInAnyOrder(long features) throws Exception {
        plugIn(features);
        System.arraycopy(random(SECTORS * SECTOR, 7), 0, disk.bytes, 0, SECTORS * SECTOR);
        disk.hold();
        Request slow = offer(header(IN, SLOW), SECTOR + 1), zeroes = offer(range(WRITE_ZEROES, SLOW + 1, 1), 1);
        awaitArrivals(2);
        disk.holdNoMore();
        Request late = offer(header(IN, SLOW + 2), SECTOR + 1);
        await(late);
        assertThat(done).containsExactly(late);
        assertArrayEquals(sectors(SLOW + 2, 1), Arrays.copyOf(answer(late), SECTOR));
        assertEquals(2, disk.inside.get());
        disk.letGo();
        await(slow);
        await(zeroes);
        assertEquals(OK, status(zeroes));
        assertArrayEquals(sectors(SLOW, 1), Arrays.copyOf(answer(slow), SECTOR));
        assertThat(sectors(SLOW + 1, 1)).containsOnly(0);
    }

    private byte[] sectors(int first, int count) {
        return Arrays.copyOfRange(disk.bytes, first * SECTOR, (first + count) * SECTOR);
    }

    /** As many as the queue has room for, most of them waiting for a worker; those that do not wait pass them all. */
    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void theWholeQueueCanWait(long features) throws Exception {
        plugIn(features);
        for (int round = 0; round < 3; round++) {
            done.clear();
            disk.hold();
            int count = QUEUE / 2 - 1; // a chain has two buffers
            for (int i = 0; i < count; i++) offer(header(OUT, SLOW + i, random(SECTOR, i)), 1);
            awaitArrivals(THREADS);
            assertEquals(OK, ask(header(IN, 0), SECTOR + 1)[SECTOR]);
            assertEquals(1, done.size());
            disk.letGo();
            while (!offered.isEmpty()) collect(driver.await(0));
            awaitArrivals(count - THREADS);
            assertThat(done).allMatch(request -> status(request) == OK);
            for (int i = 0; i < count; i++) assertArrayEquals(random(SECTOR, i), sectors(SLOW + i, 1));
        }
        assertEquals(THREADS, disk.mostInside.get());
        assertThat(threadsOf("disk-io-")).hasSize(THREADS);
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void aQueueStopsWhenAllHasComeBackAndGoesOnFromThere(long features) throws Exception {
        plugIn(features);
        for (int round = 0; round < 5; round++) {
            disk.hold();
            for (int i = 0; i < 10; i++) offer(header(OUT, SLOW + i, random(SECTOR, round)), 1);
            Request quick = offer(header(IN, 1), SECTOR + 1);
            await(quick);
            awaitArrivals(THREADS);
            CompletableFuture<Integer> insideAfterStop = CompletableFuture.supplyAsync(() -> {
                driver.stopQueue(0);
                return disk.inside.get();
            });
            assertThat(insideAfterStop).isNotDone();
            disk.letGo();
            assertEquals(0, insideAfterStop.get(PATIENCE_S, TimeUnit.SECONDS));
            collectWhatIsThere();
            assertThat(offered).isEmpty();
            awaitArrivals(10 - THREADS);
            driver.startQueue(0);
        }
        assertEquals(OK, ask(header(FLUSH, 0), 1)[0]);
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, PACKED})
    void resetAndUnplugAwaitWhatIsAway(long features) throws Exception {
        plugIn(features);
        for (int i = 0; i < 8; i++) offer(header(IN, SLOW + i), SECTOR + 1);
        driver.close();
        assertEquals(0, disk.inside.get());
        offered.clear();
        driver = TestDriver.start(device, memory, features, QUEUE);
        for (int i = 0; i < 8; i++) offer(header(IN, SLOW + i), SECTOR + 1);
        device.close(); // with its queues running
        assertEquals(0, disk.inside.get());
        assertEquals(1, disk.closed);
    }

    @Test
    void p34_errorOfTheDiskReachesTheGuestFromAWorker() throws Exception {
        plugIn(SPLIT);
        disk.fail = true;
        assertEquals(IOERR, ask(header(FLUSH, 0), 1)[0]);
        assertEquals(IOERR, ask(header(OUT, SLOW, new byte[SECTOR]), 1)[0]);
        assertEquals(IOERR, ask(range(DISCARD, SLOW, 1), 1)[0]);
        Arrays.fill(disk.bytes, (byte) 1);
        byte[] read = ask(header(IN, SLOW), SECTOR + 1);
        assertEquals(IOERR, read[SECTOR]);
        assertThat(Arrays.copyOf(read, SECTOR)).containsOnly(0);
        disk.fail = false;
        assertEquals(OK, ask(header(FLUSH, 0), 1)[0]);
        assertThat(driver.reasons()).isEmpty();
    }

    /** Whatever a worker meets: the guest is told, others under way come back, and the threads live on. */
    @Test
    void whatIsNoErrorOfTheDiskEndsTheDeviceUntilItsReset() throws Exception {
        plugIn(SPLIT);
        List<Supplier<Throwable>> kinds = List.of(
                () -> new IllegalStateException("a mistake"),
                () -> new InternalError("memory that is gone"),
                () -> new OutOfMemoryError("no heap left"),
                StackOverflowError::new);
        for (int round = 0; round < kinds.size(); round++) {
            disk.hold();
            Request other = offer(header(OUT, SLOW + 1, random(SECTOR, round)), 1);
            awaitArrivals(1);
            disk.holdNoMore();
            Supplier<Throwable> kind = kinds.get(round);
            CountDownLatch thrown = new CountDownLatch(1);
            disk.thrown = () -> {
                if (!Thread.currentThread().getName().equals(disk.lastThread)) return null;
                thrown.countDown();
                return kind.get();
            };
            offer(header(FLUSH, 0), 1);
            assertTrue(thrown.await(PATIENCE_S, TimeUnit.SECONDS));
            disk.letGo();
            assertThat(driver.awaitNeedsReset()).contains("internal error");
            disk.thrown = () -> null;
            driver.reset();
            collectWhatIsThere();
            assertThat(done).contains(other);
            offered.clear();
            driver.close();
            driver = TestDriver.start(device, memory, SPLIT, QUEUE);
            assertEquals(OK, ask(header(FLUSH, 0), 1)[0]);
            disk.arrived.drainPermits();
        }
        assertThat(threadsOf("disk-io-")).hasSizeLessThanOrEqualTo(THREADS);
    }

    @Test
    void p34_aViolationBesideRequestsThatAreAway() throws Exception {
        plugIn(SPLIT);
        disk.hold();
        for (int i = 0; i < 6; i++) offer(header(IN, SLOW + i), SECTOR + 1);
        awaitArrivals(THREADS);
        driver.queue(0).offer(header(FLUSH, 0), 0);
        driver.kick(0);
        disk.letGo();
        assertThat(driver.awaitNeedsReset()).contains("status");
        driver.close();
        assertEquals(0, disk.inside.get());
        offered.clear();
        driver = TestDriver.start(device, memory, SPLIT, QUEUE);
        assertEquals(OK, ask(header(IN, SLOW), SECTOR + 1)[SECTOR]);
        assertThat(driver.reasons()).isEmpty();
    }

    @Test
    void withoutWorkersEachIsDoneBeforeTheNext() throws Exception {
        plugIn(SPLIT, 0);
        Request flush = offer(header(FLUSH, 0), 1), read = offer(header(IN, SLOW), SECTOR + 1);
        await(read);
        assertThat(done).containsExactly(flush, read);
        assertEquals("disk", disk.lastThread);
    }

    @Test
    void theDriversOwnThreadFindsDoneWhatItHasOffered() throws Exception {
        plugIn(SPLIT);
        driver.close();
        driver = TestDriver.startWithoutEventfds(device, memory, SPLIT, QUEUE);
        Request flush = offer(header(FLUSH, 0), 1), read = offer(header(IN, SLOW), SECTOR + 1);
        collectWhatIsThere();
        assertThat(done).containsExactly(flush, read);
        assertEquals(Thread.currentThread().getName(), disk.lastThread);
    }

    @Test
    void queuesShareTheWorkers() throws Exception {
        MemoryDisk shared = new MemoryDisk(SECTORS, false);
        BlkDevice wide = new BlkDevice("wide", shared, "", 4, 2);
        try (DriverMemory its = new DriverMemory();
                TestDriver many = TestDriver.start(wide, its, SPLIT | BlkDevice.F_MQ, 16)) {
            for (int round = 0; round < 50; round++) {
                shared.hold();
                for (int i = 0; i < 4; i++)
                    for (int n = 0; n < 5; n++) many.queue(i).offer(header(FLUSH, 0), 1);
                for (int i = 0; i < 4; i++) many.kick(i);
                assertTrue(shared.arrived.tryAcquire(2, PATIENCE_S, TimeUnit.SECONDS));
                shared.letGo();
                for (int i = 0; i < 4; i++)
                    for (int n = 0; n < 5; n++) assertEquals(1, many.await(i).written());
                shared.arrived.acquire(4 * 5 - 2);
            }
        }
        wide.close();
        assertEquals(1000, shared.flushes);
        assertEquals(2, shared.mostInside.get());
    }

    /**
     * Random requests, of which those under way at the same time do not overlap, against an array: reads see what was
     * written, and a flush has made durable what was completed before it was offered. Now and then the queue is stopped
     * and started.
     */
    @Property(tries = 30)
    void whateverWaitsTheDiskReadsAsAModel(@ForAll boolean packed, @ForAll long seed) throws Exception {
        plugIn(packed ? PACKED : SPLIT, 1 + (int) (seed & 3));
        Model model = new Model(new SplittableRandom(seed));
        disk.quick = _ -> model.chance(2);
        disk.thrown = () -> {
            if (model.chance(8)) Thread.yield();
            return null;
        };
        for (int step = 0; step < 300; step++) {
            if (offered.size() < 20) model.offerOne();
            if (model.chance(3) && !offered.isEmpty()) model.check(collect(driver.await(0)));
            if (model.chance(60)) {
                driver.stopQueue(0);
                assertEquals(0, disk.inside.get());
                for (Used used; (used = driver.queue(0).take()) != null; ) model.check(collect(used));
                driver.startQueue(0);
            }
        }
        while (!offered.isEmpty()) model.check(collect(driver.await(0)));
        assertArrayEquals(model.bytes, disk.bytes);
        assertThat(driver.reasons()).isEmpty();
        pullOut();
        device = null;
    }

    /** What the guest knows of its disk. */
    private final class Model {
        final byte[] bytes = new byte[SECTORS * SECTOR];
        private final SplittableRandom random;
        private final BitSet busy = new BitSet(SECTORS);
        private final Map<Request, Integer> first = new HashMap<>(), count = new HashMap<>();
        /** For each flush under way: the sectors that were settled when it was offered, and stayed so. */
        private final Map<Request, BitSet> settled = new HashMap<>();

        Model(SplittableRandom random) {
            this.random = random;
        }

        synchronized boolean chance(int oneOf) {
            return random.nextInt(oneOf) == 0;
        }

        private synchronized int below(int bound) {
            return random.nextInt(bound);
        }

        void offerOne() {
            int sector = below(SECTORS), sectors = 1 + below(Math.min(4, SECTORS - sector));
            if (chance(5)) {
                BitSet idle = new BitSet();
                idle.set(0, SECTORS);
                idle.andNot(busy);
                settled.put(offer(header(FLUSH, 0), 1), idle);
                return;
            }
            if (busy.get(sector, sector + sectors).cardinality() > 0) return;
            busy.set(sector, sector + sectors);
            byte[] data = random(sectors * SECTOR, below(Integer.MAX_VALUE));
            Request request = switch (below(5)) {
                case 0, 1 -> offer(header(IN, sector), sectors * SECTOR + 1);
                case 2, 3 -> offer(header(OUT, sector, data), 1);
                default -> offer(range(WRITE_ZEROES, sector, sectors), 1);
            };
            if (request.type() != IN) for (BitSet idle : settled.values()) idle.clear(sector, sector + sectors);
            first.put(request, sector);
            count.put(request, sectors);
        }

        void check(Request request) {
            assertEquals(OK, status(request));
            int at = first.getOrDefault(request, 0) * SECTOR, size = count.getOrDefault(request, 0) * SECTOR;
            busy.clear(at / SECTOR, (at + size) / SECTOR);
            switch (request.type()) {
                case IN ->
                    assertArrayEquals(Arrays.copyOfRange(bytes, at, at + size), Arrays.copyOf(answer(request), size));
                case OUT -> System.arraycopy(request.readable(), 16, bytes, at, size);
                case WRITE_ZEROES -> Arrays.fill(bytes, at, at + size, (byte) 0);
                default ->
                    settled.remove(request).stream()
                            .forEach(sector -> assertArrayEquals(
                                    Arrays.copyOfRange(bytes, sector * SECTOR, (sector + 1) * SECTOR),
                                    Arrays.copyOfRange(disk.durable, sector * SECTOR, (sector + 1) * SECTOR),
                                    "durable: sector " + sector));
            }
        }
    }
}
