package org.nestorvm.virtio.pci;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.nestorvm.devices.IrqLine;
import org.nestorvm.vmm.EventWiring;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How a virtio function interrupts (virtio 1.2, 4.1.4.5, 4.1.5.1.3): by MSI-X vectors when the guest has enabled them,
 * else by the ISR status register and its INTx line. Its lock is taken on any thread and never held while something
 * waits.
 */
final class Interrupts implements MsixTable.Listener {
    static final int NO_VECTOR = 0xffff;
    static final int ISR_QUEUE = 1, ISR_CONFIG = 2;
    private static final Logger LOG = LoggerFactory.getLogger(Interrupts.class);

    /** An eventfd that the host's kernel turns into a message, as far as the vector is deliverable just now. */
    private static final class Connection {
        final int queue, eventfd;
        int route = -1, data;
        long address;

        Connection(int queue, int eventfd) {
            this.queue = queue;
            this.eventfd = eventfd;
        }
    }

    private final MsixTable msix;
    private final IrqLine line;
    private final EventWiring wiring; // null: nothing of the kind
    private final int[] queueVector;
    private final List<Connection> connections = new ArrayList<>();
    private int configVector, isr;
    private boolean lineOff;

    Interrupts(int queues, MsixTable msix, IrqLine line, EventWiring wiring) {
        this.msix = msix;
        this.line = line;
        this.wiring = wiring;
        queueVector = new int[queues];
        clearVectors();
        msix.listen(this);
    }

    private void clearVectors() {
        Arrays.fill(queueVector, NO_VECTOR);
        configVector = NO_VECTOR;
    }

    /** After a reset of the device: no vectors, nothing pending, the line down. */
    synchronized void reset() {
        clearVectors();
        msix.clearPending();
        isr = 0;
        setLine();
        rewire();
    }

    void queue(int queue) {
        raise(ISR_QUEUE, vector(queue));
    }

    void config() {
        raise(ISR_CONFIG, configVector());
    }

    private void raise(int cause, int vector) {
        if (msix.enabled()) {
            if (vector != NO_VECTOR) msix.signal(vector);
            return;
        }
        synchronized (this) {
            isr |= cause;
            setLine();
        }
    }

    /** The guest reads ISR status, which acknowledges. */
    synchronized int takeIsr() {
        int causes = isr;
        isr = 0;
        setLine();
        return causes;
    }

    /** COMMAND's INTx disable bit. */
    synchronized void lineOff(boolean off) {
        lineOff = off;
        setLine();
    }

    /** Whether INTx would be asserted, were it not disabled: bit 3 of the status register. */
    synchronized boolean pending() {
        return isr != 0;
    }

    private void setLine() {
        line.set(isr != 0 && !lineOff);
    }

    synchronized int vector(int queue) {
        return queueVector[queue];
    }

    /** @return what was set: NO_VECTOR when there is no such vector (4.1.5.1.2.1) */
    synchronized void setVector(int queue, int vector) {
        queueVector[queue] = vector < msix.vectors() ? vector : NO_VECTOR;
        rewire();
    }

    synchronized int configVector() {
        return configVector;
    }

    synchronized void setConfigVector(int vector) {
        configVector = vector < msix.vectors() ? vector : NO_VECTOR;
    }

    /** @see org.nestorvm.virtio.DeviceEvents#connectInterrupt */
    boolean connect(int queue, int eventfd) {
        if (wiring == null || !msix.enabled()) return false;
        synchronized (this) {
            if (queueVector[queue] == NO_VECTOR) return false;
            connections.add(new Connection(queue, eventfd));
            rewire();
            return true;
        }
    }

    synchronized void disconnect(int queue, int eventfd) {
        connections.removeIf(each -> {
            if (each.queue != queue || each.eventfd != eventfd) return false;
            unwire(each);
            return true;
        });
    }

    @Override
    public void messagesChanged() {
        if (wiring == null) return;
        synchronized (this) {
            rewire();
        }
    }

    /**
     * Brings the host's wiring to what the guest has programmed. A signal that comes while a vector is masked stays in
     * its eventfd until it is wired again.
     */
    private void rewire() {
        for (Connection each : connections) {
            int vector = queueVector[each.queue];
            if (!msix.deliverable(vector)) unwire(each);
            else wire(each, msix.address(vector), msix.data(vector));
        }
    }

    private void wire(Connection each, long address, int data) {
        try {
            if (each.route < 0) {
                int route = wiring.addMessage(address, data);
                each.route = route;
                wiring.connectInterrupt(each.eventfd, route);
            } else if (each.address != address || each.data != data) {
                wiring.changeMessage(each.route, address, data);
            }
            each.address = address;
            each.data = data;
        } catch (IOException e) {
            LOG.error("interrupts of queue {} are lost: {}", each.queue, e.getMessage());
        }
    }

    private void unwire(Connection each) {
        if (each.route < 0) return;
        try {
            wiring.disconnectInterrupt(each.eventfd, each.route);
            wiring.removeMessage(each.route);
        } catch (IOException e) {
            LOG.warn("interrupt route {} stays: {}", each.route, e.getMessage());
        }
        each.route = -1;
    }
}
