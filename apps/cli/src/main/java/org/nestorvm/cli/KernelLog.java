package org.nestorvm.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * The guest's serial console beside a command: its newest bytes are kept for the day that the guest fails, or all of it
 * goes to standard error.
 */
final class KernelLog extends OutputStream {
    private static final int KEPT_BYTES = 1 << 16, LAST_LINES = 30;

    private final PrintStream tee;
    private final byte[] kept = new byte[KEPT_BYTES];
    private long written;

    /** @param tee null to keep it only */
    KernelLog(PrintStream tee) {
        this.tee = tee;
    }

    @Override
    public void write(int value) {
        write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public synchronized void write(byte[] bytes, int offset, int length) {
        for (int i = 0; i < length; i++) kept[(int) (written++ % KEPT_BYTES)] = bytes[offset + i];
        if (tee != null) tee.write(bytes, offset, length);
    }

    @Override
    public void flush() throws IOException {
        if (tee != null) tee.flush();
    }

    /** The last lines, unless they have been seen already. */
    synchronized void printTo(PrintStream stream) {
        if (tee != null) return;
        int length = (int) Math.min(written, KEPT_BYTES);
        byte[] last = new byte[length];
        for (int i = 0; i < length; i++) last[i] = kept[(int) ((written - length + i) % KEPT_BYTES)];
        String[] lines = new String(last, StandardCharsets.UTF_8)
                .replace("\r", "")
                .strip()
                .split("\n");
        for (int i = Math.max(0, lines.length - LAST_LINES); i < lines.length; i++)
            if (!lines[i].isBlank()) stream.println(lines[i]);
    }
}
