package org.nestorvm.boot;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * A file held in memory, whose numbers are little endian and whose every read is checked: an offset from the file
 * itself can be anything.
 *
 * @param name what error messages call it
 */
public record Image(String name, byte[] bytes) {
    private static final VarHandle U16 = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U32 = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    /** Reads all of a file. @param what the option that named it, for the message: {@code --kernel} */
    public static Image read(String what, Path file) throws BootException {
        try {
            if (Files.isDirectory(file)) throw new BootException(what + " " + file + ": is a directory; pass a file");
            if (Files.size(file) > Integer.MAX_VALUE - 16)
                throw new BootException(what + " " + file + ": " + Files.size(file)
                        + " bytes, at most 2 GiB can be loaded; pass a smaller file");
            return new Image(file.toString(), Files.readAllBytes(file));
        } catch (NoSuchFileException e) {
            throw new BootException(what + " " + file + ": no such file; check the path", e);
        } catch (AccessDeniedException e) {
            throw new BootException(what + " " + file + ": permission denied; make it readable for this user", e);
        } catch (BootException e) {
            throw e;
        } catch (IOException e) {
            throw new BootException(what + " " + file + ": cannot be read (" + e.getMessage() + "); check the file", e);
        }
    }

    public int length() {
        return bytes.length;
    }

    /** True when {@code size} bytes at {@code offset} are in the file; both are unsigned. */
    public boolean has(long offset, long size) {
        return offset >= 0 && size >= 0 && offset <= bytes.length && size <= bytes.length - offset;
    }

    public int u8(long offset) throws BootException {
        return bytes[check(offset, 1)] & 0xff;
    }

    public int u16(long offset) throws BootException {
        return (short) U16.get(bytes, check(offset, 2)) & 0xffff;
    }

    public long u32(long offset) throws BootException {
        return (int) U32.get(bytes, check(offset, 4)) & 0xffffffffL;
    }

    public long u64(long offset) throws BootException {
        return (long) U64.get(bytes, check(offset, 8));
    }

    /** The NUL-terminated text at {@code offset}, at most {@code limit} bytes of it; the file's end ends it too. */
    public String text(long offset, int limit) throws BootException {
        int start = check(offset, 0), end = start;
        while (end < bytes.length && end - start < limit && bytes[end] != 0) end++;
        return new String(bytes, start, end - start, StandardCharsets.ISO_8859_1);
    }

    private int check(long offset, int size) throws BootException {
        if (!has(offset, size)) {
            throw error(
                    "bytes at offset 0x" + Long.toHexString(offset) + " are needed and the file ends at 0x"
                            + Integer.toHexString(bytes.length),
                    "it is truncated, copy it again");
        }
        return (int) offset;
    }

    BootException error(String found, String mend) {
        return new BootException(name + ": " + found + "; " + mend);
    }
}
