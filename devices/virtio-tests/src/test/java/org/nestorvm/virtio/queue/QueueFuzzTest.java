package org.nestorvm.virtio.queue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.testkit.DriverMemory;

/**
 * The fuzzer's bytes as a ring: descriptors, what is available, the driver's wishes, and an indirect table. A device
 * takes what there is, touches every buffer at both ends and gives it back. What it finds wrong is a
 * {@link QueueViolation} and nothing else; an access outside memory would meet a guard page.
 */
class QueueFuzzTest {
    private static final int SIZE = 16, SEEDS = 150, MOST_CHAINS = 64, F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4;
    private static final int DESCRIPTORS = 0x100,
            DRIVER = 0x200,
            DEVICE = 0x240,
            TABLE = 0x300,
            RING_BYTES = 0x400 - DESCRIPTORS,
            HEADER_BYTES = 5;
    private static final int REGION = 1 << 16, HIGH = 1 << 20;
    private static final Ring[] RINGS = Ring.values();
    private static DriverMemory memory;

    @MethodSource("seeds")
    @FuzzTest
    void ring(byte[] data) throws IOException {
        if (data.length <= HEADER_BYTES) return;
        if (memory == null) memory = DriverMemory.guarded(0, REGION, REGION, REGION, HIGH, REGION);
        HostMemory.fill(memory.host(0, REGION), REGION, (byte) 0);
        HostMemory.copyIn(
                data,
                HEADER_BYTES,
                memory.host(DESCRIPTORS, RING_BYTES),
                Math.min(data.length - HEADER_BYTES, RING_BYTES));
        Ring ring = RINGS[(data[0] & 0xff) % RINGS.length];
        int position = ByteBuffer.wrap(data, 1, Integer.BYTES).getInt();
        try {
            Virtqueue queue = Virtqueue.open(
                    new QueueSetup(0, SIZE, DESCRIPTORS, DRIVER, DEVICE, position, -1), memory.memory(), ring.features);
            serve(queue);
        } catch (QueueViolation expected) {
            // The guest's doing.
        }
    }

    private static void serve(Virtqueue queue) throws QueueViolation {
        queue.disableNotifications();
        Chain held = null; // one stays behind, so that requests end out of order
        for (int i = 0; i < MOST_CHAINS; i++) {
            Chain chain = queue.poll();
            if (chain == null) break;
            if (i == 1) {
                queue.unpoll(chain);
                continue;
            }
            touch(chain.readable());
            touch(chain.writable());
            if (held == null) held = chain;
            else queue.push(chain, chain.writable().totalBytes());
        }
        if (held != null) queue.push(held, 1);
        queue.needsInterrupt();
        queue.enableNotifications();
        if (queue.inFlight() != 0) throw new AssertionError(queue.inFlight() + " requests are under way");
    }

    private static void touch(IoVector vector) {
        byte[] end = new byte[1];
        for (int i = 0; i < vector.count(); i++) {
            HostMemory.getByte(vector.base(i));
            HostMemory.getByte(vector.base(i) + vector.length(i) - 1);
        }
        if (!vector.isEmpty()) vector.copyOut(vector.totalBytes() - 1, end, 0, 1);
    }

    /** Rings that a driver could have written, with now and then a wild field; and noise. */
    static Stream<byte[]> seeds() {
        return IntStream.range(0, SEEDS).mapToObj(n -> {
            SplittableRandom random = new SplittableRandom(n);
            byte[] data = new byte[HEADER_BYTES + RING_BYTES];
            if (n % 10 == 9) random.nextBytes(data);
            else orderly(ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN), random, n);
            data[0] = (byte) n;
            return data;
        });
    }

    private static void orderly(ByteBuffer data, SplittableRandom random, int n) {
        boolean packed = RINGS[n % RINGS.length].isPacked();
        if (packed) data.put(1, (byte) 0x80).put(3, (byte) 0x80);
        for (int i = 0; i < 2 * SIZE; i++) {
            boolean inTable = i >= SIZE, indirect = !inTable && random.nextInt(4) == 0, wild = random.nextInt(16) == 0;
            int at = HEADER_BYTES + (inTable ? TABLE - DESCRIPTORS : 0) + 16 * (i % SIZE);
            int flags = indirect ? F_INDIRECT : random.nextInt(3) == 0 ? F_NEXT : i % SIZE > SIZE / 2 ? F_WRITE : 0;
            data.putLong(at, indirect ? TABLE : wild ? random.nextLong() : random.nextInt(2 * REGION - 64));
            data.putInt(
                    at + 8, indirect ? 16 * (1 + random.nextInt(SIZE)) : wild ? random.nextInt() : random.nextInt(64));
            if (packed) data.putShort(at + 12, (short) (i % SIZE)).putShort(at + 14, (short) (flags | 1 << 7));
            else
                data.putShort(at + 12, (short) flags)
                        .putShort(at + 14, (short) (wild ? random.nextInt() : (i + 1) % SIZE));
        }
        if (packed) return;
        int avail = HEADER_BYTES + DRIVER - DESCRIPTORS;
        data.putShort(avail + 2, (short) random.nextInt(SIZE + 1));
        for (int i = 0; i < SIZE; i++) data.putShort(avail + 4 + 2 * i, (short) i);
    }

    @AfterAll
    static void close() throws IOException {
        if (memory != null) memory.close();
        memory = null;
    }
}
