package org.nestorvm.virtio.console;

import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;

/**
 * One port: a pair of queues, and the host's end. What one side does not take makes the other wait, in this port and no
 * other.
 */
final class Port {
    /**
     * Messages that the driver is to have, in this order. The name comes last: a program that finds a port by its name
     * must find it open at the host's end.
     */
    static final int ADD = 1, CONSOLE = 1 << 1, RESIZE = 1 << 2, CLOSED = 1 << 3, OPENED = 1 << 4, NAME = 1 << 5;
    /** Steps before others get their turn. */
    private static final int SHARE = 64;

    /** What became of a queue that was served. */
    enum Served {
        ALL,
        AGAIN
    }

    final int id;
    final String name;
    HostEnd end;
    int due;
    /** The driver has made the port; a program of the guest has it open. */
    boolean ready, guestOpen;
    /** The driver has said that the port is closed, and the host's end does not know yet. */
    boolean guestClosing;

    private boolean hasBuffers;
    private Chain sending;
    private long sent;

    Port(int id, String name) {
        this.id = id;
        this.name = name;
    }

    /** Queues 2 and 3 are those of control. */
    int receiveQueue() {
        return id == 0 ? 0 : 2 * id + 2;
    }

    int transmitQueue() {
        return receiveQueue() + 1;
    }

    boolean isConsole() {
        return id == 0;
    }

    /** Another driver begins. */
    void reset() {
        due = 0;
        ready = guestOpen = guestClosing = hasBuffers = false;
        sent = 0;
    }

    /** From the host. A driver throws away what comes while nobody has the port open; the console is always heard. */
    Served receive(Virtqueue queue) throws QueueViolation {
        hasBuffers = false;
        if (!isConsole() && !guestOpen) return Served.ALL;
        int left = SHARE;
        do {
            queue.disableNotifications();
            for (Chain chain; left > 0 && (chain = queue.poll()) != null; left--) {
                long given = chain.writable().isEmpty() ? 0 : end.give(chain.writable());
                if (given == 0 && !chain.writable().isEmpty()) {
                    queue.unpoll(chain);
                    hasBuffers = true; // the host's turn
                    return Served.ALL;
                }
                queue.push(chain, given);
            }
            if (left == 0) return Served.AGAIN;
        } while (queue.enableNotifications());
        return Served.ALL;
    }

    /** To the host. */
    Served send(Virtqueue queue) throws QueueViolation {
        int left = SHARE;
        do {
            queue.disableNotifications();
            while (left-- > 0 && (sending != null || next(queue))) {
                long taken = end.take(sending.readable());
                sending.readable().skip(taken);
                sent += taken;
                if (sending.readable().isEmpty()) giveBack(queue);
                else if (taken == 0) return Served.ALL; // the host's turn
            }
            if (left < 0) return Served.AGAIN;
        } while (queue.enableNotifications());
        closeIfAsked();
        return Served.ALL;
    }

    /** The queue is empty. What was written before the message that closed the port was in the queue before it. */
    private void closeIfAsked() {
        if (!guestClosing) return;
        guestClosing = false;
        end.guestClosed();
    }

    /** After a pause the first request goes on where it stood. */
    private boolean next(Virtqueue queue) throws QueueViolation {
        sending = queue.poll();
        if (sending == null) return false;
        sending.readable().skip(Math.min(sent, sending.readable().totalBytes()));
        return true;
    }

    private void giveBack(Virtqueue queue) {
        queue.push(sending, 0);
        sending = null;
        sent = 0;
    }

    void watch() {
        end.watch(hasBuffers, sending != null);
    }

    void receiveStopped() {
        hasBuffers = false;
        watch();
    }

    void transmitStopped(Virtqueue queue) {
        if (sending != null) queue.unpoll(sending);
        sending = null;
        watch();
    }

    /** The driver hears of each end and of each beginning, but not how often. */
    void connectionChanged() {
        if (!ready) return;
        if (end.isConnected()) due |= OPENED;
        else due = due & ~OPENED | CLOSED;
    }
}
