package org.nestorvm.machine;

import java.io.IOException;
import java.io.OutputStream;
import java.util.function.IntConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries what a guest prints to a stream of the host: a bounded buffer and a thread that empties it, so that a virtual
 * CPU does not pay for each byte and waits only while the buffer is full. Nothing is dropped while the stream takes it;
 * a stream that fails is not written to again.
 */
final class ConsoleOutput implements IntConsumer, AutoCloseable {
    static final int BUFFER_BYTES = 64 * 1024;
    /**
     * How long {@link #close} waits for a stream that does not take what is left: at the guest's own end, and at a stop
     * on request.
     */
    private static final long PATIENCE_MS = 5_000, HURRIED_PATIENCE_MS = 500;

    private static final Logger LOG = LoggerFactory.getLogger(ConsoleOutput.class);

    private final OutputStream stream;
    private final Thread writer;
    private byte[] filling = new byte[BUFFER_BYTES], emptying = new byte[BUFFER_BYTES];
    private int filled;
    private boolean closed, broken, hurried;

    ConsoleOutput(String name, OutputStream stream) {
        this.stream = stream;
        writer = Thread.ofPlatform().name(name).daemon().start(this::write);
    }

    @Override
    public synchronized void accept(int value) {
        while (filled == BUFFER_BYTES && !closed && !broken) {
            try {
                wait();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        if (closed || broken) return;
        filling[filled++] = (byte) value;
        if (filled == 1) notifyAll();
    }

    private void write() {
        for (int length; (length = take()) >= 0; ) {
            try {
                stream.write(emptying, 0, length);
                stream.flush();
            } catch (IOException e) {
                fail(e);
                return;
            }
        }
    }

    /** Waits for bytes and moves them to {@link #emptying}; -1 when there are none and there will be none. */
    private synchronized int take() {
        while (filled == 0) {
            if (closed) return -1;
            try {
                wait();
            } catch (InterruptedException e) {
                return -1;
            }
        }
        byte[] swap = filling;
        filling = emptying;
        emptying = swap;
        int length = filled;
        filled = 0;
        notifyAll();
        return length;
    }

    private synchronized void fail(IOException e) {
        LOG.warn("the guest goes on, but what it prints is lost from here on: {}", e.getMessage());
        broken = true;
        notifyAll();
    }

    /** A virtual CPU that waits for room gives up: for a machine that is to stop while nobody reads its console. */
    synchronized void release() {
        hurried = true;
        closed = true;
        notifyAll();
    }

    /** Writes what is left, as far as the stream takes it in time. */
    @Override
    public void close() {
        long patienceMs;
        synchronized (this) {
            closed = true;
            notifyAll();
            patienceMs = hurried ? HURRIED_PATIENCE_MS : PATIENCE_MS;
        }
        try {
            writer.join(patienceMs);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        writer.interrupt();
    }
}
