package org.nestorvm.virtio.blk;

import java.io.IOException;
import java.util.Arrays;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.memory.sys.IoVector;

/** A disk that is an array, counts, and fails when it is told to. */
final class MemoryDisk implements DiskImage {
    final byte[] bytes;
    private final boolean readOnly;
    volatile boolean fail;
    int flushes, writes, closed;

    MemoryDisk(int sectors, boolean readOnly) {
        bytes = new byte[sectors * SECTOR_BYTES];
        this.readOnly = readOnly;
    }

    private void check() throws IOException {
        if (fail) throw new IOException("the disk is broken");
    }

    @Override public String format() {
        return "memory";
    }

    @Override public long sizeBytes() {
        return bytes.length;
    }

    @Override public boolean readOnly() {
        return readOnly;
    }

    @Override public synchronized void read(long offset, IoVector into) throws IOException {
        check();
        into.copyIn(0, bytes, (int) offset, (int) into.totalBytes());
    }

    @Override public synchronized void write(long offset, IoVector from) throws IOException {
        check();
        writes++;
        from.copyOut(0, bytes, (int) offset, (int) from.totalBytes());
    }

    @Override public synchronized void flush() throws IOException {
        check();
        flushes++;
    }

    @Override public void discard(long offset, long sizeBytes) throws IOException {
        writeZeroes(offset, sizeBytes, true);
    }

    @Override public synchronized void writeZeroes(long offset, long sizeBytes, boolean mayUnmap) throws IOException {
        check();
        Arrays.fill(bytes, (int) offset, (int) (offset + sizeBytes), (byte) 0);
    }

    @Override public void close() {
        closed++;
    }
}
