package org.nestorvm.virtio.queue;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;

/**
 * Another processor of the guest changes a ring, and another process the in-flight memory, while a device reads them:
 * what was checked is what is used, since each field is read once.
 */
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DoubleFetchTest {
    private static final int SIZE = 256, SHORT = 512, LONG = 4096;
    private static final int ROUNDS = 20_000;

    @FunctionalInterface
    private interface Body {
        void run() throws Exception;
    }

    /** Runs the body while another thread does something again and again. */
    private static void during(Runnable change, Body body) throws Exception {
        Thread other = Thread.ofPlatform().daemon().unstarted(() -> {
            while (!Thread.currentThread().isInterrupted()) change.run();
        });
        other.start();
        try {
            body.run();
        } finally {
            other.interrupt();
            other.join();
        }
    }

    /** The next process would serve other buffers than this one if the ring were read a second time for the record. */
    @Test
    void whatIsRecordedAsUnderWayIsWhatIsServed() throws Exception {
        try (DriverMemory memory = new DriverMemory();
                Arena arena = Arena.ofShared()) {
            long region = arena.allocate(Virtqueue.inflightBytes(SIZE), 64).address();
            DriverQueue driver = DriverQueue.create(memory, 0, SIZE, Ring.PACKED.features);
            QueueSetup setup = driver.setup(-1);
            setup = new QueueSetup(
                    0, SIZE, setup.descriptors(), setup.driver(), setup.device(), setup.position(), region, -1);
            Virtqueue queue = Virtqueue.open(setup, memory.memory(), Ring.PACKED.features);
            Buffer buffer = new Buffer(memory.allocate(LONG, 4096), LONG, true);
            long length = memory.host(driver.descriptors() + 8, 4);
            driver.offer(List.of(buffer));
            boolean[] isShort = new boolean[1];
            during(() -> HostMemory.putInt(length, (isShort[0] = !isShort[0]) ? SHORT : LONG), () -> {
                for (int i = 0; i < ROUNDS; i++) {
                    Chain chain = queue.poll();
                    long entry = region + PackedInflight.HEADER_BYTES + (long) PackedInflight.ENTRY_BYTES * chain.entry;
                    assertThat(HostMemory.getInt(entry + PackedInflight.LEN))
                            .isEqualTo((int) chain.writable().totalBytes());
                    queue.unpoll(chain);
                }
            });
        }
    }

    /** A chain is as long as it was when its end was found; what its flags become then has no effect. */
    @Test
    void flagsThatChangeLaterHaveNoEffect() throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, SIZE, Ring.PACKED.features);
            Virtqueue queue = Virtqueue.open(driver.setup(-1), memory.memory(), Ring.PACKED.features);
            Buffer buffer = new Buffer(memory.allocate(LONG, 4096), LONG, true);
            long flags = memory.host(driver.descriptors() + 14, 2);
            driver.offer(List.of(buffer, buffer));
            short listed = HostMemory.getShort(flags), indirect = (short) (listed & ~3 | Virtqueue.F_INDIRECT);
            HostMemory.fill(memory.host(buffer.gpa(), LONG), LONG, (byte) 0); // a table of nothing
            boolean[] isListed = {true};
            during(() -> HostMemory.putShort(flags, (isListed[0] = !isListed[0]) ? listed : indirect), () -> {
                for (int i = 0; i < ROUNDS; i++) {
                    Chain chain = queue.poll(); // a mixture would be refused
                    assertThat(chain.writable().totalBytes()).isIn(0L, 2L * LONG);
                    queue.unpoll(chain);
                }
            });
        }
    }

    /** Requests under way are sorted by an age that stands in memory of another process. */
    @Test
    void agesThatChangeWhileTheyAreSorted() throws Exception {
        try (DriverMemory memory = new DriverMemory();
                Arena arena = Arena.ofShared()) {
            long region = arena.allocate(Virtqueue.inflightBytes(SIZE), 64).address();
            DriverQueue driver = DriverQueue.create(memory, 0, SIZE, Ring.SPLIT.features);
            QueueSetup set = driver.setup(-1);
            QueueSetup setup = new QueueSetup(0, SIZE, set.descriptors(), set.driver(), set.device(), 0, region, -1);
            Virtqueue.open(setup, memory.memory(), Ring.SPLIT.features);
            long entries = region + SplitInflight.HEADER_BYTES;
            for (int i = 0; i < SIZE; i++) {
                HostMemory.putByte(entries + (long) SplitInflight.ENTRY_BYTES * i + InflightLog.INFLIGHT, (byte) 1);
            }
            long[] seed = {1};
            during(
                    () -> {
                        for (int i = 0; i < SIZE; i++) {
                            seed[0] = seed[0] * 6364136223846793005L + 1442695040888963407L;
                            HostMemory.putLong(
                                    entries + (long) SplitInflight.ENTRY_BYTES * i + InflightLog.COUNTER, seed[0]);
                        }
                    },
                    () -> {
                        for (int i = 0; i < ROUNDS / 20; i++)
                            Virtqueue.open(setup, memory.memory(), Ring.SPLIT.features);
                    });
        }
    }
}
