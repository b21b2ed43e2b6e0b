package org.nestorvm.disk;

import java.io.IOException;
import org.nestorvm.memory.sys.IoVector;

/**
 * The file below an image: what the formats need of a file or a block device, and nothing more, so that a test can put
 * a file in its place that forgets what was not synchronised. Thread-safe. Offsets need no alignment.
 */
interface BlockFile extends AutoCloseable {
    /** For messages: the path. */
    String name();

    /** Bytes in the file now; the capacity of a device. */
    long length() throws IOException;

    /** Device and inode in one text: equal for two names of one file. */
    String identity() throws IOException;

    /** Fills all of it; what lies behind the end reads zero. */
    void read(long offset, IoVector into) throws IOException;

    void read(long offset, long toHostAddress, long sizeBytes) throws IOException;

    /** {@link #read} of what is in the host's memory. @return false when not all of it is, or nobody can say */
    default boolean tryRead(long offset, IoVector into) {
        return false;
    }

    void write(long offset, IoVector from) throws IOException;

    void write(long offset, long fromHostAddress, long sizeBytes) throws IOException;

    /** Everything written before is durable, and comes before everything written after. */
    void sync() throws IOException;

    void setLength(long sizeBytes) throws IOException;

    /** Gives the space back; the bytes read zero. @return false where the file system cannot */
    boolean punch(long offset, long sizeBytes) throws IOException;

    /** Zeroes without writing them, keeping the space. @return false where the file system cannot */
    boolean zeroRange(long offset, long sizeBytes) throws IOException;

    /** Reserves space; the bytes read zero, and the file reaches at least to the end of the range. */
    void allocate(long offset, long sizeBytes) throws IOException;

    /** The first byte of data at {@code offset} or after it; the length when only holes follow. */
    long nextData(long offset) throws IOException;

    /** The first hole at {@code offset} or after it; the length when there is none. */
    long nextHole(long offset) throws IOException;

    @Override
    void close();
}
