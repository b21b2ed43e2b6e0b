package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/** Memory as a guest would own it, in pieces of odd sizes. */
final class Buffer implements AutoCloseable {
    private final Arena arena = Arena.ofShared();

    IoVector vector(byte[] bytes, Random random) {
        IoVector vector = new IoVector(1);
        for (int at = 0; at < bytes.length; ) {
            int piece = Math.min(bytes.length - at, 1 + random.nextInt(9000));
            MemorySegment memory = arena.allocate(piece + 1L);
            HostMemory.copyIn(bytes, at, memory.address(), piece);
            vector.add(memory.address(), piece);
            at += piece;
        }
        return vector;
    }

    static byte[] read(DiskImage image, long offset, int sizeBytes) throws IOException {
        return read(offset, sizeBytes, vector -> {
            image.read(offset, vector);
            return true;
        });
    }

    /** @return null when it may wait */
    static byte[] tryRead(DiskImage image, long offset, int sizeBytes) throws IOException {
        return read(offset, sizeBytes, vector -> image.tryRead(offset, vector));
    }

    @FunctionalInterface
    private interface Reader {
        boolean read(IoVector into) throws IOException;
    }

    private static byte[] read(long offset, int sizeBytes, Reader reader) throws IOException {
        try (Buffer buffer = new Buffer()) {
            byte[] bytes = new byte[sizeBytes];
            new Random(offset).nextBytes(bytes);
            IoVector vector = buffer.vector(bytes, new Random(offset));
            if (!reader.read(vector)) return null;
            vector.copyOut(0, bytes, 0, sizeBytes);
            return bytes;
        }
    }

    static boolean tryWrite(DiskImage image, long offset, byte[] bytes) throws IOException {
        try (Buffer buffer = new Buffer()) {
            return image.tryWrite(offset, buffer.vector(bytes, new Random(offset)));
        }
    }

    static void write(DiskImage image, long offset, byte[] bytes) throws IOException {
        try (Buffer buffer = new Buffer()) {
            image.write(offset, buffer.vector(bytes, new Random(offset)));
        }
    }

    static byte[] random(int sizeBytes, long seed) {
        byte[] bytes = new byte[sizeBytes];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @Override
    public void close() {
        arena.close();
    }
}
