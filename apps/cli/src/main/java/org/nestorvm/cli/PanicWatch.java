package org.nestorvm.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * Passes on what the guest prints, and ends the guest when that is Linux's last words. A panic begins with a line that
 * has {@value #WORDS}; the state of the processor follows, then a line with the same words ends it, unless the kernel
 * resets the machine instead. So the guest ends at the second such line, or some time after the first.
 */
final class PanicWatch extends OutputStream {
    static final String WORDS = "Kernel panic - not syncing";
    static final long PATIENCE_MS = 3_000;
    private static final byte[] PATTERN = WORDS.getBytes(StandardCharsets.US_ASCII);

    private final OutputStream to;
    private final Executor later;
    private int matched; // the first bytes of the pattern that came last
    private int lines; // with the pattern
    private boolean inLine;
    private Runnable end = () -> {};

    PanicWatch(OutputStream to) {
        this(to, CompletableFuture.delayedExecutor(PATIENCE_MS, TimeUnit.MILLISECONDS));
    }

    /** @param later runs what it is given when the rest of a panic has had its time */
    PanicWatch(OutputStream to, Executor later) {
        this.to = to;
        this.later = later;
    }

    /** From now on it is another guest that prints. @param endGuest is called on another thread, perhaps twice */
    synchronized void connect(Runnable endGuest) {
        end = endGuest;
        matched = lines = 0;
        inLine = false;
    }

    /** The guest has begun to panic. */
    synchronized boolean seen() {
        return lines > 0;
    }

    @Override
    public void write(int value) throws IOException {
        write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        to.write(bytes, offset, length);
        for (int i = 0; i < length; i++) look(bytes[offset + i]);
    }

    @Override
    public void flush() throws IOException {
        to.flush();
    }

    private synchronized void look(byte next) {
        if (inLine && next == '\n') {
            inLine = false;
            if (lines == 1) later.execute(end);
            else CompletableFuture.runAsync(end); // not on the thread that prints
        }
        // No byte of the pattern but its first is a K: what does not go on can only begin.
        if (next != PATTERN[matched]) matched = next == PATTERN[0] ? 1 : 0;
        else if (++matched == PATTERN.length) {
            matched = 0;
            lines++;
            inLine = true;
        }
    }
}
