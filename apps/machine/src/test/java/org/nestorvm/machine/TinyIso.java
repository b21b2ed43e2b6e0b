package org.nestorvm.machine;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.scsi.Medium;

/** An ISO 9660 image (ECMA-119) with one file in its root directory. */
final class TinyIso implements Medium {
    private static final int BLOCK = 2048,
            DESCRIPTOR = 16,
            TERMINATOR = 17,
            PATHS_LITTLE = 18,
            PATHS_BIG = 19,
            ROOT = 20,
            FILE = 21,
            DIRECTORY = 2;

    private final byte[] image;
    private final ByteBuffer to;

    TinyIso(String label, String fileName, byte[] content) {
        int blocks = FILE + (content.length + BLOCK - 1) / BLOCK;
        image = new byte[blocks * BLOCK];
        to = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        descriptor(label, blocks);
        text(TERMINATOR * BLOCK, "\u00ffCD001\u0001");
        to.put(PATHS_LITTLE * BLOCK, (byte) 1)
                .putInt(PATHS_LITTLE * BLOCK + 2, ROOT)
                .putShort(PATHS_LITTLE * BLOCK + 6, (short) 1);
        to.put(PATHS_BIG * BLOCK, (byte) 1)
                .putInt(PATHS_BIG * BLOCK + 2, Integer.reverseBytes(ROOT))
                .putShort(PATHS_BIG * BLOCK + 6, (short) 0x100);
        int at = record(ROOT * BLOCK, ROOT, BLOCK, DIRECTORY, "\0");
        at = record(at, ROOT, BLOCK, DIRECTORY, "\u0001");
        record(at, FILE, content.length, 0, fileName + ";1");
        System.arraycopy(content, 0, image, FILE * BLOCK, content.length);
    }

    private void descriptor(String label, int blocks) {
        int at = DESCRIPTOR * BLOCK;
        text(at, "\u0001CD001\u0001");
        text(at + 8, " ".repeat(32));
        text(at + 40, String.format("%-32s", label));
        both32(at + 80, blocks);
        both16(at + 120, 1);
        both16(at + 124, 1);
        both16(at + 128, BLOCK);
        both32(at + 132, 10);
        to.putInt(at + 140, PATHS_LITTLE).putInt(at + 148, Integer.reverseBytes(PATHS_BIG));
        record(at + 156, ROOT, BLOCK, DIRECTORY, "\0");
        to.put(at + 881, (byte) 1); // version of the structure
    }

    /** A directory's entry. @return where the next begins */
    private int record(int at, int block, int sizeBytes, int flags, String name) {
        int length = 33 + name.length() + 1 & ~1;
        to.put(at, (byte) length);
        both32(at + 2, block);
        both32(at + 10, sizeBytes);
        text(at + 18, "\u007d\u0001\u0001\0\0\0\0"); // 1 January 2025
        to.put(at + 25, (byte) flags);
        both16(at + 28, 1);
        to.put(at + 32, (byte) name.length());
        text(at + 33, name);
        return at + length;
    }

    private void text(int at, String text) {
        to.put(at, text.getBytes(StandardCharsets.ISO_8859_1));
    }

    private void both32(int at, int value) {
        to.putInt(at, value).putInt(at + 4, Integer.reverseBytes(value));
    }

    private void both16(int at, int value) {
        to.putShort(at, (short) value).putShort(at + 2, Short.reverseBytes((short) value));
    }

    byte[] image() {
        return image;
    }

    @Override
    public long sizeBytes() {
        return image.length;
    }

    @Override
    public void read(long offset, IoVector into) {
        into.copyIn(0, image, (int) offset, (int) into.totalBytes());
    }
}
