package org.nestorvm.vhost;

import java.io.IOException;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.VirtioDevice;

/**
 * A virtio device in another process: the front end of the vhost-user protocol. The data path is the back end's alone;
 * this process passes on eventfds.
 *
 * <p>What the device should be like is kept here, so that it can be said again: when the back end goes away another one
 * is asked for, and told features, memory, in-flight memory and queues, each where the ring says that it is. The guest
 * sees a pause; what its driver does meanwhile is remembered. Requests that were under way are done by the new back
 * end: exactly once where both track them (INFLIGHT_SHMFD); else, in a split ring, all that is not used is done again,
 * which is the same for back ends that serve in order. A packed ring without tracking cannot be gone on with, and needs
 * a reset.
 *
 * <p>One lock covers the connection and this state; it is not held while a back end is looked for.
 */
public final class FrontEnd implements VirtioDevice {
    private static final int ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8;
    /**
     * Means nothing to a guest, or needs what this front end does not do. Bits 24 and 27 are legacy, 37 to 39 and 41
     * concern other transports.
     */
    private static final long NOT_OURS = Features.VHOST_PROTOCOL
            | ProtocolFeatures.LOG_ALL
            | ProtocolFeatures.ACCESS_PLATFORM
            | 1L << 24
            | 1L << 27
            | 0x7L << 37
            | 1L << 41;

    private final FrontEndOptions options;
    private final EventLoop loop;
    private final ReentrantLock lock = new ReentrantLock();
    private final LinkKeeper keeper;
    private final FrontQueue[] queues;
    private final QueueSetup[] setups; // of running queues
    private final int[] positions;
    private final int[] ownKicks; // for a transport without eventfds; open until the end
    private final ConfigSpace config;
    private final long features; // that the guest gets; a later back end must have those that it accepted
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
        keeper = new LinkKeeper(options, loop, lock, new Kept());
        lock.lock(); // what comes back soon meets a front end that is complete
        try {
            Link first = keeper.first();
            int count = options.queues() == FrontEndOptions.ALL_QUEUES ? keeper.queues() : options.queues();
            queues = new FrontQueue[count];
            setups = new QueueSetup[count];
            positions = new int[count];
            ownKicks = new int[count];
            Arrays.fill(ownKicks, -1);
            features = first.features() & ~NOT_OURS & ~options.withheldFeatures() | options.ownFeatures();
            config = options.config() != null ? options.config() : readConfig(first);
            if (options.config() == null) config.allow(0, config.sizeBytes()).onWrite(this::writeConfig);
        } catch (Throwable t) {
            keeper.close();
            throw t;
        } finally {
            lock.unlock();
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

    /** What is told to every back end, and what the guest hears of them. */
    private final class Kept implements LinkKeeper.Owner {
        @Override
        public boolean hasMoved() {
            for (FrontQueue queue : queues) if (queue != null && queue.hasMoved()) return true;
            return false;
        }

        @Override
        public void replay(Link link) throws IOException {
            configChanged(link);
            if (session != null) replayQueues(link);
        }

        @Override
        public void gaveUp(String why) {
            if (session != null) session.events().needsReset(name() + ": " + why);
        }

        @Override
        public void configChanged(Link link) throws IOException {
            if (options.config() != null || config.sizeBytes() == 0) return;
            byte[] now = link.getConfig(config.sizeBytes());
            if (Arrays.equals(now, config.get())) return;
            config.set(0, now);
            if (session != null) session.events().configChanged();
        }
    }

    /** The driver has written; if the back end does not take it, the guest reads what is there. */
    private void writeConfig(int offset, int size) {
        lock.lock();
        try {
            keeper.attempt(link -> link.setConfig(
                    offset, Arrays.copyOfRange(config.get(), offset, Math.min(offset + size, config.sizeBytes()))));
            keeper.refreshConfig();
        } finally {
            lock.unlock();
        }
    }

    private void replayQueues(Link link) throws IOException {
        prepare(link);
        for (int i = 0; i < queues.length; i++) {
            if (queues[i] == null) continue;
            if (session.has(Features.RING_PACKED) && inflight == null && queues[i].isKnown())
                throw new IOException("a packed ring cannot be gone on with where requests under way are not tracked");
            queues[i].start(link, kick(i), queues[i].recoveredBase());
        }
        link.setStatus(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        for (int i = 0; i < queues.length; i++) {
            if (queues[i] == null) continue;
            Events.trySignalShared(kick(i));
            queues[i].interrupt();
        }
    }

    /** Everything that belongs to all queues. */
    private void prepare(Link link) throws IOException {
        long accepted = session.features() & ~options.ownFeatures();
        if ((accepted & ~link.features()) != 0)
            throw new IOException("the back end no longer offers features that the driver uses: 0x"
                    + Long.toHexString(accepted & ~link.features()));
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
            keeper.search();
            keeper.tell(link -> {
                prepare(link);
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

    @Override
    public void startQueue(QueueSetup setup) throws IOException {
        int index = setup.index();
        lock.lock();
        try {
            if (queues[index] != null)
                throw new IllegalStateException("queue " + index + " of " + name() + " runs already");
            positions[index] = setup.position();
            FrontQueue queue = FrontQueue.open(session, loop, setup);
            if (queue == null) return;
            setups[index] = setup;
            queues[index] = queue;
            if (setup.kick() < 0 && ownKicks[index] < 0)
                ownKicks[index] = Events.eventfd("kick of queue " + index, 0, Events.EFD_NONBLOCK);
            keeper.tell(link -> queue.start(link, kick(index), setup.position()));
            Events.trySignalShared(kick(index)); // some back ends do not look before
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

    /**
     * Requests under way are completed; those of a back end that is gone are left in the in-flight memory, for when the
     * queue goes on.
     */
    private int positionAfterStop(int index) {
        int[] position = {queues[index].recoveredBase()};
        keeper.attempt(link -> position[0] = link.stopQueue(index));
        return position[0];
    }

    @Override
    public void deactivate() {
        lock.lock();
        try {
            session = null;
            forgetInflight();
            keeper.attempt(Link::reset);
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
        if (ownKicks[queue] >= 0) Events.trySignalShared(ownKicks[queue]);
    }

    @Override
    public void close() {
        keeper.end();
        Thread search;
        lock.lock();
        try {
            for (int i = 0; i < queues.length; i++) forget(i);
            search = keeper.close();
            forgetInflight();
            for (int kick : ownKicks) if (kick >= 0) Descriptors.close(kick);
            Arrays.fill(ownKicks, -1);
        } finally {
            lock.unlock();
        }
        LinkKeeper.awaitEnd(search);
        loop.close();
        options.connector().close();
    }
}
