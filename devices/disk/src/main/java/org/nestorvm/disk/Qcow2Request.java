package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.IoVector;

/** What one request to a qcow2 image works with. Reused by the next, so that requests allocate nothing. */
final class Qcow2Request implements AutoCloseable {
    final ClusterMap.Run run = new ClusterMap.Run();
    /** What is around the bytes of a write, and these. */
    final IoVector surrounded = new IoVector(64);

    final IoVector zeroes = new IoVector(1);
    /** Clusters that this request fills: the first, and how many. */
    long cluster;

    int clusters;
    /** Whether they were free before, and whether the file has never been written there. */
    boolean fresh, untouched;

    long began, zeroBytes;
    Qcow2Request next;

    private final Qcow2Header header;
    private final IoVector part = new IoVector(64), around = new IoVector(1);
    private final Arena arena = Arena.ofShared();
    private long before, after;
    private Decompressor decompressor;

    Qcow2Request(Qcow2Header header) {
        this.header = header;
    }

    /** These bytes of the vector; itself where that is all of it. */
    IoVector part(IoVector whole, long at, long sizeBytes) {
        return at == 0 && sizeBytes == whole.totalBytes() ? whole : part.clear().add(whole, at, sizeBytes);
    }

    /** @return false when nothing need be written there */
    boolean surround(Qcow2Image image, long address, long offset, long sizeBytes) throws IOException {
        return image.readSurroundings(this, offset, around.clear().add(address, sizeBytes));
    }

    long before() {
        if (before == 0) before = arena.allocate(header.clusterBytes(), 4096).address();
        return before;
    }

    long after() {
        if (after == 0) after = arena.allocate(header.clusterBytes(), 4096).address();
        return after;
    }

    void addBefore(IoVector to, long sizeBytes) {
        to.add(before, sizeBytes);
    }

    void addAfter(IoVector to, long sizeBytes) {
        to.add(after, sizeBytes);
    }

    Decompressor decompressor() {
        if (decompressor == null)
            decompressor = new Decompressor((int) header.clusterBytes(), header.compression == Qcow2Header.ZSTD);
        return decompressor;
    }

    @Override
    public void close() {
        if (decompressor != null) decompressor.close();
        arena.close();
    }
}
