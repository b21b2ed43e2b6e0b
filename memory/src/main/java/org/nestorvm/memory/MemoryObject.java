package org.nestorvm.memory;

import java.io.IOException;

/** SKELETON: anonymous, sized, reference-counted memory; a sealed memfd. */
public final class MemoryObject {
    /** Creates an object with one reference, held by the caller. {@code name} shows in /proc. No page is allocated until touched. */
    public static MemoryObject create(String name, long sizeBytes) throws IOException {
        throw new UnsupportedOperationException();
    }

    /** Takes one more reference. @throws IllegalStateException when the last one was dropped already */
    public MemoryObject reference() {
        throw new UnsupportedOperationException();
    }

    /** Drops one reference; the last one closes the descriptor. */
    public void release() {
        throw new UnsupportedOperationException();
    }

    public String name() {
        throw new UnsupportedOperationException();
    }

    public long sizeBytes() {
        throw new UnsupportedOperationException();
    }

    /** The descriptor, valid while the caller holds a reference. */
    public int descriptor() {
        throw new UnsupportedOperationException();
    }

    /** Bytes that hold pages now (st_blocks of the memfd). */
    public long residentBytes() throws IOException {
        throw new UnsupportedOperationException();
    }

    /** Gives pages back to the host: the range reads zero afterwards (FALLOC_FL_PUNCH_HOLE). Page aligned. */
    public void discard(long offset, long sizeBytes) throws IOException {
        throw new UnsupportedOperationException();
    }

    /** Objects of this process that have not been freed. For leak checks. */
    public static int liveCount() {
        throw new UnsupportedOperationException();
    }
}
