package org.nestorvm.virtio.console;

import java.io.IOException;
import java.io.OutputStream;
import org.nestorvm.memory.sys.IoVector;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A stream of the host that may make its writer wait, and input that somebody types. Two bounded buffers, and a thread
 * that empties one of them; the guest waits while that is full. A stream that fails is not written to again. The thread
 * starts with the first byte: a process that confines itself before it serves has confined that thread, too.
 */
final class StreamEnd implements HostEnd {
    static final int BUFFER_BYTES = 64 * 1024;
    private static final long PATIENCE_MS = 5_000;
    private static final Logger LOG = LoggerFactory.getLogger(StreamEnd.class);

    private final String name;
    private final OutputStream stream;
    private final Runnable ready;
    private Thread writer; // null before there is something to write
    private final byte[] input = new byte[BUFFER_BYTES];
    private byte[] filling = new byte[BUFFER_BYTES], emptying = new byte[BUFFER_BYTES];
    private int filled, inputFrom, inputCount;
    private boolean wanted, closed, broken, hungUp, inputEnded, usedUpTold, guestClosed;
    private Runnable inputUsedUp = () -> {};
    private Channel.Events events; // null where nobody wants to know

    /**
     * @param ready told on any thread, with no lock held, that there is room for output that was asked for, or input
     */
    StreamEnd(String name, OutputStream stream, Runnable ready) {
        this.name = name;
        this.stream = stream;
        this.ready = ready;
    }

    /**
     * For a port that a program of the guest opens and closes. @param usedUp told on the loop, perhaps from within
     * {@link #give}: there is no input and there will be none
     */
    void tell(Channel.Events newEvents, Runnable usedUp) {
        events = newEvents;
        inputUsedUp = usedUp;
    }

    /** Until the guest has read the last of the input. */
    @Override
    public synchronized boolean isConnected() {
        return !inputEnded || inputCount > 0;
    }

    /** There is no more input than what was offered. */
    void endInput() {
        synchronized (this) {
            inputEnded = true;
        }
        ready.run();
    }

    @Override
    public void guestClosed() {
        synchronized (this) {
            if (!broken && events != null) {
                guestClosed = true;
                wakeWriter();
                return;
            }
        }
        if (events != null) events.ended();
    }

    @Override
    public synchronized long take(IoVector from) {
        if (broken || closed) return from.totalBytes();
        int piece = (int) Math.min(from.totalBytes(), BUFFER_BYTES - filled);
        from.copyOut(0, filling, filled, piece);
        filled += piece;
        if (piece > 0) wakeWriter();
        return piece;
    }

    private void wakeWriter() {
        if (writer == null && !closed)
            writer = Thread.ofPlatform().name(name + "-output").daemon().start(this::write);
        notifyAll();
    }

    /** One byte from a guest in distress; left out when there is no room. */
    synchronized void take(byte value) {
        if (broken || closed || filled == BUFFER_BYTES) return;
        filling[filled++] = value;
        wakeWriter();
    }

    /** Types as much as there is room for, and says how much. */
    int offer(byte[] bytes, int offset, int length) {
        int accepted;
        synchronized (this) {
            accepted = hungUp ? 0 : Math.min(length, BUFFER_BYTES - inputCount);
            for (int i = 0; i < accepted; i++) input[(inputFrom + inputCount + i) % BUFFER_BYTES] = bytes[offset + i];
            inputCount += accepted;
        }
        if (accepted > 0) ready.run();
        return accepted;
    }

    @Override
    public long give(IoVector to) {
        int piece;
        boolean usedUp;
        synchronized (this) {
            piece = (int) Math.min(to.totalBytes(), Math.min(inputCount, BUFFER_BYTES - inputFrom));
            to.copyIn(0, input, inputFrom, piece);
            inputFrom = (inputFrom + piece) % BUFFER_BYTES;
            inputCount -= piece;
            usedUp = inputEnded && inputCount == 0 && !usedUpTold;
            usedUpTold |= usedUp;
            if (piece > 0) notifyAll();
        }
        if (usedUp) inputUsedUp.run();
        return piece;
    }

    /** Waits until {@link #offer} would take a byte. @return false when it never will */
    synchronized boolean awaitRoom() throws InterruptedException {
        while (inputCount == BUFFER_BYTES && !hungUp) wait();
        return !hungUp;
    }

    /** Nobody reads what is typed any more. */
    synchronized void hangUp() {
        hungUp = true;
        notifyAll();
    }

    @Override
    public synchronized void watch(boolean in, boolean output) {
        wanted = output;
        if (output) wakeWriter(); // there may be room since it was asked for
    }

    private void write() {
        for (int length; (length = swap()) >= 0; ) {
            if (takeWanted()) ready.run();
            if (length == 0) {
                if (takeGuestClosed()) events.ended();
                continue;
            }
            try {
                stream.write(emptying, 0, length);
                stream.flush();
            } catch (IOException e) {
                if (events == null) LOG.warn("{}: output is lost from here on: {}", name, e.getMessage());
                synchronized (this) {
                    broken = true;
                }
                ready.run();
                if (events != null) events.broken();
                if (takeGuestClosed()) events.ended();
                return;
            }
        }
    }

    private synchronized boolean takeWanted() {
        boolean was = wanted;
        wanted = false;
        return was;
    }

    /** What came together with the end is written first. */
    private synchronized boolean takeGuestClosed() {
        boolean was = guestClosed && (filled == 0 || broken);
        if (was) guestClosed = false;
        return was;
    }

    /**
     * Waits for bytes, or for somebody who wants room, and moves them to {@link #emptying}; -1 when there are none and
     * there will be none.
     */
    private synchronized int swap() {
        while (filled == 0 && !wanted && !guestClosed) {
            if (closed) return -1;
            try {
                wait();
            } catch (InterruptedException e) {
                return -1;
            }
        }
        byte[] other = filling;
        filling = emptying;
        emptying = other;
        int length = filled;
        filled = 0;
        return length;
    }

    /** Writes what is left, as far as the stream takes it in time. */
    @Override
    public void close() {
        Thread last;
        synchronized (this) {
            closed = true;
            hangUp();
            last = writer;
        }
        if (last == null) return;
        try {
            last.join(PATIENCE_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        last.interrupt();
    }
}
