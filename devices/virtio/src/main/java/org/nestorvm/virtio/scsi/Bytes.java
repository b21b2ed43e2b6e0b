package org.nestorvm.virtio.scsi;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Fields of SCSI: big endian; text padded with blanks. */
final class Bytes {
    private Bytes() {}

    static int u8(byte[] from, int at) {
        return from[at] & 0xff;
    }

    static int u16(byte[] from, int at) {
        return u8(from, at) << 8 | u8(from, at + 1);
    }

    static long u32(byte[] from, int at) {
        return (long) u16(from, at) << 16 | u16(from, at + 2);
    }

    static long s64(byte[] from, int at) {
        return u32(from, at) << 32 | u32(from, at + 4);
    }

    static void put16(byte[] to, int at, int value) {
        to[at] = (byte) (value >>> 8);
        to[at + 1] = (byte) value;
    }

    static void put32(byte[] to, int at, long value) {
        put16(to, at, (int) (value >>> 16));
        put16(to, at + 2, (int) value);
    }

    static void put64(byte[] to, int at, long value) {
        put32(to, at, value >>> 32);
        put32(to, at + 4, value);
    }

    static void putText(byte[] to, int at, String text, int size) {
        Arrays.fill(to, at, at + size, (byte) ' ');
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(bytes, 0, to, at, Math.min(size, bytes.length));
    }
}
