package org.nestorvm.virtio.console;

import java.io.IOException;
import java.io.OutputStream;
import org.nestorvm.memory.sys.IoVector;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A stream of the host that may make its writer wait, and input that somebody types. Two bounded buffers, and a thread that empties one of them; the guest waits while that is full. A stream that fails
 * is not written to again. The thread starts with the first byte: a process that confines itself before it serves has confined that thread, too.
 */
final class StreamEnd implements HostEnd {
    static final int BUFFER_BYTES = 64 * 1024;
    private static final long PATIENCE_MS = 5_000;
    private static final Logger LOG = LoggerFactory.getLogger(StreamEnd.class);

    private final String name;
    private final OutputStream stream;
    private final Runnable ready;
    private Thread writer;                                           // null before there is something to write
    private final byte[] input = new byte[BUFFER_BYTES];
    private byte[] filling = new byte[BUFFER_BYTES], emptying = new byte[BUFFER_BYTES];
    private int filled, inputFrom, inputCount;
    private boolean wanted, closed, broken, hungUp;

    /** @param ready told on any thread, with no lock held, that there is room for output that was asked for, or input */
    StreamEnd(String name, OutputStream stream, Runnable ready) {
        this.name = name;
        this.stream = stream;
        this.ready = ready;
    }

    @Override
    public boolean isConnected() {
        return true;
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
        if (writer == null && !closed) writer = Thread.ofPlatform().name(name + "-output").daemon().start(this::write);
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
    public synchronized long give(IoVector to) {
        int piece = (int) Math.min(to.totalBytes(), Math.min(inputCount, BUFFER_BYTES - inputFrom));
        to.copyIn(0, input, inputFrom, piece);
        inputFrom = (inputFrom + piece) % BUFFER_BYTES;
        inputCount -= piece;
        if (piece > 0) notifyAll();
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
        if (output) wakeWriter();                                    // there may be room since it was asked for
    }

    private void write() {
        for (int length; (length = swap()) >= 0; ) {
            if (takeWanted()) ready.run();
            if (length == 0) continue;
            try {
                stream.write(emptying, 0, length);
                stream.flush();
            } catch (IOException e) {
                LOG.warn("{}: output is lost from here on: {}", name, e.toString());
                synchronized (this) {
                    broken = true;
                }
                ready.run();
                return;
            }
        }
    }

    private synchronized boolean takeWanted() {
        boolean was = wanted;
        wanted = false;
        return was;
    }

    /** Waits for bytes, or for somebody who wants room, and moves them to {@link #emptying}; -1 when there are none and there will be none. */
    private synchronized int swap() {
        while (filled == 0 && !wanted) {
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
