package org.nestorvm.boot;

import com.github.luben.zstd.ZstdInputStream;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.compressors.bzip2.BZip2CompressorInputStream;
import org.tukaani.xz.LZMAInputStream;
import org.tukaani.xz.SingleXZInputStream;

/**
 * The compressed kernel inside a bzImage (Documentation/arch/x86/boot.rst, payload_offset). The last four bytes of
 * every payload hold the size it unpacks to: gzip has it by its format, the kernel's build appends it to the others.
 * LZO is the one format of the kernel's that is not unpacked here.
 */
enum Payload {
    GZIP("gzip", 0x1f, 0x8b) {
        @Override
        InputStream open(byte[] from, int offset, int length) throws IOException {
            return new GZIPInputStream(new ByteArrayInputStream(from, offset, length), BUFFER);
        }
    },
    BZIP2("bzip2", 'B', 'Z', 'h') {
        @Override
        InputStream open(byte[] from, int offset, int length) throws IOException {
            return new BZip2CompressorInputStream(new ByteArrayInputStream(from, offset, length - SIZE_BYTES));
        }
    },
    LZMA("lzma", 0x5d, 0, 0) {
        @Override
        InputStream open(byte[] from, int offset, int length) throws IOException {
            return new LZMAInputStream(new ByteArrayInputStream(from, offset, length - SIZE_BYTES), MEMORY_LIMIT_KIB);
        }
    },
    XZ("xz", 0xfd, '7', 'z', 'X', 'Z', 0) {
        @Override
        InputStream open(byte[] from, int offset, int length) throws IOException {
            return new SingleXZInputStream(
                    new ByteArrayInputStream(from, offset, length - SIZE_BYTES), MEMORY_LIMIT_KIB);
        }
    },
    LZ4("lz4", 0x02, 0x21, 0x4c, 0x18) {
        @Override
        InputStream open(byte[] from, int offset, int length) {
            return new Lz4LegacyInputStream(from, offset + 4, length - 4 - SIZE_BYTES);
        }
    },
    ZSTD("zstd", 0x28, 0xb5, 0x2f, 0xfd) {
        @Override
        InputStream open(byte[] from, int offset, int length) throws IOException {
            return new ZstdInputStream(new ByteArrayInputStream(from, offset, length - SIZE_BYTES));
        }
    };

    /** No kernel comes near; a file that claims more is broken, and is not allowed to exhaust the heap. */
    static final long MAX_BYTES = 256L << 20;

    private static final int SIZE_BYTES = 4, BUFFER = 1 << 16, MEMORY_LIMIT_KIB = 256 << 10;

    private final String label;
    private final int[] magic;

    Payload(String label, int... magic) {
        this.label = label;
        this.magic = magic;
    }

    /** The name that the user knows. */
    String label() {
        return label;
    }

    abstract InputStream open(byte[] from, int offset, int length) throws IOException;

    /** Null when the bytes begin like none of the formats. */
    static Payload detect(byte[] from, int offset, int length) {
        for (Payload format : values()) {
            if (length >= format.magic.length + SIZE_BYTES && format.matches(from, offset)) return format;
        }
        return null;
    }

    private boolean matches(byte[] from, int offset) {
        for (int i = 0; i < magic.length; i++) {
            if ((from[offset + i] & 0xff) != magic[i]) return false;
        }
        return true;
    }

    /** Unpacks {@code image[offset, offset+length)}; the result has exactly the size that the payload declares. */
    byte[] unpack(Image image, int offset, int length) throws BootException {
        long declared = image.u32(offset + length - SIZE_BYTES);
        if (declared == 0 || declared > MAX_BYTES) {
            throw image.error(
                    "the " + label + " payload says that it unpacks to " + declared + " bytes, 1 to " + MAX_BYTES
                            + " are allowed",
                    "take an undamaged kernel");
        }
        byte[] out = new byte[(int) declared];
        try (InputStream in = open(image.bytes(), offset, length)) {
            int read = in.readNBytes(out, 0, out.length);
            if (read != out.length || in.read() >= 0) {
                throw image.error(
                        "the " + label + " payload unpacks to " + (read == out.length ? "more than " : "") + read
                                + " bytes and declares " + declared,
                        "take an undamaged kernel");
            }
        } catch (BootException e) {
            throw e;
        } catch (IOException | RuntimeException e) { // the decompressors throw both for bytes that no compressor wrote
            throw new BootException(
                    image.name() + ": the " + label + " payload does not unpack (" + firstLine(e)
                            + "); take an undamaged kernel",
                    e);
        }
        return out;
    }

    private static String firstLine(Exception e) {
        return String.valueOf(e.getMessage())
                .lines()
                .findFirst()
                .orElse(e.getClass().getSimpleName());
    }

    static byte[] slice(byte[] from, int offset, int length) {
        return Arrays.copyOfRange(from, offset, offset + length);
    }
}
