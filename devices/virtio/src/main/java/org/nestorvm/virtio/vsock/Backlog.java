package org.nestorvm.virtio.vsock;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import org.nestorvm.memory.sys.IoVector;

/**
 * Bytes of one connection that the guest has sent and the host's program has not taken: copied out of the guest's
 * buffers, which would be held up otherwise, into chunks of a pool that all connections share. Never more than the
 * connection's window, since the guest may not send more.
 */
final class Backlog {
    static final int CHUNK = 16 << 10;

    /** Chunks that nobody has, to be used again. */
    static final class Pool {
        private static final int KEPT = 64;
        private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();

        private MemorySegment take() {
            MemorySegment chunk = free.poll();
            return chunk != null ? chunk : Arena.ofAuto().allocate(CHUNK, Long.BYTES);
        }

        private void give(MemorySegment chunk) {
            if (free.size() < KEPT) free.push(chunk);
        }
    }

    private final Pool pool;
    private final ArrayDeque<MemorySegment> chunks = new ArrayDeque<>(2);
    private int start, end; // in the first chunk, in the last one
    private long bytes;

    Backlog(Pool pool) {
        this.pool = pool;
    }

    long bytes() {
        return bytes;
    }

    boolean isEmpty() {
        return bytes == 0;
    }

    /** @return false when this process has no memory for them */
    boolean append(IoVector from) {
        long total = from.totalBytes();
        for (long done = 0; done < total; ) {
            if (chunks.isEmpty() || end == CHUNK) {
                try {
                    chunks.add(pool.take());
                } catch (OutOfMemoryError e) {
                    return false;
                }
                end = 0;
            }
            int piece = (int) Math.min(CHUNK - end, total - done);
            from.copyOut(done, chunks.getLast().address() + end, piece);
            end += piece;
            done += piece;
            bytes += piece;
        }
        return true;
    }

    /** All of it, as a vector. */
    void list(IoVector to) {
        to.clear();
        long left = bytes;
        int from = start;
        for (MemorySegment chunk : chunks) {
            long piece = Math.min(CHUNK - from, left);
            to.add(chunk.address() + from, piece);
            left -= piece;
            from = 0;
        }
    }

    /** The first bytes are gone. */
    void skip(long count) {
        bytes -= count;
        long at = start + count;
        while (!chunks.isEmpty() && (at >= CHUNK || bytes == 0)) {
            pool.give(chunks.poll());
            at -= CHUNK;
        }
        start = bytes == 0 ? 0 : (int) at;
    }

    void clear() {
        skip(bytes);
    }
}
