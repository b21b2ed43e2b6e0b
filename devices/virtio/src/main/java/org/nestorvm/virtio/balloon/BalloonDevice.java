package org.nestorvm.virtio.balloon;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Traditional memory balloon: virtio 1.2, section 5.5. The host asks for memory by {@link #setTarget}; pages that the
 * guest puts into the balloon, or reports as free, go to a {@link PageRelease}. A page in the balloon that the guest
 * uses again is a page like any other that was never touched: it reads zero and is there.
 *
 * <p>Not offered: MUST_TELL_HOST, since nothing has to be undone at a deflation; FREE_PAGE_HINT, which is for
 * migration; PAGE_POISON, without which a guest that fills free pages with a pattern does not report them. Queue 3
 * would be that of hints. Linux before 6.11 numbers only the queues that exist and has its reports there, so both 3 and
 * 4 take reports.
 */
public final class BalloonDevice extends RingDevice {
    public static final int TYPE = 5, PAGE_BYTES = 4096;
    public static final int INFLATE = 0, DEFLATE = 1, STATS = 2, REPORTING_AS_NUMBERED_BY_LINUX = 3, REPORTING = 4;
    public static final long F_STATS_VQ = 1 << 1, F_DEFLATE_ON_OOM = 1 << 2, F_PAGE_REPORTING = 1 << 5;
    static final int NUM_PAGES = 0, ACTUAL = 4, CONFIG_BYTES = 8;
    /** What the 32 bits of num_pages can ask for. */
    static final long MOST_BYTES = 0xffffffffL * PAGE_BYTES;

    private static final Logger LOG = LoggerFactory.getLogger(BalloonDevice.class);
    private static final int QUEUE_SIZE = 128;
    /** Of one request: 64 MiB of pages. Linux sends 256 numbers, the BSDs and Windows a page full of them. */
    private static final int MOST_REQUEST_BYTES = 64 << 10;

    private final PageRelease machine; // null where there is none
    private PageRelease pages;
    private final long statisticsPeriodNs;
    private final ByteBuffer numbers = ByteBuffer.allocate(MOST_REQUEST_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final List<CompletableFuture<BalloonStatistics>> asked = new ArrayList<>();
    private int timer = -1;
    private Chain statisticsBuffer; // the device's to give back when it wants news
    private volatile BalloonStatistics statistics;
    private volatile long releasedBytes;
    private volatile Runnable actualListener = () -> {};
    private boolean refusalTold;

    /** In a process without a machine: pages go back through the files behind the driver's memory. */
    public BalloonDevice(String name, BalloonOptions options) {
        this(name, options, null);
    }

    /** @param machine takes the pages, and knows what else to do when they go */
    public BalloonDevice(String name, BalloonOptions options, PageRelease machine) {
        super(
                TYPE,
                name,
                features(options),
                new ConfigSpace(CONFIG_BYTES).allow(ACTUAL, Integer.BYTES),
                1,
                QUEUE_SIZE,
                QUEUE_SIZE,
                QUEUE_SIZE,
                QUEUE_SIZE,
                QUEUE_SIZE);
        this.machine = machine;
        statisticsPeriodNs = TimeUnit.SECONDS.toNanos(options.statisticsSeconds());
        config().set(NUM_PAGES, Integer.BYTES, options.targetBytes() / PAGE_BYTES);
        config().onWrite((offset, size) -> actualListener.run());
    }

    private static long features(BalloonOptions options) {
        return F_STATS_VQ
                | (options.deflateOnOom() ? F_DEFLATE_ON_OOM : 0)
                | (options.reporting() ? F_PAGE_REPORTING : 0);
    }

    /**
     * Asks the guest to have this much in the balloon. What comes of it is {@link #actualBytes}. Any thread, at any
     * time. @throws IllegalArgumentException unless it is whole pages and below 16 TiB
     */
    public void setTarget(long targetBytes) {
        if (targetBytes < 0 || targetBytes > MOST_BYTES || targetBytes % PAGE_BYTES != 0)
            throw new IllegalArgumentException("target of a balloon must be whole pages below 16 TiB: " + targetBytes);
        config().set(NUM_PAGES, Integer.BYTES, targetBytes / PAGE_BYTES);
        DeviceSession now = session();
        if (now != null) now.events().configChanged();
    }

    public long targetBytes() {
        return config().get(NUM_PAGES, Integer.BYTES) * PAGE_BYTES;
    }

    /** What the guest says is in the balloon. */
    public long actualBytes() {
        return config().get(ACTUAL, Integer.BYTES) * PAGE_BYTES;
    }

    /** Called when the guest has written what is in the balloon, on its own thread. */
    public void onActual(Runnable listener) {
        actualListener = listener;
    }

    /** All that has gone back to the host so far; a page that went twice counts twice. */
    public long releasedBytes() {
        return releasedBytes;
    }

    /** What the guest said last; null when it has said nothing. */
    public BalloonStatistics statistics() {
        return statistics;
    }

    /**
     * Asks the guest. A guest that never answers leaves the future open; one that goes, or has no statistics, makes it
     * fail.
     */
    public CompletableFuture<BalloonStatistics> requestStatistics() {
        CompletableFuture<BalloonStatistics> answer = new CompletableFuture<>();
        if (loop(STATS) == null) {
            answer.completeExceptionally(noStatistics());
            return answer;
        }
        loop(STATS).exclusive(() -> {
            asked.add(answer);
            if (queue(STATS) == null || isBroken()) nobodyAnswers();
            else askGuest();
        });
        return answer;
    }

    private IOException noStatistics() {
        return new IOException(name() + ": the guest has no driver that tells statistics, or it has gone");
    }

    private void nobodyAnswers() {
        for (CompletableFuture<BalloonStatistics> waiting : asked) waiting.completeExceptionally(noStatistics());
        asked.clear();
    }

    /** Gives the guest its buffer, which comes back with news. Without it the guest has been asked already. */
    private void askGuest() {
        if (statisticsBuffer == null) return;
        queue(STATS).push(statisticsBuffer, 0);
        statisticsBuffer = null;
        interrupt(queue(STATS));
    }

    @Override
    public void activate(DeviceSession newSession) throws IOException {
        super.activate(newSession);
        pages = machine != null ? machine : new FilePages(newSession.memory());
        config().set(ACTUAL, Integer.BYTES, 0);
        if (statisticsPeriodNs == 0 || timer >= 0) return;
        timer = Events.timerfd(name());
        loop(STATS).add(timer, Events.EPOLLIN, _ -> poll());
    }

    private void poll() {
        Events.tryDrain(timer);
        if (queue(STATS) == null || isBroken()) return;
        askGuest();
        Events.trySetTimer(timer, statisticsPeriodNs);
    }

    @Override
    protected void queueStarted(int index, Virtqueue queue) {
        if (index == STATS && timer >= 0) Events.trySetTimer(timer, statisticsPeriodNs);
    }

    @Override
    protected void queueStopped(int index, Virtqueue queue) {
        if (index != STATS) return;
        if (statisticsBuffer != null)
            queue.unpoll(statisticsBuffer); // it is the last that was taken, and comes again where the queue goes on
        statisticsBuffer = null;
        nobodyAnswers();
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        switch (index) {
            case INFLATE -> drain(queue, this::inflate);
            case DEFLATE -> drain(queue, _ -> 0);
            case STATS -> drain(queue, chain -> hear(queue, chain));
            default -> drain(queue, this::report);
        }
    }

    /** An array of page numbers of 32 bits. Pages in a row go at once. */
    private long inflate(Chain chain) throws QueueViolation {
        long bytes = chain.readable().totalBytes();
        if (bytes > MOST_REQUEST_BYTES)
            throw new QueueViolation("inflate request of " + bytes + " bytes: at most " + MOST_REQUEST_BYTES);
        int count = (int) bytes / Integer.BYTES;
        chain.readable().copyOut(0, numbers.array(), 0, count * Integer.BYTES);
        long from = 0, size = 0;
        for (int i = 0; i < count; i++) {
            long page = (numbers.getInt(i * Integer.BYTES) & 0xffffffffL) * PAGE_BYTES;
            if (page == from + size && isMemory(from, size + PAGE_BYTES)) {
                size += PAGE_BYTES;
            } else if (page == from - PAGE_BYTES && isMemory(page, size + PAGE_BYTES)) {
                from = page;
                size += PAGE_BYTES;
            } else {
                release(from, size);
                from = page;
                size = isMemory(page, PAGE_BYTES) ? PAGE_BYTES : 0; // a page that there is not is nobody's loss
            }
        }
        release(from, size);
        return 0;
    }

    private boolean isMemory(long gpa, long sizeBytes) {
        return session().memory().translate(gpa, sizeBytes) != 0;
    }

    /** Buffers that are free pages themselves. What is not whole pages stays. */
    private long report(Chain chain) {
        DeviceMemory memory = session().memory();
        IoVector free = chain.writable();
        for (int i = 0; i < free.count(); i++) {
            long gpa = memory.gpa(free.base(i));
            long from = gpa + PAGE_BYTES - 1 & -PAGE_BYTES, end = gpa + free.length(i) & -PAGE_BYTES;
            if (from < end) release(from, end - from);
        }
        return 0;
    }

    private void release(long gpa, long sizeBytes) {
        if (sizeBytes == 0) return;
        try {
            pages.release(gpa, sizeBytes);
            releasedBytes = releasedBytes + sizeBytes;
        } catch (IOException e) {
            if (!refusalTold) LOG.warn("{}: memory does not go back to the host: {}", name(), e.getMessage());
            refusalTold = true;
        }
    }

    /** The buffer stays with the device. A guest that offers a second one, which it must not, has the first back. */
    private long hear(Virtqueue queue, Chain chain) {
        if (statisticsBuffer != null) queue.push(statisticsBuffer, 0);
        statisticsBuffer = chain;
        statistics = BalloonStatistics.parse(chain.readable());
        for (CompletableFuture<BalloonStatistics> waiting : asked) waiting.complete(statistics);
        asked.clear();
        return PENDING;
    }

    @Override
    public void close() {
        super.close();
        if (timer >= 0) Descriptors.close(timer);
        timer = -1;
    }
}
