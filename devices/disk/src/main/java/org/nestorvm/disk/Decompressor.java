package org.nestorvm.disk;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Unpacks compressed clusters: raw deflate or a zstd frame. The last one is kept, since a guest reads a cluster in
 * several requests. Used by one request at a time.
 */
final class Decompressor implements AutoCloseable {
    private final boolean zstd;
    private final Inflater inflater;
    private final ZstdDecompressCtx context;
    private final Arena arena = Arena.ofShared();
    private final ByteBuffer packed, plain;
    private final long packedAddress, plainAddress;
    private final int clusterBytes;
    private long keptDescriptor, keptGeneration = -1;

    /** Loads the library for zstd, which a process may not be able to do any more when it needs it. */
    static void prepare(boolean zstd) {
        if (zstd) new ZstdDecompressCtx().close();
    }

    Decompressor(int clusterBytes, boolean zstd) {
        this.clusterBytes = clusterBytes;
        this.zstd = zstd;
        inflater = zstd ? null : new Inflater(true);
        context = zstd ? new ZstdDecompressCtx() : null;
        MemorySegment from = arena.allocate(2L * clusterBytes + DiskImage.SECTOR_BYTES, 8),
                to = arena.allocate(clusterBytes, 8);
        packed = from.asByteBuffer();
        plain = to.asByteBuffer();
        packedAddress = from.address();
        plainAddress = to.address();
    }

    /**
     * @param descriptor names the compressed cluster
     * @param generation changes whenever a descriptor may have got another meaning
     * @return where the cluster's bytes are
     */
    long unpack(BlockFile file, long descriptor, long generation, long offset, int packedBytes) throws IOException {
        if (descriptor == keptDescriptor && generation == keptGeneration) return plainAddress;
        keptGeneration = -1;
        file.read(offset, packedAddress, packedBytes);
        packed.limit(packedBytes).position(0);
        plain.clear();
        try {
            boolean whole = zstd ? unzstd() : inflate();
            if (!whole) throw damaged(file, offset, null);
        } catch (DataFormatException | ZstdException e) {
            throw damaged(file, offset, e);
        }
        keptDescriptor = descriptor;
        keptGeneration = generation;
        return plainAddress;
    }

    private static IOException damaged(BlockFile file, long offset, Exception cause) {
        return new IOException(
                file.name() + " is damaged: the compressed cluster at " + offset + " cannot be unpacked", cause);
    }

    private boolean inflate() throws DataFormatException {
        inflater.reset();
        inflater.setInput(packed);
        while (plain.hasRemaining() && !inflater.finished()) {
            if (inflater.inflate(plain) == 0) break;
        }
        return !plain.hasRemaining();
    }

    private boolean unzstd() {
        context.reset();
        while (plain.hasRemaining() && packed.hasRemaining()) {
            int from = packed.position(), to = plain.position();
            boolean ended = context.decompressDirectByteBufferStream(plain, packed);
            if (!ended && packed.position() == from && plain.position() == to) break;
        }
        return !plain.hasRemaining();
    }

    int clusterBytes() {
        return clusterBytes;
    }

    @Override
    public void close() {
        if (zstd) context.close();
        else inflater.end();
        arena.close();
    }
}
