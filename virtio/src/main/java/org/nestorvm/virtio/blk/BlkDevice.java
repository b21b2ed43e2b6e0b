package org.nestorvm.virtio.blk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Block device: virtio 1.2, section 5.2. One thread a queue; a request is done when its thread has done it. Not offered: geometry, SCSI commands, secure erase, lifetime, zones.
 */
public final class BlkDevice extends RingDevice {
    public static final int TYPE = 2;
    public static final long F_SEG_MAX = 1L << 2, F_RO = 1L << 5, F_BLK_SIZE = 1L << 6, F_FLUSH = 1L << 9, F_TOPOLOGY = 1L << 10, F_CONFIG_WCE = 1L << 11, F_MQ = 1L << 12, F_DISCARD = 1L << 13,
            F_WRITE_ZEROES = 1L << 14;
    public static final int MAX_QUEUES = 64, SERIAL_BYTES = 20;

    /** Offsets in the configuration space, 5.2.4. */
    static final int CAPACITY = 0, SEG_MAX = 12, BLK_SIZE = 20, PHYSICAL_BLOCK_EXP = 24, MIN_IO_SIZE = 26, OPT_IO_SIZE = 28, WRITEBACK = 32, NUM_QUEUES = 34, MAX_DISCARD_SECTORS = 36, MAX_DISCARD_SEG = 40,
            DISCARD_ALIGNMENT = 44, MAX_ZEROES_SECTORS = 48, MAX_ZEROES_SEG = 52, ZEROES_MAY_UNMAP = 56, CONFIG_BYTES = 60;
    static final int SECTOR_BYTES = 512, PAGE_SECTORS = 8, QUEUE_SIZE = 256, MOST_SEGMENTS = QUEUE_SIZE - 2;
    /** Bounds what one request can keep a thread busy with. */
    static final int MAX_RANGES = 16, MAX_RANGE_SECTORS = 1 << 22;
    /** A request of this size takes long enough for the driver to hear of it at once. */
    private static final int LARGE_BYTES = 64 << 10;
    private static final Logger LOG = LoggerFactory.getLogger(BlkDevice.class);

    private final DiskImage image;
    private final byte[] serial;
    private final BlkRequest[] requests;
    private final AtomicBoolean failed = new AtomicBoolean();

    /**
     * @param image belongs to the device, which closes it
     * @param serial what the guest reads as the disk's identity: its first {@value #SERIAL_BYTES} bytes
     */
    public BlkDevice(String name, DiskImage image, String serial, int queues) {
        super(TYPE, name, features(image, queues), config(image, queues), queues, queueSizes(queues));
        this.image = image;
        this.serial = Arrays.copyOf(serial.getBytes(StandardCharsets.US_ASCII), SERIAL_BYTES);
        requests = new BlkRequest[queues];
        for (int i = 0; i < queues; i++) requests[i] = new BlkRequest(this);
    }

    private static int[] queueSizes(int queues) {
        if (queues < 1 || queues > MAX_QUEUES) throw new IllegalArgumentException("a block device has 1 to " + MAX_QUEUES + " queues: " + queues);
        int[] sizes = new int[queues];
        Arrays.fill(sizes, QUEUE_SIZE);
        return sizes;
    }

    private static long features(DiskImage image, int queues) {
        long features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_CONFIG_WCE | (queues > 1 ? F_MQ : 0);
        return features | (image.readOnly() ? F_RO : F_DISCARD | F_WRITE_ZEROES);
    }

    private static ConfigSpace config(DiskImage image, int queues) {
        ConfigSpace config = new ConfigSpace(CONFIG_BYTES);
        config.set(CAPACITY, 8, image.sizeBytes() / SECTOR_BYTES).set(SEG_MAX, 4, MOST_SEGMENTS).set(BLK_SIZE, 4, SECTOR_BYTES);
        config.set(PHYSICAL_BLOCK_EXP, 1, 3).set(MIN_IO_SIZE, 2, PAGE_SECTORS).set(OPT_IO_SIZE, 4, 128 * PAGE_SECTORS);       // pages of the host; 512 KiB
        config.set(WRITEBACK, 1, 1).allow(WRITEBACK, 1).set(NUM_QUEUES, 2, queues);
        config.set(MAX_DISCARD_SECTORS, 4, MAX_RANGE_SECTORS).set(MAX_DISCARD_SEG, 4, MAX_RANGES).set(DISCARD_ALIGNMENT, 4, PAGE_SECTORS);
        return config.set(MAX_ZEROES_SECTORS, 4, MAX_RANGE_SECTORS).set(MAX_ZEROES_SEG, 4, MAX_RANGES).set(ZEROES_MAY_UNMAP, 1, 1);
    }

    DiskImage image() {
        return image;
    }

    byte[] serial() {
        return serial;
    }

    boolean negotiated(long feature) {
        return session().has(feature);
    }

    /** A write must be durable before it is completed: the driver has no flush, or has turned the cache off (5.2.6.2). */
    boolean writeThrough() {
        return !session().has(F_FLUSH) || session().has(F_CONFIG_WCE) && config().get(WRITEBACK, 1) == 0;
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        BlkRequest request = requests[index];
        drain(queue, chain -> serve(request, queue, chain));
    }

    private long serve(BlkRequest request, Virtqueue queue, Chain chain) throws QueueViolation {
        long bytes = chain.readable().totalBytes() + chain.writable().totalBytes();
        long written = request.serve(chain);
        if (bytes < LARGE_BYTES) return written;
        queue.push(chain, written);
        interrupt(queue);
        return PENDING;
    }

    /** The host could not do what the guest asked for. Told once; the guest hears of it each time. */
    void failed(String what, long offset, long sizeBytes, IOException cause) {
        if (failed.compareAndSet(false, true)) LOG.error("{}: {} of {} bytes at {} failed: {}; the guest is told, and further failures are not logged", name(), what, sizeBytes, offset, cause.getMessage());
        else LOG.debug("{}: {} of {} bytes at {} failed: {}", name(), what, sizeBytes, offset, cause.getMessage());
    }

    @Override
    public void close() {
        super.close();
        try {
            image.close();
        } catch (IOException e) {
            LOG.error("{}: the image was not closed in order: {}", name(), e.getMessage());
        }
    }
}
