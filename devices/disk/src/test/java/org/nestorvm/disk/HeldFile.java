package org.nestorvm.disk;

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import org.nestorvm.memory.sys.IoVector;

/** A file in whose synchronisation one can stop, and that has all of its bytes in memory. */
final class HeldFile implements BlockFile {
    private final BlockFile file;
    final Semaphore arrived = new Semaphore(0);
    volatile CountDownLatch gate;
    /** Happens in the middle of a read that does not wait. */
    Runnable meanwhile = () -> {};
    /** Happens when somebody writes, before the bytes are taken. */
    Runnable beforeWrite = () -> {};

    HeldFile(BlockFile file) {
        this.file = file;
    }

    @Override
    public void sync() throws IOException {
        CountDownLatch closed = gate;
        arrived.release();
        try {
            if (closed != null) closed.await();
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
        file.sync();
    }

    @Override
    public boolean tryRead(long offset, IoVector into) {
        try {
            file.read(offset, into);
            meanwhile.run();
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public String name() {
        return file.name();
    }

    @Override
    public long length() throws IOException {
        return file.length();
    }

    @Override
    public String identity() throws IOException {
        return file.identity();
    }

    @Override
    public void read(long offset, IoVector into) throws IOException {
        file.read(offset, into);
    }

    @Override
    public void read(long offset, long toHostAddress, long sizeBytes) throws IOException {
        file.read(offset, toHostAddress, sizeBytes);
    }

    @Override
    public void write(long offset, IoVector from) throws IOException {
        beforeWrite.run();
        file.write(offset, from);
    }

    @Override
    public void write(long offset, long fromHostAddress, long sizeBytes) throws IOException {
        file.write(offset, fromHostAddress, sizeBytes);
    }

    @Override
    public void setLength(long sizeBytes) throws IOException {
        file.setLength(sizeBytes);
    }

    @Override
    public boolean punch(long offset, long sizeBytes) throws IOException {
        return file.punch(offset, sizeBytes);
    }

    @Override
    public boolean zeroRange(long offset, long sizeBytes) throws IOException {
        return file.zeroRange(offset, sizeBytes);
    }

    @Override
    public void allocate(long offset, long sizeBytes) throws IOException {
        file.allocate(offset, sizeBytes);
    }

    @Override
    public long nextData(long offset) throws IOException {
        return file.nextData(offset);
    }

    @Override
    public long nextHole(long offset) throws IOException {
        return file.nextHole(offset);
    }

    @Override
    public void close() {
        file.close();
    }
}
