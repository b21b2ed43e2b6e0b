package org.nestorvm.boot;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4SafeDecompressor;

/**
 * The legacy LZ4 frame that {@code lz4 -l} writes, after its magic: blocks of up to 8 MiB, each after its compressed
 * size in four bytes.
 */
final class Lz4LegacyInputStream extends InputStream {
    private static final int BLOCK_MAX = 8 << 20;

    private final LZ4SafeDecompressor decompressor = LZ4Factory.safeInstance().safeDecompressor();
    private final byte[] block = new byte[BLOCK_MAX];
    private final byte[] from;
    private final int end;
    private int next, position, filled;

    Lz4LegacyInputStream(byte[] from, int offset, int length) {
        this.from = from;
        this.next = offset;
        this.end = offset + length;
    }

    @Override
    public int read() throws IOException {
        return fill() ? block[position++] & 0xff : -1;
    }

    @Override
    public int read(byte[] to, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, to.length);
        if (length == 0) return 0;
        if (!fill()) return -1;
        int count = Math.min(length, filled - position);
        System.arraycopy(block, position, to, offset, count);
        position += count;
        return count;
    }

    /** False at the end. */
    private boolean fill() throws IOException {
        while (position == filled) {
            if (next == end) return false;
            if (end - next < 4) throw new EOFException("block size cut off");
            int size = from[next] & 0xff
                    | (from[next + 1] & 0xff) << 8
                    | (from[next + 2] & 0xff) << 16
                    | from[next + 3] << 24;
            next += 4;
            if (size <= 0 || size > end - next)
                throw new EOFException(
                        "block of " + Integer.toUnsignedString(size) + " bytes, " + (end - next) + " are left");
            filled = decompressor.decompress(from, next, size, block, 0, BLOCK_MAX);
            position = 0;
            next += size;
        }
        return true;
    }
}
