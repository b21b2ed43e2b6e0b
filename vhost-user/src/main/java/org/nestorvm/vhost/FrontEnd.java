package org.nestorvm.vhost;

import java.io.IOException;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.VirtioDevice;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A virtio device in another process: the front end of the vhost-user protocol. The data path is the back end's alone; this process passes on eventfds.
 *
 * <p>What the device should be like is kept here, so that it can be said again: when the back end goes away another one is asked for, and told features, memory, in-flight memory and queues, each where the ring
 * says that it is. The guest sees a pause; what its driver does meanwhile is remembered. Requests that were under way are done by the new back end: exactly once where both track them (INFLIGHT_SHMFD); else, in a
 * split ring, all that is not used is done again, which is the same for back ends that serve in order. A packed ring without tracking cannot be gone on with, and needs a reset.
 *
 * <p>One lock covers the connection and this state. It is not held while a back end is looked for, and a thread of the event loop never takes it: what the loop hears is done by a thread of its own.
 */
public final class FrontEnd implements VirtioDevice {
    private static final Logger LOG = LoggerFactory.getLogger(FrontEnd.class);
    private static final int ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8;
    private static final int CONFIG_CHANGE = 2;
    private static final int NET = 1;
    /** A connection that lasts longer than this is no failure, though the device had nothing to do. */
    private static final long LASTING_NS = 2_000_000_000L;
    private static final int CLOSE_MS = 1000;
    /** Means nothing to a guest, or needs what this front end does not do. Bits 24 and 27 are legacy, 37 to 39 and 41 concern other transports. */
    private static final long NOT_OURS = Features.VHOST_PROTOCOL | ProtocolFeatures.LOG_ALL | ProtocolFeatures.ACCESS_PLATFORM | 1L << 24 | 1L << 27 | 0x7L << 37 | 1L << 41;

    private final FrontEndOptions options;
    private final EventLoop loop;
    private final ReentrantLock lock = new ReentrantLock();
    private final FrontQueue[] queues;
    private final QueueSetup[] setups;                               // of running queues
    private final int[] positions;
    private final int[] ownKicks;                                    // for a transport without eventfds; open until the end
    private final ConfigSpace config;
    private final long features;                                     // that the guest gets; a later back end must have those that it accepted
    private final AtomicBoolean refreshing = new AtomicBoolean();
    private volatile Link link;                                      // null when there is no back end
    private volatile DescriptorChannel beginning;                    // a connection on which nothing is agreed yet
    private volatile boolean closed;
    private volatile Thread connecting;                              // who looks for a back end
    private volatile int failures;
    private long connectedNs;
    private DeviceSession session;
    private Link.Kept inflight;

    /** @throws IOException when there is no back end, or none for this device */
    public static FrontEnd connect(FrontEndOptions options) throws IOException {
        EventLoop loop = new EventLoop(options.name());
        try {
            return new FrontEnd(options, loop);
        } catch (Throwable t) {
            loop.close();
            options.connector().close();
            throw t;
        }
    }

    private FrontEnd(FrontEndOptions options, EventLoop loop) throws IOException {
        this.options = options;
        this.loop = loop;
        int count = options.queues();
        queues = new FrontQueue[count];
        setups = new QueueSetup[count];
        positions = new int[count];
        ownKicks = new int[count];
        Arrays.fill(ownKicks, -1);
        Link first = open();
        beginning = null;
        try {
            features = first.features() & ~NOT_OURS & ~options.withheldFeatures() | options.ownFeatures();
            config = options.config() != null ? options.config() : readConfig(first);
            if (options.config() == null) config.allow(0, config.sizeBytes()).onWrite(this::writeConfig);
            use(first);
        } catch (Throwable t) {
            first.close();
            throw t;
        }
    }

    private ConfigSpace readConfig(Link from) throws IOException {
        int bytes = from.has(ProtocolFeatures.CONFIG) ? options.configBytes() : 0;
        ConfigSpace space = new ConfigSpace(bytes);
        return bytes == 0 ? space : space.set(0, from.getConfig(bytes));
    }

    @Override
    public int type() {
        return options.type();
    }

    @Override
    public String name() {
        return options.name();
    }

    @Override
    public long features() {
        return features;
    }

    @Override
    public int queueCount() {
        return queues.length;
    }

    @Override
    public int maxQueueSize(int queue) {
        return options.queueSize();
    }

    @Override
    public ConfigSpace config() {
        return config;
    }

    // The connection

    private Link open() throws IOException {
        try {
            beginning = options.connector().connect(failures);
            if (closed) beginning.end();
            Link opened = new Link(beginning, options.answerMs());
            try {
                check(opened);
                return opened;
            } catch (Throwable t) {
                opened.close();
                throw t;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while a back end was looked for", e);
        }
    }

    /** A network device counts pairs. */
    private void check(Link opened) throws IOException {
        if ((opened.features() & Features.VERSION_1) == 0) throw new IOException(name() + ": the back end offers no device of virtio 1.0 or later: features 0x" + Long.toHexString(opened.features()));
        int needed = type() == NET ? queues.length / 2 : queues.length;
        if (opened.queueLimit() < needed) throw new IOException(name() + ": the back end has " + opened.queueLimit() + " queues, not " + needed);
    }

    /** Listens to it from now on. */
    private void use(Link opened) throws IOException {
        DescriptorChannel requests = opened.requests();
        loop.add(opened.channel().descriptor(), 0, _ -> hungUp(opened));
        if (requests != null) {
            MessageChannel asked = new MessageChannel(requests);
            loop.add(asked.descriptor(), Events.EPOLLIN, _ -> hear(asked));
        }
        connectedNs = System.nanoTime();
        link = opened;
    }

    /** Nobody listens to it any more. */
    private void drop() {
        Link old = link;
        if (old == null) return;
        link = null;
        loop.remove(old.channel().descriptor());
        if (old.requests() != null) loop.remove(old.requests().descriptor());
        old.close();
    }

    private void hungUp(Link from) {
        loop.remove(from.channel().descriptor());
        work(() -> {
            if (link == from) lose("the back end has closed the connection");
        });
    }

    /** On a thread of its own, under the lock. */
    private void work(Runnable work) {
        Thread.ofPlatform().name(name() + "-link").daemon().start(() -> {
            lock.lock();
            try {
                if (!closed) work.run();
            } finally {
                lock.unlock();
            }
        });
    }

    /** What the back end asks by itself: only whether we have heard that its configuration changed. */
    private void hear(MessageChannel asked) {
        try (Message message = asked.receive(0, Request::limitBytes)) {
            if (message == null) {
                loop.remove(asked.descriptor());
                return;
            }
            boolean known = message.request() == CONFIG_CHANGE && !message.isReply();
            if (message.needsReply()) asked.trySend(message.request(), Message.REPLY, Message.u64(known ? 0 : 1));
            if (known && refreshing.compareAndSet(false, true)) work(this::refreshConfig);
        } catch (IOException e) {
            LOG.warn("{}: the back end is not listened to any more: {}", name(), e.getMessage());
            loop.remove(asked.descriptor());
        }
    }

    private void refreshConfig() {
        refreshing.set(false);
        if (link != null) attempt(this::updateConfig);
    }

    private void updateConfig() throws IOException {
        if (options.config() != null || config.sizeBytes() == 0) return;
        byte[] now = link.getConfig(config.sizeBytes());
        if (Arrays.equals(now, config.get())) return;
        config.set(0, now);
        if (session != null) session.events().configChanged();
    }

    /** The driver has written; if the back end does not take it, the guest reads what is there. */
    private void writeConfig(int offset, int size) {
        lock.lock();
        try {
            if (link == null) return;
            attempt(() -> link.setConfig(offset, Arrays.copyOfRange(config.get(), offset, Math.min(offset + size, config.sizeBytes()))));
            if (refreshing.compareAndSet(false, true)) work(this::refreshConfig);
        } finally {
            lock.unlock();
        }
    }

    /** The connection is of no use any more. */
    private void lose(String why) {
        LOG.info("{}: {}; looking for another one", name(), why);
        failures = hasMoved() || System.nanoTime() - connectedNs > LASTING_NS ? 0 : failures + 1;
        drop();
        options.listener().disconnected(why);
        lookForAnother();
    }

    private boolean hasMoved() {
        for (FrontQueue queue : queues) if (queue != null && queue.hasMoved()) return true;
        return false;
    }

    private void lookForAnother() {
        if (connecting == null && !closed) connecting = Thread.ofPlatform().name(name() + "-connect").daemon().start(this::connectAgain);
    }

    private void connectAgain() {
        try {
            while (!closed && !isTaken(openNext())) failures++;
        } catch (IOException | RuntimeException e) {
            lock.lock();
            try {
                connecting = null;
                if (!closed) giveUp(e.toString());
            } finally {
                lock.unlock();
            }
        }
    }

    /** Null when there was one that does not know the protocol, or has ended at once. @throws IOException when none is to be had */
    private Link openNext() throws IOException {
        try {
            return open();
        } catch (ProtocolException | ErrnoException e) {
            if (beginning == null) throw e;                          // of the connector
            LOG.warn("{}: {}", name(), e.getMessage());
            return null;
        } finally {
            beginning = null;
        }
    }

    /** Tells a new back end everything. @return false when it was not up to it */
    private boolean isTaken(Link next) throws IOException {
        if (next == null) return false;
        lock.lock();
        try {
            if (closed) {
                next.close();
                return true;
            }
            use(next);
            replay();
            connecting = null;
            options.listener().reconnected();
            return true;
        } catch (ProtocolException | ErrnoException e) {
            LOG.warn("{}: {}", name(), e.getMessage());
            drop();
            return false;
        } catch (Throwable t) {
            drop();
            throw t;
        } finally {
            lock.unlock();
        }
    }

    private void giveUp(String why) {
        LOG.error("{}: there is no back end any more: {}", name(), why);
        options.listener().gaveUp(why);
        if (session != null) session.events().needsReset(name() + ": " + why);
    }

    private void replay() throws IOException {
        updateConfig();
        if (session == null) return;
        prepare();
        for (int i = 0; i < queues.length; i++) {
            if (queues[i] == null) continue;
            if (session.has(Features.RING_PACKED) && inflight == null && queues[i].isKnown()) throw new IOException("a packed ring cannot be gone on with where requests under way are not tracked");
            queues[i].start(link, kick(i), queues[i].recoveredBase());
        }
        link.setStatus(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        for (int i = 0; i < queues.length; i++) {
            if (queues[i] == null) continue;
            Events.trySignal(kick(i), 1);
            queues[i].interrupt();
        }
    }

    /** Everything that belongs to all queues. */
    private void prepare() throws IOException {
        long accepted = session.features() & ~options.ownFeatures();
        if ((accepted & ~link.features()) != 0) throw new IOException("the back end no longer offers features that the driver uses: 0x" + Long.toHexString(accepted & ~link.features()));
        link.setStatus(ACKNOWLEDGE | DRIVER);
        link.setFeatures(accepted);
        link.setStatus(ACKNOWLEDGE | DRIVER | FEATURES_OK);
        link.setMemory(session.memory());
        if (!link.has(ProtocolFeatures.INFLIGHT_SHMFD)) return;
        if (inflight == null) inflight = link.getInflight(queues.length, options.queueSize());
        link.setInflight(inflight);
    }

    private int kick(int queue) {
        return setups[queue].kick() >= 0 ? setups[queue].kick() : ownKicks[queue];
    }

    // What the transport asks

    /** With no back end there, another one is looked for; that there is none is a reason for a reset, later. */
    @Override
    public void activate(DeviceSession newSession) throws IOException {
        lock.lock();
        try {
            session = newSession;
            if (link == null) lookForAnother();
            else tell(() -> {
                prepare();
                link.setStatus(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
            });
        } catch (Throwable t) {
            session = null;
            forgetInflight();
            throw t;
        } finally {
            lock.unlock();
        }
    }

    @FunctionalInterface
    private interface Work {
        void run() throws IOException;
    }

    /** Says something to the back end, if there is one; the next one is told everything. @throws IOException when the back end is alive and refuses, or this process fails */
    private void tell(Work work) throws IOException {
        if (link == null) return;
        try {
            work.run();
        } catch (ProtocolException | ErrnoException e) {
            lose(e.getMessage());
        }
    }

    /** {@link #tell} what can be refused without harm. */
    private void attempt(Work work) {
        try {
            tell(work);
        } catch (IOException e) {
            LOG.warn("{}: {}", name(), e.getMessage());
        }
    }

    @Override
    public void startQueue(QueueSetup setup) throws IOException {
        int index = setup.index();
        lock.lock();
        try {
            if (queues[index] != null) throw new IllegalStateException("queue " + index + " of " + name() + " runs already");
            positions[index] = setup.position();
            FrontQueue queue = FrontQueue.open(session, loop, setup);
            if (queue == null) return;
            setups[index] = setup;
            queues[index] = queue;
            if (setup.kick() < 0 && ownKicks[index] < 0) ownKicks[index] = Events.eventfd("kick of queue " + index, 0, Events.EFD_NONBLOCK);
            tell(() -> queue.start(link, kick(index), setup.position()));
            Events.trySignal(kick(index), 1);                        // some back ends do not look before
        } catch (Throwable t) {
            forget(index);
            throw t;
        } finally {
            lock.unlock();
        }
    }

    private void forget(int index) {
        if (queues[index] == null) return;
        queues[index].close();
        queues[index] = null;
        setups[index] = null;
    }

    @Override
    public int stopQueue(int index) {
        lock.lock();
        try {
            if (queues[index] == null) return positions[index];
            positions[index] = positionAfterStop(index);
            forget(index);
            return positions[index];
        } finally {
            lock.unlock();
        }
    }

    /** Requests under way are completed; those of a back end that is gone are left in the in-flight memory, for when the queue goes on. */
    private int positionAfterStop(int index) {
        int[] position = {queues[index].recoveredBase()};
        attempt(() -> position[0] = link.stopQueue(index));
        return position[0];
    }

    @Override
    public void deactivate() {
        lock.lock();
        try {
            session = null;
            forgetInflight();
            attempt(() -> link.reset());
        } finally {
            lock.unlock();
        }
    }

    private void forgetInflight() {
        if (inflight != null) Descriptors.close(inflight.descriptor());
        inflight = null;
    }

    @Override
    public void notified(int queue) {
        if (ownKicks[queue] >= 0) Events.trySignal(ownKicks[queue], 1);
    }

    @Override
    public void close() {
        closed = true;
        endWaiting();
        Thread search;
        lock.lock();
        try {
            for (int i = 0; i < queues.length; i++) forget(i);
            endWaiting();
            search = connecting;
            drop();
            forgetInflight();
            for (int kick : ownKicks) if (kick >= 0) Descriptors.close(kick);
            Arrays.fill(ownKicks, -1);
        } finally {
            lock.unlock();
        }
        awaitEnd(search);
        loop.close();
        options.connector().close();
    }

    /** A connector that does not heed its interruption ends later. */
    private static void awaitEnd(Thread search) {
        if (search == null || search == Thread.currentThread()) return;
        try {
            search.join(CLOSE_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whoever waits for an answer, or for a back end. */
    private void endWaiting() {
        Link current = link;
        if (current != null) current.channel().end();
        DescriptorChannel first = beginning;
        if (first != null) first.end();
        Thread waiting = connecting;
        if (waiting != null) waiting.interrupt();
    }
}
