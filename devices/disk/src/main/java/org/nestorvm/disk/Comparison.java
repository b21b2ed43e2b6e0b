package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.function.DoubleConsumer;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/**
 * Whether a guest would see the same on two images, as {@code qemu-img compare} has it. What lies behind the end of the
 * smaller one must read zero.
 */
public final class Comparison implements AutoCloseable {
    private static final int PIECE_BYTES = 2 << 20;

    /** What was found; STATUS and SIZE only where it was asked to be strict. */
    public enum Kind {
        EQUAL,
        CONTENT,
        STATUS,
        SIZE
    }

    /** @param offset of the first sector that differs */
    public record Result(Kind kind, long offset) {}

    private final DiskImage one, other;
    private final Arena arena = Arena.ofConfined();
    private final long first = arena.allocate(PIECE_BYTES, 4096).address();
    private final long second = arena.allocate(PIECE_BYTES, 4096).address();
    private final IoVector vector = new IoVector(1);
    private boolean reading;

    public Comparison(Path one, OpenOptions options, Path other, OpenOptions otherOptions) throws IOException {
        this.one = Disks.open(one, options.withReadOnly(true));
        try {
            this.other = Disks.open(other, otherOptions.withReadOnly(true));
        } catch (IOException | RuntimeException e) {
            this.one.close();
            throw e;
        }
    }

    public boolean sizesDiffer() {
        return one.sizeBytes() != other.sizeBytes();
    }

    /** After an exception: whether it was data that could not be read, and not a table. */
    public boolean wasReading() {
        return reading;
    }

    /** @param strict sizes must be equal, and what is allocated and what is zero without a look */
    public Result compare(boolean strict, DoubleConsumer progress) throws IOException {
        if (strict && sizesDiffer()) return new Result(Kind.SIZE, 0);
        long both = Math.min(one.sizeBytes(), other.sizeBytes()), all = Math.max(one.sizeBytes(), other.sizeBytes());
        DiskImage larger = one.sizeBytes() > both ? one : other;
        for (long at = 0; at < all; ) {
            boolean end = at >= both;
            Extent left = Extent.at(end ? larger : one, at, (end ? all : both) - at);
            Extent right = end ? null : Extent.at(other, at, left.length());
            long bytes = right == null ? left.length() : right.length();
            if (strict && differs(left, right)) return new Result(Kind.STATUS, at);
            long found = end ? mismatch(larger, left, null, null, bytes) : mismatch(one, left, other, right, bytes);
            if (found >= 0) return new Result(Kind.CONTENT, found);
            at += bytes;
            progress.accept((double) at / all);
        }
        return new Result(Kind.EQUAL, 0);
    }

    private static boolean differs(Extent left, Extent right) {
        return left.present() != right.present() || left.zero() != right.zero() || left.data() != right.data();
    }

    /** @return the first sector that differs, or -1 */
    private long mismatch(DiskImage a, Extent left, DiskImage b, Extent right, long bytes) throws IOException {
        boolean leftZero = left.zero(), rightZero = right == null || right.zero();
        if (leftZero && rightZero) return -1;
        for (long done = 0; done < bytes; ) {
            int piece = (int) Math.min(bytes - done, PIECE_BYTES);
            long at = left.start() + done, found;
            if (leftZero || rightZero) {
                read(leftZero ? b : a, at, first, piece);
                found = HostMemory.mismatch(first, HostFile.ZEROES, piece);
            } else {
                read(a, at, first, piece);
                read(b, at, second, piece);
                found = HostMemory.mismatch(first, second, piece);
            }
            if (found >= 0) return (at + found) / DiskImage.SECTOR_BYTES * DiskImage.SECTOR_BYTES;
            done += piece;
        }
        return -1;
    }

    private void read(DiskImage image, long offset, long to, int bytes) throws IOException {
        reading = true;
        image.read(offset, vector.clear().add(to, bytes));
        reading = false;
    }

    @Override
    public void close() throws IOException {
        arena.close();
        try (one) {
            other.close();
        }
    }
}
