package org.nestorvm.boot;

import com.github.luben.zstd.ZstdOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import net.jpountz.lz4.LZ4Factory;
import org.apache.commons.compress.compressors.bzip2.BZip2CompressorOutputStream;
import org.tukaani.xz.FilterOptions;
import org.tukaani.xz.LZMA2Options;
import org.tukaani.xz.LZMAOutputStream;
import org.tukaani.xz.X86Options;
import org.tukaani.xz.XZ;
import org.tukaani.xz.XZOutputStream;

/** Kernels of the smallest kind, made here: what is not said is as a linker or the Linux build would have it. */
final class TestImages {
    static final long TEXT = 0x400000, DATA = 0x500000, HIGHER_HALF = 0xffffffff80000000L;
    static final int TEXT_SIZE = 70_000, DATA_SIZE = 300, DATA_MEMORY = 200_000, PVH_ENTRY = 0x400040;
    static final int PVH_NOTE = 18;

    /** The code segment's bytes: compressible, with x86 calls for the BCJ filter to work on. */
    static byte[] text() {
        Random random = new Random(1);
        byte[] text = new byte[TEXT_SIZE];
        for (int i = 0; i < text.length; i++)
            text[i] = i % 16 == 0 ? (byte) 0xe8 : i % 16 > 3 ? (byte) i : (byte) random.nextInt(4);
        return text;
    }

    /**
     * Two PT_LOAD, the second with a bss, and a PT_NOTE. @param note the descriptor of a Xen PHYS32_ENTRY note; -1 for
     * none @param prefix what stands first in the text
     */
    static byte[] elf(boolean is64, long note, byte[] prefix) {
        int headerSize = is64 ? 64 : 52, phSize = is64 ? 56 : 32, phCount = 3;
        byte[] noteBytes = note < 0
                ? new byte[0]
                : new Bytes()
                        .u32(4)
                        .u32(is64 ? 8 : 4)
                        .u32(PVH_NOTE)
                        .text("Xen", 4, '\0')
                        .raw(
                                is64
                                        ? new Bytes().u64(note).toArray()
                                        : new Bytes().u32(note).toArray())
                        .toArray();
        int textAt = 0x1000, dataAt = textAt + TEXT_SIZE, noteAt = dataAt + DATA_SIZE;
        long base = is64 ? HIGHER_HALF : 0;
        Bytes out = new Bytes();
        out.u32(0x464c457fL)
                .u8(is64 ? 2 : 1)
                .u8(1)
                .u8(1)
                .zeros(9)
                .u16(2)
                .u16(is64 ? 62 : 3)
                .u32(1);
        word(out, is64, TEXT + 0x10); // physical already, as Linux has it
        word(out, is64, headerSize);
        word(out, is64, 0);
        out.u32(0).u16(headerSize).u16(phSize).u16(phCount).u16(0).u16(0).u16(0);
        header(out, is64, 1, textAt, base + TEXT, TEXT, TEXT_SIZE, TEXT_SIZE);
        header(out, is64, 1, dataAt, base + DATA, DATA, DATA_SIZE, DATA_MEMORY);
        header(out, is64, 4, noteAt, 0, 0, noteBytes.length, noteBytes.length);
        out.zeros(textAt - out.size());
        byte[] text = text();
        System.arraycopy(prefix, 0, text, 0, prefix.length);
        return out.raw(text).raw(data()).raw(noteBytes).toArray();
    }

    static byte[] data() {
        byte[] data = new byte[DATA_SIZE];
        new Random(2).nextBytes(data);
        return data;
    }

    private static void header(
            Bytes out, boolean is64, int type, long offset, long vaddr, long paddr, long fileSize, long memorySize) {
        out.u32(type);
        if (is64)
            out.u32(7)
                    .u64(offset)
                    .u64(vaddr)
                    .u64(paddr)
                    .u64(fileSize)
                    .u64(memorySize)
                    .u64(0x1000);
        else
            out.u32(offset)
                    .u32(vaddr)
                    .u32(paddr)
                    .u32(fileSize)
                    .u32(memorySize)
                    .u32(7)
                    .u32(0x1000);
    }

    private static void word(Bytes out, boolean is64, long value) {
        if (is64) out.u64(value);
        else out.u32(value);
    }

    /** @param format null stores a payload that nothing knows */
    static byte[] bzImage(Payload format, byte[] vmlinux) throws IOException {
        byte[] payload = format == null
                ? new Bytes()
                        .text("\u0089LZO", 4, ' ')
                        .raw(vmlinux)
                        .u32(vmlinux.length)
                        .toArray()
                : compress(format, vmlinux);
        int setupSectors = 3, start = (setupSectors + 1) * 512, payloadOffset = 0x300;
        byte[] image = new byte[start + payloadOffset + payload.length + 64];
        byte[] release = TestMemory.ascii("6.1.99-test (nobody@nowhere) #1\0");
        System.arraycopy(release, 0, image, 0x400, release.length);
        put(image, BzImage.SETUP_SECTS, 1, setupSectors);
        put(image, BzImage.BOOT_FLAG, 2, 0xaa55);
        put(image, BzImage.JUMP, 2, 0x6aeb);
        put(image, BzImage.HEADER, 4, 0x53726448L);
        put(image, BzImage.VERSION, 2, 0x20f);
        put(image, BzImage.KERNEL_VERSION, 2, 0x200);
        put(image, BzImage.LOADFLAGS, 1, 0x03); // LOADED_HIGH and KASLR_FLAG
        put(image, BzImage.INITRD_ADDR_MAX, 4, 0x7fffffffL);
        put(image, BzImage.XLOADFLAGS, 2, 0x7f);
        put(image, BzImage.CMDLINE_SIZE, 4, 2047);
        put(image, BzImage.PAYLOAD_OFFSET, 4, payloadOffset);
        put(image, BzImage.PAYLOAD_LENGTH, 4, payload.length);
        put(image, BzImage.PREF_ADDRESS, 8, 0x400000);
        put(image, BzImage.INIT_SIZE, 4, 0x200000);
        System.arraycopy(payload, 0, image, start + payloadOffset, payload.length);
        return image;
    }

    static void put(byte[] image, int at, int size, long value) {
        for (int i = 0; i < size; i++) image[at + i] = (byte) (value >>> 8 * i);
    }

    /** As the kernel's build does it: all but gzip have the size behind. */
    private static byte[] compress(Payload format, byte[] bytes) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        if (format == Payload.LZ4) {
            out.writeBytes(lz4(bytes));
        } else {
            try (OutputStream packer = packer(format, out)) {
                packer.write(bytes);
            }
        }
        Bytes all = new Bytes().raw(out.toByteArray());
        return (format == Payload.GZIP ? all : all.u32(bytes.length)).toArray();
    }

    private static OutputStream packer(Payload format, OutputStream out) throws IOException {
        return switch (format) {
            case GZIP -> new GZIPOutputStream(out);
            case BZIP2 -> new BZip2CompressorOutputStream(out);
            case LZMA -> new LZMAOutputStream(out, new LZMA2Options(1), -1);
            case XZ ->
                new XZOutputStream(out, new FilterOptions[] {new X86Options(), new LZMA2Options(1)}, XZ.CHECK_CRC32);
            case ZSTD -> new ZstdOutputStream(out);
            case LZ4 -> throw new IllegalArgumentException("lz4 has no stream");
        };
    }

    /** Legacy frame, in blocks much smaller than 8 MiB so that there are several. */
    private static byte[] lz4(byte[] bytes) {
        Bytes out = new Bytes().u32(0x184c2102L);
        for (int at = 0; at < bytes.length; at += 30_000) {
            byte[] block =
                    LZ4Factory.safeInstance().fastCompressor().compress(bytes, at, Math.min(30_000, bytes.length - at));
            out.u32(block.length).raw(block);
        }
        return out.toArray();
    }

    /** A multiboot 1 header, and the address fields when {@code load} is not 0. */
    static byte[] multiboot(int flags, long load, long loadEnd, long bssEnd, long entry) {
        long all = flags | (load == 0 ? 0 : 1 << 16);
        Bytes header = new Bytes().u32(0x1badb002L).u32(all).u32(-(0x1badb002L + all));
        return (load == 0
                        ? header
                        : header.u32(load).u32(load).u32(loadEnd).u32(bssEnd).u32(entry))
                .toArray();
    }

    private TestImages() {}
}
