package org.nestorvm.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.Used;

/** Chains that belong together come back together. */
class SeveralAtOnceTest {
    @ParameterizedTest
    @ValueSource(longs = {Features.VERSION_1, Features.VERSION_1 | Features.RING_PACKED})
    void theDriverSeesAllOrNone(long features) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, 8, features);
            Virtqueue device = Virtqueue.open(driver.setup(-1), memory.memory(), features);
            Chain[] taken = new Chain[3];
            int[] ids = new int[3];
            for (int round = 0; round < 20_000; round++) {
                for (int i = 0; i < 3; i++) ids[i] = driver.offer(List.of(new Buffer(4096, 10, true)));
                for (int i = 0; i < 3; i++) taken[i] = device.poll();
                device.push(taken, new long[] {10, 10, 10}, 0);
                assertNull(driver.take());
                device.push(taken, new long[] {10, 0, 4}, 3);
                assertEquals(new Used(ids[0], 10), driver.take());
                assertEquals(new Used(ids[1], 0), driver.take());
                assertEquals(new Used(ids[2], 4), driver.take());
                assertNull(driver.take());
            }
        }
    }

    /** The first one, without which the driver looks no further, becomes visible last. */
    @ParameterizedTest
    @ValueSource(longs = {Features.VERSION_1, Features.VERSION_1 | Features.RING_PACKED})
    void nothingIsSeenBeforeTheLastIsWritten(long features) throws Exception {
        try (DriverMemory memory = new DriverMemory()) {
            DriverQueue driver = DriverQueue.create(memory, 0, 8, features);
            Virtqueue device = Virtqueue.open(driver.setup(-1), memory.memory(), features);
            driver.offer(List.of(new Buffer(4096, 10, true)));
            driver.offer(List.of(new Buffer(4096, 10, true)));
            device.give(device.poll(), 1);
            device.give(device.poll(), 2);
            assertNull(driver.take());
            device.publish();
            assertEquals(1, driver.take().written());
            assertEquals(2, driver.take().written());
        }
    }
}
