package org.nestorvm.virtio.console;

import java.io.OutputStream;

/**
 * A named port of a {@link ConsoleDevice} whose host end is in this process: what a program of the guest writes to it
 * goes to a stream, and what is offered here is what it reads. Both directions wait when the other side does not take
 * what is there, and each ends by itself: {@link #endInput} gives the guest an end of file, and {@link Events#ended}
 * tells of the guest's.
 */
public final class Channel {
    /** Told on any thread, with no lock held. */
    public interface Events {
        /** The guest has closed the port, and the stream has taken all that was written to it. */
        void ended();

        /** The stream takes nothing more. What the guest writes is dropped. */
        void broken();
    }

    final String name;
    final OutputStream output;
    final Events events;
    private StreamEnd end;
    private boolean inputEnded;

    /**
     * @param name by which the guest finds the port @param output it may make its writer wait; the caller's to close,
     *     after the device
     */
    public Channel(String name, OutputStream output, Events events) {
        this.name = name;
        this.output = output;
        this.events = events;
    }

    /** Before the machine runs. A channel belongs to one device. */
    synchronized void bind(StreamEnd to) {
        if (end != null) throw new IllegalStateException("channel " + name + " belongs to a device");
        end = to;
        if (inputEnded) end.endInput();
    }

    /**
     * Puts in as much as there is room for. @return how many bytes; 0 when there is no room, no device, or the guest
     * has ended
     */
    public int offer(byte[] bytes, int offset, int length) {
        StreamEnd to = bound();
        return to == null ? 0 : to.offer(bytes, offset, length);
    }

    /** Puts in all, and waits for room. @return false when the guest has ended */
    public boolean put(byte[] bytes, int length) throws InterruptedException {
        StreamEnd to = bound();
        for (int done = 0; ; ) {
            done += to.offer(bytes, done, length - done);
            if (done == length) return true;
            if (!to.awaitRoom()) return false;
        }
    }

    /** After what has been put in, the guest reads an end of file. */
    public void endInput() {
        StreamEnd to;
        synchronized (this) {
            inputEnded = true;
            to = end;
        }
        if (to != null) to.endInput();
    }

    private synchronized StreamEnd bound() {
        return end;
    }
}
