package org.nestorvm.vhost;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;

/**
 * Answers with what it is sent, each byte plus one. Some requests wait for a while and are given back in another order;
 * they are forgotten when the queue stops, as if the process had died. One byte of the configuration can be written.
 */
final class EchoDevice extends RingDevice {
    static final int TYPE = 42, CONFIG_BYTES = 8, QUEUE_SIZE = 64;

    private final int held;
    private final List<List<Chain>> waiting = new ArrayList<>();
    private final Random random = new Random(1);

    /** @param held requests that wait until others come, or {@link #finish} */
    EchoDevice(int queues, int held) {
        super(
                TYPE,
                "echo",
                0,
                new ConfigSpace(CONFIG_BYTES).set(0, 4, 0x12345678).allow(4, 1),
                1,
                sizes(queues));
        this.held = held;
        for (int i = 0; i < queues; i++) waiting.add(new ArrayList<>());
    }

    private static int[] sizes(int queues) {
        int[] sizes = new int[queues];
        java.util.Arrays.fill(sizes, QUEUE_SIZE);
        return sizes;
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        List<Chain> chains = waiting.get(index);
        drain(queue, chain -> {
            chains.add(chain);
            return PENDING;
        });
        complete(queue, chains, held);
    }

    private void complete(Virtqueue queue, List<Chain> chains, int left) {
        while (chains.size() > left) {
            Chain chain = chains.remove(random.nextInt(chains.size()));
            queue.push(chain, echo(chain));
        }
        interrupt(queue);
    }

    private static long echo(Chain chain) {
        int size =
                (int) Math.min(chain.readable().totalBytes(), chain.writable().totalBytes());
        byte[] bytes = new byte[size];
        chain.readable().copyOut(0, bytes, 0, size);
        for (int i = 0; i < size; i++) bytes[i]++;
        chain.writable().copyIn(0, bytes, 0, size);
        return size;
    }

    /** Gives back what waits. */
    void finish(int index) {
        EventLoop loop = loop(index);
        if (loop == null) return;
        loop.exclusive(() -> {
            Virtqueue queue = queue(index);
            if (queue != null) complete(queue, waiting.get(index), 0);
        });
    }

    @Override
    protected void queueStopped(int index, Virtqueue queue) {
        waiting.get(index).clear();
    }

    void changeConfig(long value) {
        config().set(0, 4, value);
        session().events().configChanged();
    }
}
