package org.nestorvm.virtio;

import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;

/** The least device there can be: what it reads it writes, as far as there is room. */
public class EchoDevice extends RingDevice {
    public static final int QUEUE_SIZE = 64;

    private final byte[] buffer = new byte[4096];

    public EchoDevice(int loops, int... queueSizes) {
        super(42, "echo", 0, new ConfigSpace(8), loops, queueSizes);
    }

    public EchoDevice() {
        this(1, QUEUE_SIZE);
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        drain(queue, this::echo);
    }

    protected long echo(Chain chain) {
        long total = Math.min(
                Math.min(chain.readable().totalBytes(), chain.writable().totalBytes()), 1 << 16);
        for (long done = 0; done < total; ) {
            int piece = (int) Math.min(buffer.length, total - done);
            chain.readable().copyOut(done, buffer, 0, piece);
            chain.writable().copyIn(done, buffer, 0, piece);
            done += piece;
        }
        return total;
    }
}
