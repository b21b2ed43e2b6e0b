package org.nestorvm.disk;

import java.io.IOException;
import org.nestorvm.memory.sys.IoVector;

/**
 * What a guest's disk consists of. Any number of threads may call; requests that overlap happen in some order, each
 * sector as a whole.
 *
 * <p>Offsets and sizes are bytes, multiples of {@value #SECTOR_BYTES} within {@link #sizeBytes}; anything else is
 * refused before it has an effect. Vectors hold host addresses and belong to the caller: they are read and never
 * changed. After an exception the sectors of that request may hold old or new bytes; the image itself stays in order.
 */
public interface DiskImage extends AutoCloseable {
    int SECTOR_BYTES = 512;

    /** {@code raw} or {@code qcow2}. */
    String format();

    /** What the guest sees. A raw file that does not end with a sector counts up to the next sector. */
    long sizeBytes();

    boolean readOnly();

    /** Fills the whole vector; holes read zero. */
    void read(long offset, IoVector into) throws IOException;

    void write(long offset, IoVector from) throws IOException;

    /**
     * {@link #read} where that surely does not wait: for the host's disk, for another request, for much work.
     *
     * @return false when it might; the vector's bytes may have changed then, and who wants them calls {@link #read}
     */
    default boolean tryRead(long offset, IoVector into) throws IOException {
        return false;
    }

    /**
     * {@link #write} where that surely does not wait, but for room in the host's cache. @return false when it might,
     * and nothing was written
     */
    default boolean tryWrite(long offset, IoVector from) throws IOException {
        return false;
    }

    /** When it returns every write that had returned before survives a loss of power. */
    void flush() throws IOException;

    /**
     * The guest needs the bytes no more. Afterwards each sector reads zero or what it held before, and goes on doing
     * so.
     */
    void discard(long offset, long sizeBytes) throws IOException;

    /** @param mayUnmap whether the host's space may be given back */
    void writeZeroes(long offset, long sizeBytes, boolean mayUnmap) throws IOException;

    /**
     * The first sector at {@code offset} or after it that may hold data; {@link #sizeBytes} when all the rest is known
     * to read zero.
     */
    default long nextData(long offset) throws IOException {
        return offset;
    }

    /**
     * The first sector at {@code offset} or after it that is known to read zero without a look at its bytes;
     * {@link #sizeBytes} when there is none. Behind {@code offset} where {@link #nextData} answers that.
     */
    default long nextHole(long offset) throws IOException {
        return sizeBytes();
    }

    /**
     * Writes back what is cached, makes it durable, gives the lock and the descriptors back. No request may be under
     * way. A second call does nothing.
     */
    @Override
    void close() throws IOException;
}
