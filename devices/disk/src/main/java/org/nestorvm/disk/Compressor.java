package org.nestorvm.disk;

import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.zip.Deflater;
import org.nestorvm.memory.sys.HostMemory;

/** Packs clusters: raw deflate or a zstd frame, at the levels that QEMU takes. Used by one thread. */
final class Compressor implements AutoCloseable {
    private static final int ZSTD_LEVEL = 3;

    private final int clusterBytes;
    private final Deflater deflater;
    private final ZstdCompressCtx context;
    private final Arena arena = Arena.ofConfined();
    private final ByteBuffer plain, packed;
    private final long plainAddress, packedAddress;

    Compressor(int clusterBytes, boolean zstd) {
        this.clusterBytes = clusterBytes;
        deflater = zstd ? null : new Deflater(Deflater.DEFAULT_COMPRESSION, true);
        context = zstd ? new ZstdCompressCtx().setLevel(ZSTD_LEVEL) : null;
        MemorySegment from = arena.allocate(clusterBytes, 8), to = arena.allocate(clusterBytes, 8);
        plain = from.asByteBuffer();
        packed = to.asByteBuffer();
        plainAddress = from.address();
        packedAddress = to.address();
    }

    /** Where the packed bytes are. */
    long address() {
        return packedAddress;
    }

    /**
     * @param sizeBytes of a whole cluster, or less at the end of a disk: zeroes follow. @return bytes, those of a
     *     cluster when it does not become smaller
     */
    int pack(long address, int sizeBytes) {
        HostMemory.copy(address, plainAddress, sizeBytes);
        HostMemory.fill(plainAddress + sizeBytes, clusterBytes - sizeBytes, (byte) 0);
        plain.clear();
        packed.clear().limit(clusterBytes - 1);
        return deflater != null ? deflate() : zstd();
    }

    private int deflate() {
        deflater.reset();
        deflater.setInput(plain);
        deflater.finish();
        while (!deflater.finished()) {
            if (deflater.deflate(packed) == 0) return clusterBytes;
        }
        return packed.position();
    }

    private int zstd() {
        try {
            return context.compressDirectByteBuffer(packed, 0, packed.limit(), plain, 0, clusterBytes);
        } catch (ZstdException e) {
            return clusterBytes; // it does not fit
        }
    }

    @Override
    public void close() {
        if (deflater != null) deflater.end();
        else context.close();
        arena.close();
    }
}
