package org.nestorvm.virtio.rng;

import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;

/**
 * Entropy device: virtio 1.2, section 5.4. Fills whatever buffers it is given, however long, from a source that never
 * runs dry.
 */
public final class RngDevice extends RingDevice {
    public static final int TYPE = 4;
    private static final int QUEUE_SIZE = 64;

    /** Where random bytes come from. */
    @FunctionalInterface
    public interface Source {
        /** Fills the array's first bytes, or all of it. */
        void fill(byte[] bytes, int length);
    }

    private final Source source;
    private final byte[] buffer = new byte[4096];

    public RngDevice(String name, Source source) {
        super(TYPE, name, 0, new ConfigSpace(0), 1, QUEUE_SIZE);
        this.source = source;
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        drain(queue, this::fill);
    }

    private long fill(Chain chain) {
        IoVector to = chain.writable();
        long total = Math.min(to.totalBytes(), MOST_BYTES);
        for (long done = 0; done < total; ) {
            int piece = (int) Math.min(buffer.length, total - done);
            source.fill(buffer, piece);
            to.copyIn(done, buffer, 0, piece);
            done += piece;
        }
        return total;
    }

    /**
     * Of one request. The device may fill a buffer in part (5.4.6.2); a guest cannot keep the loop for longer than this
     * takes.
     */
    private static final long MOST_BYTES = 1 << 20;
}
