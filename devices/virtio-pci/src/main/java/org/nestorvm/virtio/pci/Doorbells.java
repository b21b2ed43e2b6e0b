package org.nestorvm.virtio.pci;

import java.io.IOException;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.vmm.EventWiring;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The eventfds that a driver's notifications signal, one a queue: by the host's kernel at the guest's write where it
 * can do that, else by the virtual CPU's thread. Made when the function is made and open as long as it is. Its owner
 * locks it, but for {@link #ring}.
 *
 * <p>A device in another process has the same file descriptions, flags included, so nothing here waits for an eventfd
 * whatever has been done to it.
 */
final class Doorbells implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Doorbells.class);
    private static final long CLOSED = -1;

    private final String name;
    private final int[] eventfds;
    private final boolean[] connected;
    private final EventWiring wiring; // null: nothing of the kind
    private final int spacing;
    private long window = CLOSED;

    /** @param spacing bytes from one queue's doorbell to the next's */
    Doorbells(String name, int queues, EventWiring wiring, int spacing) throws IOException {
        this.name = name;
        this.wiring = wiring;
        this.spacing = spacing;
        eventfds = new int[queues];
        connected = new boolean[queues];
        int made = 0;
        try {
            for (; made < queues; made++) eventfds[made] = Events.eventfd(name, 0, Events.EFD_NONBLOCK);
        } catch (IOException e) {
            while (made-- > 0) Descriptors.close(eventfds[made]);
            throw e;
        }
    }

    int eventfd(int queue) {
        return eventfds[queue];
    }

    /** A write reached us. */
    void ring(int queue) {
        Events.trySignalShared(eventfds[queue]);
    }

    /** A notification of an earlier life is no notification. */
    void clear(int queue) {
        Events.tryDrainShared(eventfds[queue]);
    }

    /** The doorbells are somewhere else now. @param gpa of the first; -1 when the window is closed */
    void moved(long gpa) {
        for (int i = 0; i < eventfds.length; i++) disconnect(i);
        window = gpa;
        for (int i = 0; i < eventfds.length; i++) connect(i);
    }

    private EventWiring.Doorbell doorbell(int queue) {
        return new EventWiring.Doorbell(false, window + (long) queue * spacing, 0, null);
    }

    private void connect(int queue) {
        if (wiring == null || window == CLOSED) return;
        try {
            wiring.connect(doorbell(queue), eventfds[queue]);
            connected[queue] = true;
        } catch (IOException e) {
            LOG.debug("{}: notifications of queue {} come through the monitor: {}", name, queue, e.getMessage());
        }
    }

    private void disconnect(int queue) {
        if (!connected[queue]) return;
        connected[queue] = false;
        try {
            wiring.disconnect(doorbell(queue), eventfds[queue]);
        } catch (IOException e) {
            LOG.warn("{}: the doorbell of queue {} stays: {}", name, queue, e.getMessage());
        }
    }

    @Override
    public void close() {
        moved(CLOSED);
        for (int eventfd : eventfds) Descriptors.close(eventfd);
    }
}
