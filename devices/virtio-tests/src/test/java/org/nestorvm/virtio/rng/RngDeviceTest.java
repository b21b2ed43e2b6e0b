package org.nestorvm.virtio.rng;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

class RngDeviceTest {
    private byte next;

    /** Counts, so that a byte left out is seen. */
    private void count(byte[] bytes, int length) {
        for (int i = 0; i < length; i++) bytes[i] = next++;
    }

    @ParameterizedTest
    @ValueSource(
            longs = {
                Features.VERSION_1,
                Features.VERSION_1 | Features.EVENT_IDX,
                Features.VERSION_1 | Features.RING_PACKED,
                Features.VERSION_1 | Features.RING_PACKED | Features.EVENT_IDX
            })
    void p35_largeAndChainedRequestsAreServedAllAtOnce(long features) throws Exception {
        try (DriverMemory memory = new DriverMemory();
                RngDevice rng = new RngDevice("rng", this::count);
                TestDriver driver = TestDriver.start(rng, memory, features, 64)) {
            List<Buffer> chain = new ArrayList<>();
            for (int size : new int[] {1, 70_000, 4096, 3}) chain.add(new Buffer(memory.allocate(size, 1), size, true));
            int id = driver.queue(0).offer(chain);
            int second = driver.queue(0).offer(List.of(new Buffer(memory.allocate(5, 1), 5, true)));
            driver.kick(0);
            assertEquals(new Used(id, 74_100), driver.await(0));
            assertEquals(new Used(second, 5), driver.await(0));
            byte expected = 0;
            for (Buffer buffer : chain) {
                for (byte b : memory.read(buffer.gpa(), buffer.sizeBytes())) assertEquals(expected++, b);
            }
        }
    }
}
