package org.nestorvm.virtio.net;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.Threads;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes frames to a pcap file with times in nanoseconds, for tcpdump and Wireshark. Who has a frame copies it into one
 * of two buffers; a thread of this class writes the other one to the file, so that no queue waits for a disk. When the
 * disk is too slow frames are left out of the file and counted.
 */
public final class PacketCapture implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PacketCapture.class);
    static final int MAGIC_NANOSECONDS = 0xa1b23c4d, ETHERNET = 1, DEFAULT_SNAP_BYTES = 262_144;
    static final int FILE_HEADER_BYTES = 24, RECORD_HEADER_BYTES = 16;
    private static final int BUFFER_BYTES = 2 << 20;
    private static final long NS_PER_SECOND = 1_000_000_000;

    private final Path file;
    private final FileChannel channel;
    private final int snapBytes;
    private final long startNs; // wall clock less System.nanoTime()
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Arena arena = Arena.ofShared();
    private MemorySegment filling = arena.allocate(BUFFER_BYTES, Long.BYTES),
            writing = arena.allocate(BUFFER_BYTES, Long.BYTES);
    private int filled;
    private long leftOut;
    private boolean closed, failed, idle;
    private final Thread thread;

    /** Begins a new file in place of any that is there. @param snapBytes of each frame at most; 0 for all of it */
    public PacketCapture(Path file, int snapBytes) throws IOException {
        this.file = file;
        this.snapBytes = snapBytes == 0 ? DEFAULT_SNAP_BYTES : snapBytes;
        Instant now = Instant.now();
        startNs = now.getEpochSecond() * NS_PER_SECOND + now.getNano() - System.nanoTime();
        try {
            channel = FileChannel.open(
                    file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE);
            writeAll(fileHeader());
        } catch (IOException e) {
            throw new IOException("pcap=" + file + " cannot be written: " + e, e);
        }
        thread = Thread.ofPlatform().name("pcap").daemon().start(this::run);
    }

    private ByteBuffer fileHeader() {
        return ByteBuffer.allocate(FILE_HEADER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(MAGIC_NANOSECONDS)
                .putShort((short) 2)
                .putShort((short) 4)
                .putInt(0)
                .putInt(0)
                .putInt(snapBytes)
                .putInt(ETHERNET)
                .flip();
    }

    private void writeAll(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) channel.write(bytes);
    }

    /** Records one frame, as long as its vector. @return 0 */
    public int record(IoVector frame) {
        long ns = startNs + System.nanoTime();
        int length = (int) frame.totalBytes();
        int kept = Math.min(length, snapBytes);
        lock.lock();
        try {
            if (closed || failed) return 0;
            if (filled + RECORD_HEADER_BYTES + kept > BUFFER_BYTES) {
                leftOut++;
                return 0;
            }
            long at = filling.address() + filled;
            HostMemory.putInt(at, (int) (ns / NS_PER_SECOND));
            HostMemory.putInt(at + 4, (int) (ns % NS_PER_SECOND));
            HostMemory.putInt(at + 8, kept);
            HostMemory.putInt(at + 12, length);
            frame.copyOut(0, at + RECORD_HEADER_BYTES, kept);
            filled += RECORD_HEADER_BYTES + kept;
            if (idle) changed.signal();
            return 0;
        } finally {
            lock.unlock();
        }
    }

    private void run() {
        try {
            for (int bytes = swap(); bytes > 0; bytes = swap())
                writeAll(writing.asByteBuffer().limit(bytes));
        } catch (IOException e) {
            LOG.error("capture of packets to {} ends: {}", file, e.toString());
            lock.lock();
            failed = true;
            lock.unlock();
        }
    }

    /** Waits for frames. @return bytes of them, or 0 when there will be none any more */
    private int swap() {
        lock.lock();
        try {
            idle = true;
            while (filled == 0 && !closed) changed.awaitUninterruptibly();
            idle = false;
            MemorySegment full = filling;
            filling = writing;
            writing = full;
            int bytes = filled;
            filled = 0;
            return bytes;
        } finally {
            lock.unlock();
        }
    }

    /** Frames that are not in the file since it could not be written fast enough. */
    public long leftOut() {
        lock.lock();
        try {
            return leftOut;
        } finally {
            lock.unlock();
        }
    }

    /** What was recorded is in the file when this returns. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (closed) return;
            closed = true;
            changed.signal();
        } finally {
            lock.unlock();
        }
        Threads.awaitEnd(thread);
        try {
            channel.close();
        } catch (IOException e) {
            LOG.error("{}: {}", file, e.toString());
        }
        arena.close();
        if (leftOut > 0) LOG.warn("{} frames are not in {}, which could not be written fast enough", leftOut, file);
    }
}
