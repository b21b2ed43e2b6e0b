package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.HostMemory;

/** Tables of big-endian numbers between the file and the heap. */
final class Tables {
    private static final int CHUNK = 8192;

    private Tables() {}

    static long[] read(BlockFile file, long offset, int entries) throws IOException {
        long[] table = new long[entries];
        try (Arena arena = Arena.ofConfined()) {
            long buffer = arena.allocate(8L * CHUNK, 8).address();
            for (int at = 0; at < entries; at += CHUNK) {
                int count = Math.min(CHUNK, entries - at);
                file.read(offset + 8L * at, buffer, 8L * count);
                for (int i = 0; i < count; i++) table[at + i] = Long.reverseBytes(HostMemory.getLong(buffer + 8L * i));
            }
        }
        return table;
    }

    /** Writes entries {@code from} to {@code to}. */
    static void write(BlockFile file, long offset, long[] table, int from, int to) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            long buffer = arena.allocate(8L * CHUNK, 8).address();
            for (int at = from; at < to; at += CHUNK) {
                int count = Math.min(CHUNK, to - at);
                for (int i = 0; i < count; i++) HostMemory.putLong(buffer + 8L * i, Long.reverseBytes(table[at + i]));
                file.write(offset + 8L * at, buffer, 8L * count);
            }
        }
    }

    /** Numbers side by side, in one write within one sector of the header: it happens as a whole or not at all. */
    static void writeHeader(BlockFile file, int field, int sizeBytes, long first, long second) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            long buffer = arena.allocate(16, 8).address();
            HostMemory.putLong(buffer, Long.reverseBytes(first));
            HostMemory.putLong(buffer + 8, Long.reverseBytes(second));
            file.write(field, buffer, sizeBytes);
        }
    }

    static void writeHeaderTable(BlockFile file, long refcountTableOffset, int clusters) throws IOException {
        writeHeader(file, Qcow2Header.REFCOUNT_TABLE_OFFSET, 12, refcountTableOffset, (long) clusters << 32);
    }
}
