package org.nestorvm.vhost;

import java.io.IOException;
import java.util.zip.CRC32;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vhost.Payloads.VringAddress;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;

/**
 * A queue while it runs, as its front end has it: its place in this process, and its eventfds, which are the same for
 * every back end that serves it.
 *
 * <p>The back end has the same file descriptions and can change their flags and counters. So nothing is read from or
 * written to call and error eventfds here: edges of them are enough. Kicks are signalled by
 * {@link Events#trySignalShared}. No back end can make this process wait.
 */
final class FrontQueue {
    private final DeviceSession session;
    private final EventLoop loop;
    private final QueueSetup setup;
    private final VringAddress addresses;
    private final long usedAddress, usedBytes;
    private final int call, error;
    private final boolean connected;
    private boolean known;
    private long lastSeen;

    private FrontQueue(DeviceSession session, EventLoop loop, QueueSetup setup, VringAddress addresses, long usedBytes)
            throws IOException {
        this.session = session;
        this.loop = loop;
        this.setup = setup;
        this.addresses = addresses;
        this.usedAddress = addresses.used();
        this.usedBytes = usedBytes;
        call = Events.eventfd("call of queue " + setup.index(), 0, Events.EFD_NONBLOCK);
        int second = -1;
        try {
            second = Events.eventfd("error of queue " + setup.index(), 0, Events.EFD_NONBLOCK);
            int edges = Events.EPOLLIN | Events.EPOLLET;
            loop.add(
                    second,
                    edges,
                    _ -> session.events().needsReset("the back end cannot go on with queue " + setup.index()));
            connected = session.events().connectInterrupt(setup.index(), call);
            if (!connected) loop.add(call, edges, _ -> session.events().interrupt(setup.index()));
        } catch (Throwable t) {
            if (second >= 0) {
                loop.remove(second);
                Descriptors.close(second);
            }
            Descriptors.close(call);
            throw t;
        }
        error = second;
    }

    /** @return null when the queue does not lie in memory, which the driver has been told */
    static FrontQueue open(DeviceSession session, EventLoop loop, QueueSetup setup) throws IOException {
        DeviceMemory memory = session.memory();
        boolean packed = session.has(Features.RING_PACKED);
        long size = setup.size();
        long descriptors = memory.translate(setup.descriptors(), 16 * size);
        long available = memory.translate(setup.driver(), packed ? 4 : 6 + 2 * size);
        long used = memory.translate(setup.device(), packed ? 4 : 6 + 8 * size);
        if (descriptors == 0 || available == 0 || used == 0) {
            session.events().needsReset("queue " + setup.index() + " does not lie in memory");
            return null;
        }
        VringAddress addresses = new VringAddress(setup.index(), 0, descriptors, used, available, setup.device());
        return new FrontQueue(session, loop, setup, addresses, packed ? 16 * size : 4);
    }

    void start(Link link, int kick, int base) throws IOException {
        known = true;
        link.startQueue(setup, addresses, base, kick, call, error);
        lastSeen = trace();
    }

    /** Whether a back end may have served it. */
    boolean isKnown() {
        return known;
    }

    /**
     * Where to go on after a back end that did not say where it stopped: all that is used was taken; what was taken
     * besides is in the in-flight memory, or is taken again.
     */
    int recoveredBase() {
        return session.has(Features.RING_PACKED) || !known
                ? setup.position()
                : HostMemory.getShort(usedAddress + 2) & 0xffff;
    }

    /** Whether something has been used since the queue was started at this back end. */
    boolean hasMoved() {
        return trace() != lastSeen;
    }

    private long trace() {
        CRC32 sum = new CRC32();
        byte[] bytes = new byte[(int) usedBytes];
        HostMemory.copyOut(
                session.has(Features.RING_PACKED) ? addresses.descriptors() : usedAddress, bytes, 0, bytes.length);
        sum.update(bytes);
        return sum.getValue();
    }

    /** The driver looks at the ring: a back end that is gone may have used something and not said so. */
    void interrupt() {
        session.events().interrupt(setup.index());
    }

    /** What was signalled so far has been passed on when this returns. */
    void close() {
        if (connected) {
            session.events().disconnectInterrupt(setup.index(), call);
        } else {
            loop.remove(call);
            if (Events.tryPoll(call, Events.POLLIN, 0) > 0) session.events().interrupt(setup.index());
        }
        loop.remove(error);
        Descriptors.close(call);
        Descriptors.close(error);
    }
}
