package org.nestorvm.virtio.scsi;

import java.io.IOException;
import org.nestorvm.memory.sys.IoVector;

/** What lies in a drive: bytes to be read. Called by one thread at a time. */
public interface Medium {
    long sizeBytes();

    /** Fills all of the vector with the bytes from {@code offset} on; they lie below {@link #sizeBytes}. */
    void read(long offset, IoVector into) throws IOException;

    /** The drive was closed with this in it. Whoever ejects a medium closes it himself. */
    default void close() throws IOException {}
}
