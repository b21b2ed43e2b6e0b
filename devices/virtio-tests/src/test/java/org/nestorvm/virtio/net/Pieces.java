package org.nestorvm.virtio.net;

import java.lang.foreign.Arena;
import java.util.List;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/** Bytes scattered over memory. */
final class Pieces implements AutoCloseable {
    private final Arena arena = Arena.ofConfined();

    /** @param sizes of the pieces; the last one takes the rest, and the sizes are used again and again until then */
    IoVector scatter(byte[] bytes, List<Integer> sizes) {
        IoVector vector = new IoVector(4);
        for (int at = 0, i = 0; at < bytes.length; i++) {
            int size = Math.min(sizes.get(i % sizes.size()), bytes.length - at);
            long address = arena.allocate(size + 7, 8).address() + i % 8;
            HostMemory.copyIn(bytes, at, address, size);
            vector.add(address, size);
            at += size;
        }
        return vector;
    }

    static byte[] bytes(IoVector vector) {
        byte[] bytes = new byte[(int) vector.totalBytes()];
        vector.copyOut(0, bytes, 0, bytes.length);
        return bytes;
    }

    @Override
    public void close() {
        arena.close();
    }
}
