package org.nestorvm.virtio;

import java.io.IOException;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A device of ours: queues served by event loops, in the VM's process or in one of its own. A subclass says what to do
 * with a chain. All of {@link #process}, {@link #queueStarted} and {@link #queueStopped} for the queues of one loop run
 * one at a time; so do handlers that the subclass adds to the loop.
 */
public abstract class RingDevice implements VirtioDevice {
    private static final Logger LOG = LoggerFactory.getLogger(RingDevice.class);
    /** Chains served before other handlers and a stop get their turn. */
    private static final int SHARE = 256;
    /** What a {@link ChainHandler} answers when the chain is given back later. */
    protected static final long PENDING = -1;

    /** Serves one request. */
    @FunctionalInterface
    protected interface ChainHandler {
        /** @return bytes written into the writable buffers, or {@link #PENDING} */
        long serve(Chain chain) throws QueueViolation;
    }

    private final class Ring implements EventLoop.Handler {
        final int index;
        QueueSetup setup;
        Virtqueue queue;
        boolean due;

        Ring(int index) {
            this.index = index;
        }

        /** @param events 0 when the loop calls again */
        @Override
        public void ready(int events) {
            if (events != 0) Events.tryDrain(setup.kick());
            else due = false;
            serve(this);
        }
    }

    private final int type;
    private final String name;
    private final long features;
    private final int[] queueSizes;
    private final ConfigSpace config;
    private final Ring[] rings;
    private final EventLoop[] loops;
    private final AtomicBoolean broken = new AtomicBoolean();
    private volatile DeviceSession session;

    /**
     * @param features the device's own bits; those of queues are added
     * @param loops threads; see {@link #loopOf}
     * @param queueSizes the most entries each queue can have
     */
    protected RingDevice(int type, String name, long features, ConfigSpace config, int loops, int... queueSizes) {
        this.type = type;
        this.name = name;
        this.features = features | Features.QUEUE | Features.RING_RESET;
        this.config = config;
        this.queueSizes = queueSizes.clone();
        this.loops = new EventLoop[loops];
        rings = new Ring[queueSizes.length];
        for (int i = 0; i < rings.length; i++) rings[i] = new Ring(i);
    }

    @Override
    public final int type() {
        return type;
    }

    @Override
    public final String name() {
        return name;
    }

    @Override
    public long features() {
        return features;
    }

    @Override
    public final int queueCount() {
        return rings.length;
    }

    @Override
    public final int maxQueueSize(int queue) {
        return queueSizes[queue];
    }

    @Override
    public final ConfigSpace config() {
        return config;
    }

    /** Which loop serves a queue. */
    protected int loopOf(int queue) {
        return queue % loops.length;
    }

    protected final EventLoop loop(int queue) {
        return loops[loopOf(queue)];
    }

    /** Null while no driver is there. */
    protected final DeviceSession session() {
        return session;
    }

    /** The running queue, for who holds its loop; null while it does not run. */
    protected final Virtqueue queue(int index) {
        return rings[index].queue;
    }

    @Override
    public void activate(DeviceSession newSession) throws IOException {
        for (int i = 0; i < loops.length; i++) {
            if (loops[i] == null) loops[i] = new EventLoop(name + (loops.length == 1 ? "" : "-" + i));
        }
        broken.set(false);
        session = Objects.requireNonNull(newSession);
    }

    @Override
    public void deactivate() {
        session = null;
    }

    @Override
    public final void startQueue(QueueSetup setup) throws IOException {
        Ring ring = rings[setup.index()];
        EventLoop loop = loop(setup.index());
        IOException[] failed = new IOException[1];
        loop.exclusive(() -> {
            try {
                start(ring, setup, loop);
            } catch (IOException e) {
                ring.queue = null;
                failed[0] = e;
            }
        });
        if (failed[0] != null) throw failed[0];
    }

    private void start(Ring ring, QueueSetup setup, EventLoop loop) throws IOException {
        if (ring.queue != null)
            throw new IllegalStateException("queue " + setup.index() + " of " + name + " runs already");
        ring.setup = setup;
        try {
            int limit = queueSizes[setup.index()];
            if (setup.size() > limit)
                throw new QueueViolation(
                        "queue " + setup.index() + ": size " + setup.size() + " is above the limit of " + limit);
            ring.queue = open(setup);
        } catch (QueueViolation e) {
            needsReset(e.getMessage());
            return;
        } catch (InternalError e) {
            needsReset("queue " + setup.index() + " lies in memory that is gone");
            return;
        }
        if (setup.kick() >= 0) loop.add(setup.kick(), Events.EPOLLIN, ring);
        queueStarted(ring.index, ring.queue);
        serve(ring); // the driver may have been first
    }

    /** For who wants to see a queue before it is served. */
    protected Virtqueue open(QueueSetup setup) throws QueueViolation {
        return Virtqueue.open(setup, session.memory(), session.features());
    }

    @Override
    public final void notified(int queue) {
        EventLoop loop = loop(queue);
        if (loop != null) loop.exclusive(() -> serve(rings[queue]));
    }

    private void serve(Ring ring) {
        if (ring.queue == null || broken.get()) return;
        try {
            process(ring.index, ring.queue);
        } catch (QueueViolation e) {
            fail(ring, e.getMessage());
        } catch (RuntimeException | Error e) {
            Optional<String> gone = SharedMemoryGone.line(e);
            if (gone.isEmpty()) LOG.error("{}: queue {} ends", name, ring.index, e);
            fail(ring, gone.orElse("internal error: " + e));
        }
    }

    /**
     * For handlers of other descriptors: does something with a queue, if it runs, under the rules of {@link #process}.
     * The caller is on the queue's loop.
     */
    protected final void serve(int queue) {
        serve(rings[queue]);
    }

    /** The driver has broken the rules: nothing more is done for it until it resets the device. */
    protected final boolean isBroken() {
        return broken.get();
    }

    private void fail(Ring ring, String why) {
        leave(ring);
        needsReset(why);
    }

    /** Once until the next reset, whatever else goes wrong; other queues are not served any more either. */
    private void needsReset(String why) {
        if (broken.compareAndSet(false, true)) session.events().needsReset(name + ": " + why);
    }

    private void leave(Ring ring) {
        if (ring.setup.kick() >= 0) loop(ring.index).remove(ring.setup.kick());
        Virtqueue queue = ring.queue;
        try {
            queueStopped(ring.index, queue);
        } catch (RuntimeException | Error e) {
            if (SharedMemoryGone.line(e).isEmpty())
                LOG.error("{}: queue {} did not stop in order", name, ring.index, e);
        }
        ring.queue = null;
        ring.setup = ring.setup.withPosition(queue.position());
    }

    @Override
    public final int stopQueue(int index) {
        Ring ring = rings[index];
        if (ring.setup == null) return 0;
        beforeStop(index);
        int[] position = new int[1];
        loop(index).exclusive(() -> {
            if (ring.queue != null) leave(ring);
            position[0] = ring.setup.position();
        });
        return position[0];
    }

    /**
     * Serves what is there; called when the driver has notified the queue, or may have. Usually one call of
     * {@link #drain}.
     */
    protected abstract void process(int index, Virtqueue queue) throws QueueViolation;

    /** On the queue's loop, before it is served first. */
    protected void queueStarted(int index, Virtqueue queue) {}

    /** The queue is about to be stopped; not on its loop. For who waits for something while it holds the loop. */
    protected void beforeStop(int index) {}

    /**
     * On the queue's loop: chains that are still pending are pushed, or taken back with {@link Virtqueue#unpoll};
     * afterwards the queue is not touched any more.
     */
    protected void queueStopped(int index, Virtqueue queue) {}

    /**
     * Serves chain after chain until there is none, and interrupts once for all of them. After a share of them, and
     * when somebody waits for the loop, others get their turn. Without an eventfd the driver's own thread is here, and
     * finds done what it has offered, however much: only what others offer meanwhile may be left to the loop.
     */
    protected final void drain(Virtqueue queue, ChainHandler handler) throws QueueViolation {
        EventLoop loop = loop(queue.index());
        boolean own = !hasKick(queue.index());
        int left = own ? Math.max(SHARE, queue.size()) : SHARE;
        do {
            queue.disableNotifications();
            for (Chain chain;
                    left > 0 && (chain = queue.poll()) != null;
                    left = !own && loop.isWanted() ? 0 : left - 1) {
                long written = handler.serve(chain);
                if (written != PENDING) queue.push(chain, written);
            }
            interrupt(queue);
            if (left == 0) {
                again(queue.index());
                return;
            }
        } while (queue.enableNotifications());
    }

    /** Has the queue served again, on the loop's thread, after others had their turn. */
    protected final void again(int index) {
        Ring ring = rings[index];
        if (ring.due) return;
        ring.due = true;
        loop(index).again(ring);
    }

    /** Whether a queue is notified by an eventfd; else the driver's own thread serves it, and waits meanwhile. */
    protected final boolean hasKick(int index) {
        return rings[index].setup.kick() >= 0;
    }

    /** Interrupts if the driver wants to hear of what was pushed. */
    protected final void interrupt(Virtqueue queue) {
        if (queue.needsInterrupt()) session.events().interrupt(queue.index());
    }

    @Override
    public void close() {
        for (Ring ring : rings) if (ring.queue != null) stopQueue(ring.index);
        session = null;
        for (EventLoop loop : loops) if (loop != null) loop.close();
    }
}
