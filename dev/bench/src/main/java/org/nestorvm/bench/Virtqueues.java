package org.nestorvm.bench;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a device pays for one request besides its own work: poll, look at the buffers, push; in rounds of 64, as a busy
 * queue is served, with the questions about notifications once a round. Memory is four regions, as a machine's is. The
 * driver's part is kept to the least: it offers the same chains again with one store (split), or by copying the ring
 * (packed). {@link #leastAccesses} is the floor: the same loads and stores of guest memory, with nothing checked and
 * nothing kept. Nothing is allocated ({@code -prof gc}).
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(2)
@Warmup(iterations = 4, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 6, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class Virtqueues {
    private static final int CHAINS = 64, BUFFER_BYTES = 512;
    private static final long MIB = 1 << 20;

    @Param({"split", "packed"})
    public String ring;

    @Param({"one", "three", "indirect"})
    public String chains;

    private DriverMemory memory;
    private Virtqueue queue;
    private boolean packed;
    private int buffers, size, rounds;
    private long descriptors, avail, used, templates;

    @Setup
    public void offer() throws IOException, QueueViolation {
        packed = ring.equals("packed");
        buffers = chains.equals("one") ? 1 : 3;
        boolean indirect = chains.equals("indirect");
        size = indirect ? CHAINS : packed ? CHAINS * buffers : CHAINS * 4;
        long features =
                Features.VERSION_1 | Features.EVENT_IDX | Features.INDIRECT_DESC | (packed ? Features.RING_PACKED : 0);
        memory = new DriverMemory(null, 0, MIB, MIB, MIB, 16 * MIB, MIB, 64 * MIB, 16 * MIB);
        DriverQueue driver = DriverQueue.create(memory, 0, size, features);
        queue = Virtqueue.open(driver.setup(-1), memory.memory(), features);
        descriptors = memory.host(driver.descriptors(), 16L * size);
        avail = memory.host(driver.driverArea(), 4);
        used = memory.host(driver.deviceArea(), 4);
        for (int i = 0; i < CHAINS; i++) {
            List<Buffer> chain = new ArrayList<>();
            for (int j = 0; j < buffers; j++)
                chain.add(new Buffer(64 * MIB + (long) (buffers * i + j) * BUFFER_BYTES, BUFFER_BYTES, j > 0));
            if (indirect) driver.offerIndirect(chain);
            else driver.offer(chain);
        }
        if (packed) saveRing();
        else
            for (int i = CHAINS; i < size; i++)
                HostMemory.putShort(avail + 4 + 2L * i, HostMemory.getShort(avail + 4 + 2L * (i % CHAINS)));
    }

    /** The ring as the driver leaves it in the first round, and in the second with both flags turned over. */
    private void saveRing() {
        long bytes = 16L * size;
        templates = memory.host(memory.allocate(2 * bytes, 16), 2 * bytes);
        for (int i = 0; i < 2; i++) HostMemory.copy(descriptors, templates + i * bytes, bytes);
        for (int i = 0; i < size; i++) {
            long flags = templates + bytes + 16L * i + 14;
            HostMemory.putShort(flags, (short) (HostMemory.getShort(flags) ^ (1 << 7 | 1 << 15)));
        }
    }

    @TearDown
    public void close() throws IOException {
        memory.close();
    }

    private void offerAgain() {
        if (packed) HostMemory.copy(templates + 16L * size * (rounds & 1), descriptors, 16L * size);
        else HostMemory.putShort(avail + 2, (short) (CHAINS * (rounds + 1)));
        rounds++;
    }

    @Benchmark
    @OperationsPerInvocation(CHAINS)
    public long pollAndPush() throws QueueViolation {
        offerAgain();
        long sum = 0;
        queue.disableNotifications();
        for (Chain chain; (chain = queue.poll()) != null; ) {
            sum += chain.readable().base(0);
            long written = chain.writable().totalBytes();
            queue.push(chain, written);
        }
        if (queue.needsInterrupt()) sum++;
        if (queue.enableNotifications()) throw new IllegalStateException("more than was offered");
        return sum;
    }

    @Benchmark
    @OperationsPerInvocation(CHAINS)
    public long leastAccesses() {
        offerAgain();
        long sum = 0;
        for (int i = 0; i < CHAINS; i++) {
            int head = packed ? buffers * i % size : HostMemory.getShort(avail + 4 + 2L * i);
            long entry = descriptors + 16L * head;
            sum += HostMemory.getLong(entry) + HostMemory.getInt(entry + 8) + HostMemory.getInt(entry + 12);
            for (int j = 1; j < buffers; j++)
                sum += HostMemory.getLong(entry + 16L * j)
                        + HostMemory.getInt(entry + 16L * j + 8)
                        + HostMemory.getInt(entry + 16L * j + 12);
            long element = packed ? entry : used + 4 + 8L * i;
            HostMemory.putInt(element, head);
            HostMemory.putInt(element + 4, (int) sum);
        }
        return sum;
    }
}
