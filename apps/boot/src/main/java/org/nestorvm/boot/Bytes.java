package org.nestorvm.boot;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Little-endian structures, written field after field. */
public final class Bytes {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    public Bytes u8(int value) {
        out.write(value);
        return this;
    }

    public Bytes u16(int value) {
        return u8(value).u8(value >>> 8);
    }

    public Bytes u32(long value) {
        return u16((int) value).u16((int) (value >>> 16));
    }

    public Bytes u64(long value) {
        return u32(value).u32(value >>> 32);
    }

    public Bytes raw(byte[] bytes) {
        out.writeBytes(bytes);
        return this;
    }

    /** ASCII, cut or filled to {@code size} with {@code fill}. */
    public Bytes text(String text, int size, char fill) {
        for (int i = 0; i < size; i++) u8(i < text.length() ? text.charAt(i) : fill);
        return this;
    }

    /** UTF-8 and a NUL. */
    public Bytes string(String text) {
        return raw(text.getBytes(StandardCharsets.UTF_8)).u8(0);
    }

    /** Zeros up to the next multiple of {@code align}. */
    public Bytes align(int align) {
        while (out.size() % align != 0) u8(0);
        return this;
    }

    public Bytes zeros(int count) {
        return raw(new byte[count]);
    }

    public int size() {
        return out.size();
    }

    public byte[] toArray() {
        return out.toByteArray();
    }
}
