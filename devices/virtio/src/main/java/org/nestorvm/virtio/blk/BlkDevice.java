package org.nestorvm.virtio.blk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Block device: virtio 1.2, section 5.2. Not offered: geometry, SCSI commands, secure erase, lifetime, zones.
 *
 * <p><b>Threads.</b> A queue's thread does at once what surely does not wait: a read of what is in the host's memory, a
 * write into its cache. What may wait (another read, a flush, a discard, zeroes, a write that must be durable) goes to
 * a few workers that all queues share ({@link BlkWorkers}); meanwhile the queue's thread serves others. A worker that
 * is done gives the request back in that thread's place if nothing else is served just now, and leaves it to the thread
 * if something is ({@link BlkQueue}). So requests end in any order, which is the driver's concern (5.2.6.2): a flush
 * covers the writes that were completed before it was offered, and a worker begins it after that. Before a queue stops,
 * all that is away is awaited and given back.
 *
 * <p>Without workers, and where the driver's own thread serves the queue, each request is done before the next is
 * taken.
 */
public final class BlkDevice extends RingDevice {
    public static final int TYPE = 2;
    public static final long F_SEG_MAX = 1L << 2,
            F_RO = 1L << 5,
            F_BLK_SIZE = 1L << 6,
            F_FLUSH = 1L << 9,
            F_TOPOLOGY = 1L << 10,
            F_CONFIG_WCE = 1L << 11,
            F_MQ = 1L << 12,
            F_DISCARD = 1L << 13,
            F_WRITE_ZEROES = 1L << 14;
    public static final int MAX_QUEUES = 64, MAX_THREADS = 64, DEFAULT_THREADS = 4, SERIAL_BYTES = 20;

    /** Offsets in the configuration space, 5.2.4. */
    static final int CAPACITY = 0,
            SEG_MAX = 12,
            BLK_SIZE = 20,
            PHYSICAL_BLOCK_EXP = 24,
            MIN_IO_SIZE = 26,
            OPT_IO_SIZE = 28,
            WRITEBACK = 32,
            NUM_QUEUES = 34,
            MAX_DISCARD_SECTORS = 36,
            MAX_DISCARD_SEG = 40,
            DISCARD_ALIGNMENT = 44,
            MAX_ZEROES_SECTORS = 48,
            MAX_ZEROES_SEG = 52,
            ZEROES_MAY_UNMAP = 56,
            CONFIG_BYTES = 60;

    static final int SECTOR_BYTES = 512, PAGE_SECTORS = 8, QUEUE_SIZE = 256, MOST_SEGMENTS = QUEUE_SIZE - 2;
    /** Bounds what one request can keep a thread busy with. */
    static final int MAX_RANGES = 16, MAX_RANGE_SECTORS = 1 << 22;
    /** A request of this size takes long enough for the driver to hear of it at once. */
    private static final int LARGE_BYTES = 64 << 10;

    private static final Logger LOG = LoggerFactory.getLogger(BlkDevice.class);

    private final DiskImage image;
    private final byte[] serial;
    private final BlkQueue[] queues;
    private final ChainHandler[] handlers;
    private final BlkWorkers workers;
    private final int threads;
    private final AtomicBoolean failed = new AtomicBoolean();

    /**
     * @param image belongs to the device, which closes it
     * @param serial what the guest reads as the disk's identity: its first {@value #SERIAL_BYTES} bytes
     * @param threads most workers; 0 for none
     */
    public BlkDevice(String name, DiskImage image, String serial, int queues, int threads) {
        super(TYPE, name, features(image, queues), config(image, queues), queues, queueSizes(queues));
        this.image = image;
        this.serial = Arrays.copyOf(serial.getBytes(StandardCharsets.US_ASCII), SERIAL_BYTES);
        this.queues = new BlkQueue[queues];
        handlers = new ChainHandler[queues];
        if (threads < 0 || threads > MAX_THREADS)
            throw new IllegalArgumentException("a block device has up to " + MAX_THREADS + " workers: " + threads);
        this.threads = threads;
        workers = new BlkWorkers(name, threads);
    }

    private static int[] queueSizes(int queues) {
        if (queues < 1 || queues > MAX_QUEUES)
            throw new IllegalArgumentException("a block device has 1 to " + MAX_QUEUES + " queues: " + queues);
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
        config.set(CAPACITY, 8, image.sizeBytes() / SECTOR_BYTES)
                .set(SEG_MAX, 4, MOST_SEGMENTS)
                .set(BLK_SIZE, 4, SECTOR_BYTES);
        config.set(PHYSICAL_BLOCK_EXP, 1, 3)
                .set(MIN_IO_SIZE, 2, PAGE_SECTORS)
                .set(OPT_IO_SIZE, 4, 128 * PAGE_SECTORS); // pages of the host; 512 KiB
        config.set(WRITEBACK, 1, 1).allow(WRITEBACK, 1).set(NUM_QUEUES, 2, queues);
        config.set(MAX_DISCARD_SECTORS, 4, MAX_RANGE_SECTORS)
                .set(MAX_DISCARD_SEG, 4, MAX_RANGES)
                .set(DISCARD_ALIGNMENT, 4, PAGE_SECTORS);
        return config.set(MAX_ZEROES_SECTORS, 4, MAX_RANGE_SECTORS)
                .set(MAX_ZEROES_SEG, 4, MAX_RANGES)
                .set(ZEROES_MAY_UNMAP, 1, 1);
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

    /**
     * A write must be durable before it is completed: the driver has no flush, or has turned the cache off (5.2.6.2).
     */
    boolean writeThrough() {
        return !session().has(F_FLUSH) || session().has(F_CONFIG_WCE) && config().get(WRITEBACK, 1) == 0;
    }

    @Override
    public void activate(DeviceSession session) throws IOException {
        super.activate(session);
        for (int i = 0; i < queues.length; i++) {
            if (queues[i] == null) queues[i] = connect(i);
        }
    }

    private BlkQueue connect(int index) throws IOException {
        BlkQueue requests = new BlkQueue(this, loop(index), () -> giveBackHere(index));
        try {
            loop(index).add(requests.event, Events.EPOLLIN, _ -> {
                Events.tryDrain(requests.event);
                serve(index);
            });
            return requests;
        } catch (IOException | RuntimeException | Error e) {
            requests.close();
            throw e;
        }
    }

    /** On a worker's thread, in the loop's place. What fails is left to the loop. */
    private void giveBackHere(int index) {
        Virtqueue queue = queue(index);
        if (queue == null || isBroken()) return;
        try {
            if (queues[index].giveBack(queue)) interrupt(queue);
        } catch (RuntimeException | Error e) {
            queues[index].failsLater(e);
        }
    }

    @Override
    protected void queueStarted(int index, Virtqueue queue) {
        boolean inLine = threads == 0 || !hasKick(index);
        handlers[index] = chain -> serve(queues[index], queue, chain, inLine);
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        if (queues[index].giveBack(queue)) interrupt(queue);
        drain(queue, handlers[index]);
    }

    private long serve(BlkQueue requests, Virtqueue queue, Chain chain, boolean inLine) throws QueueViolation {
        long bytes = chain.readable().totalBytes() + chain.writable().totalBytes();
        BlkRequest request = requests.next();
        request.begin(chain);
        if (inLine) request.serve();
        else if (!request.serveAtOnce()) {
            requests.leaves();
            if (workers.submit(request)) return PENDING;
            requests.returns(request);
            request.serve();
        }
        if (bytes < LARGE_BYTES) return request.written();
        queue.push(chain, request.written());
        interrupt(queue);
        return PENDING;
    }

    @Override
    protected void queueStopped(int index, Virtqueue queue) {
        queues[index].settle(queue);
        interrupt(queue);
    }

    /** The host could not do what the guest asked for. Told once; the guest hears of it each time. */
    void failed(String what, long offset, long sizeBytes, IOException cause) {
        if (failed.compareAndSet(false, true))
            LOG.error(
                    "{}: {} of {} bytes at {} failed: {}; the guest is told, and further failures are not logged",
                    name(),
                    what,
                    sizeBytes,
                    offset,
                    cause.getMessage());
        else LOG.debug("{}: {} of {} bytes at {} failed: {}", name(), what, sizeBytes, offset, cause.getMessage());
    }

    @Override
    public void close() {
        super.close();
        workers.close();
        for (int i = 0; i < queues.length; i++) {
            if (queues[i] != null) queues[i].close();
            queues[i] = null;
        }
        try {
            image.close();
        } catch (IOException e) {
            LOG.error("{}: the image was not closed in order: {}", name(), e.getMessage());
        }
    }
}
