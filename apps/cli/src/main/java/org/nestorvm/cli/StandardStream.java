package org.nestorvm.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;

/**
 * Standard output or standard error. It remembers that something could not be written and why, since Java's own streams
 * for printing keep that to themselves.
 */
final class StandardStream extends OutputStream {
    static final int STDOUT = 1, STDERR = 2;
    private static final int BUFFER_BYTES = 16 * 1024;
    /** Between two attempts where another process has made the stream one that does not wait. */
    private static final long FULL_PAUSE_MS = 5;

    private final int descriptor;
    private final MemorySegment buffer = Arena.ofAuto().allocate(BUFFER_BYTES);
    private volatile ErrnoException failure;

    StandardStream(int descriptor) {
        this.descriptor = descriptor;
    }

    /** For text. Its caller flushes it. */
    PrintWriter writer() {
        return new PrintWriter(this, false, StandardCharsets.UTF_8);
    }

    /** Why bytes are lost; null while none are. */
    ErrnoException failure() {
        return failure;
    }

    /** The program that should have read the bytes has ended, as {@code head} does when it has enough. */
    boolean isReaderGone() {
        return failure != null && failure.errno() == Errno.EPIPE;
    }

    @Override
    public void write(int value) throws IOException {
        write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public synchronized void write(byte[] bytes, int offset, int length) throws IOException {
        for (int done = 0; done < length; ) {
            int piece = Math.min(BUFFER_BYTES, length - done);
            MemorySegment.copy(bytes, offset + done, buffer, ValueLayout.JAVA_BYTE, 0, piece);
            writeAll(piece);
            done += piece;
        }
    }

    private void writeAll(int size) throws IOException {
        for (int done = 0; done < size; ) {
            long written = Descriptors.tryWrite(descriptor, buffer.address() + done, size - done);
            if (written >= 0) done += (int) written;
            else if (written == -Errno.EAGAIN) pause();
            else if (written != -Errno.EINTR) throw failed((int) -written);
        }
    }

    private ErrnoException failed(int errno) {
        failure = new ErrnoException("write", descriptor == STDOUT ? "standard output" : "standard error", errno);
        return failure;
    }

    private static void pause() throws IOException {
        try {
            Thread.sleep(FULL_PAUSE_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }
}
