package org.nestorvm.virtio.blk;

import java.io.IOException;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongPredicate;
import java.util.function.Supplier;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.memory.sys.IoVector;

/** A disk that is an array, counts, and fails, waits and throws when it is told to. */
final class MemoryDisk implements DiskImage {
    final byte[] bytes;
    /** As they would be after a loss of power. */
    final byte[] durable;

    private final boolean readOnly;
    volatile boolean fail;
    /** Whether a request at this offset is done without waiting: none unless somebody says so. */
    volatile LongPredicate quick = _ -> false;
    /** What requests that may wait do wait for; null for nothing. */
    private volatile CountDownLatch gate;

    private volatile CountDownLatch held = new CountDownLatch(0);
    /** What they throw; null for nothing. */
    volatile Supplier<? extends Throwable> thrown = () -> null;
    /** One for each request that has come to the gate. */
    final Semaphore arrived = new Semaphore(0);

    final AtomicInteger inside = new AtomicInteger(), mostInside = new AtomicInteger();
    volatile String lastThread;
    int flushes, writes, closed;

    MemoryDisk(int sectors, boolean readOnly) {
        bytes = new byte[sectors * SECTOR_BYTES];
        durable = new byte[sectors * SECTOR_BYTES];
        this.readOnly = readOnly;
    }

    /** From now on requests that may wait do, until they are let go. */
    void hold() {
        held = new CountDownLatch(1);
        gate = held;
    }

    /** Those that come now do not wait; those that do, still. */
    void holdNoMore() {
        gate = null;
    }

    void letGo() {
        gate = null;
        held.countDown();
    }

    @FunctionalInterface
    private interface Action {
        void run() throws IOException;
    }

    private void waiting(Action action) throws IOException {
        lastThread = Thread.currentThread().getName();
        mostInside.accumulateAndGet(inside.incrementAndGet(), Math::max);
        try {
            CountDownLatch closed = gate;
            arrived.release();
            if (closed != null) closed.await();
            throwIt(thrown.get());
            check();
            synchronized (this) {
                action.run();
            }
        } catch (InterruptedException e) {
            throw new IOException("interrupted", e);
        } finally {
            inside.decrementAndGet();
        }
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void throwIt(Throwable what) throws T {
        if (what != null) throw (T) what;
    }

    private void check() throws IOException {
        if (fail) throw new IOException("the disk is broken");
    }

    @Override
    public String format() {
        return "memory";
    }

    @Override
    public long sizeBytes() {
        return bytes.length;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    private void readNow(long offset, IoVector into) {
        into.copyIn(0, bytes, (int) offset, (int) into.totalBytes());
    }

    private void writeNow(long offset, IoVector from) {
        writes++;
        from.copyOut(0, bytes, (int) offset, (int) from.totalBytes());
    }

    @Override
    public void read(long offset, IoVector into) throws IOException {
        waiting(() -> readNow(offset, into));
    }

    @Override
    public void write(long offset, IoVector from) throws IOException {
        waiting(() -> writeNow(offset, from));
    }

    @Override
    public synchronized boolean tryRead(long offset, IoVector into) throws IOException {
        if (!quick.test(offset)) return false;
        check();
        lastThread = Thread.currentThread().getName();
        readNow(offset, into);
        return true;
    }

    @Override
    public synchronized boolean tryWrite(long offset, IoVector from) throws IOException {
        if (!quick.test(offset)) return false;
        check();
        lastThread = Thread.currentThread().getName();
        writeNow(offset, from);
        return true;
    }

    @Override
    public void flush() throws IOException {
        waiting(() -> {
            flushes++;
            System.arraycopy(bytes, 0, durable, 0, bytes.length);
        });
    }

    @Override
    public void discard(long offset, long sizeBytes) throws IOException {
        writeZeroes(offset, sizeBytes, true);
    }

    @Override
    public void writeZeroes(long offset, long sizeBytes, boolean mayUnmap) throws IOException {
        waiting(() -> Arrays.fill(bytes, (int) offset, (int) (offset + sizeBytes), (byte) 0));
    }

    @Override
    public void close() {
        closed++;
    }
}
