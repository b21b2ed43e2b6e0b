package org.nestorvm.boot.acpi;

import java.util.Arrays;
import org.nestorvm.boot.Bytes;

/**
 * Encodes ACPI Machine Language, as far as a static description of hardware needs it (ACPI 6.5, chapter 20). Each
 * method gives the bytes of one term.
 */
final class Aml {
    private static final int ZERO_OP = 0x00,
            ONE_OP = 0x01,
            NAME_OP = 0x08,
            BYTE_PREFIX = 0x0a,
            WORD_PREFIX = 0x0b,
            DWORD_PREFIX = 0x0c,
            STRING_PREFIX = 0x0d,
            QWORD_PREFIX = 0x0e,
            SCOPE_OP = 0x10,
            BUFFER_OP = 0x11,
            PACKAGE_OP = 0x12,
            EXT_OP_PREFIX = 0x5b,
            DEVICE_OP = 0x82;
    private static final int DUAL_NAME = 0x2e, MULTI_NAME = 0x2f;

    /** ZeroOp, OneOp, or the shortest prefix that holds the value. */
    static byte[] integer(long value) {
        Bytes out = new Bytes();
        if (value == 0) return out.u8(ZERO_OP).toArray();
        if (value == 1) return out.u8(ONE_OP).toArray();
        if (value >>> 8 == 0) return out.u8(BYTE_PREFIX).u8((int) value).toArray();
        if (value >>> 16 == 0) return out.u8(WORD_PREFIX).u16((int) value).toArray();
        if (value >>> 32 == 0) return out.u8(DWORD_PREFIX).u32(value).toArray();
        return out.u8(QWORD_PREFIX).u64(value).toArray();
    }

    static byte[] string(String text) {
        return new Bytes().u8(STRING_PREFIX).string(text).toArray();
    }

    /**
     * A compressed EISA identifier, {@code PNP0501}: three letters of five bits and four hex digits, big endian
     * (19.6.33).
     */
    static byte[] eisaId(String id) {
        int vendor = id.charAt(0) - 0x40 << 10 | id.charAt(1) - 0x40 << 5 | id.charAt(2) - 0x40;
        return integer(
                Integer.toUnsignedLong(Integer.reverseBytes(vendor << 16 | Integer.parseInt(id.substring(3), 16))));
    }

    static byte[] name(String path, byte[] object) {
        return new Bytes().u8(NAME_OP).raw(path(path)).raw(object).toArray();
    }

    static byte[] scope(String path, byte[]... terms) {
        return block(new byte[] {SCOPE_OP}, path(path), terms);
    }

    static byte[] device(String name, byte[]... terms) {
        return block(new byte[] {EXT_OP_PREFIX, (byte) DEVICE_OP}, path(name), terms);
    }

    /** At most 255 elements. */
    static byte[] packageOf(byte[]... elements) {
        return block(new byte[] {PACKAGE_OP}, new byte[] {(byte) elements.length}, elements);
    }

    static byte[] buffer(byte[] bytes) {
        return block(new byte[] {BUFFER_OP}, integer(bytes.length), bytes);
    }

    /** {@code _CRS}: a buffer of resource descriptors with the end tag behind. */
    static byte[] resources(byte[]... descriptors) {
        Bytes all = new Bytes();
        for (byte[] descriptor : descriptors) all.raw(descriptor);
        return name("_CRS", buffer(all.u8(0x79).u8(0).toArray())); // end tag, checksum 0: not computed (6.4.2.9)
    }

    /** Decoded 16 bits, fixed at {@code port} (6.4.2.5). */
    static byte[] io(int port, int count) {
        return new Bytes().u8(0x47).u8(1).u16(port).u16(port).u8(1).u8(count).toArray();
    }

    /** Edge triggered, active high (6.4.2.1). */
    static byte[] irq(int number) {
        return new Bytes().u8(0x22).u16(1 << number).toArray();
    }

    /** {@code Memory32Fixed}, read and write (6.4.3.4). */
    static byte[] memory32Fixed(long address, long size) {
        return new Bytes().u8(0x86).u16(9).u8(1).u32(address).u32(size).toArray();
    }

    /** Word address space of bus numbers {@code 0..last}, a producer (6.4.3.5.3). */
    static byte[] busNumbers(int last) {
        return new Bytes()
                .u8(0x88)
                .u16(0x0d)
                .u8(2)
                .u8(0x0c)
                .u8(0)
                .u16(0)
                .u16(0)
                .u16(last)
                .u16(0)
                .u16(last + 1)
                .toArray();
    }

    /** Word address space of I/O ports, entire range, a producer. */
    static byte[] ioWindow(int first, int last) {
        return new Bytes()
                .u8(0x88)
                .u16(0x0d)
                .u8(1)
                .u8(0x0c)
                .u8(3)
                .u16(0)
                .u16(first)
                .u16(last)
                .u16(0)
                .u16(last - first + 1)
                .toArray();
    }

    /** Double-word address space of uncached read/write memory, a producer (6.4.3.5.2). */
    static byte[] memoryWindow32(long first, long size) {
        return new Bytes()
                .u8(0x87)
                .u16(0x17)
                .u8(0)
                .u8(0x0c)
                .u8(1)
                .u32(0)
                .u32(first)
                .u32(first + size - 1)
                .u32(0)
                .u32(size)
                .toArray();
    }

    /** Quad-word address space of uncached read/write memory, a producer (6.4.3.5.1). */
    static byte[] memoryWindow64(long first, long size) {
        return new Bytes()
                .u8(0x8a)
                .u16(0x2b)
                .u8(0)
                .u8(0x0c)
                .u8(1)
                .u64(0)
                .u64(first)
                .u64(first + size - 1)
                .u64(0)
                .u64(size)
                .toArray();
    }

    /**
     * {@code \_SB}, {@code _CRS}, {@code _SB.PCI0}; segments shorter than four letters are filled with underscores
     * (20.2.2).
     */
    private static byte[] path(String path) {
        Bytes out = new Bytes();
        String rest = path;
        if (rest.startsWith("\\")) {
            out.u8('\\');
            rest = rest.substring(1);
        }
        String[] segments = rest.split("\\.");
        if (segments.length == 2) out.u8(DUAL_NAME);
        if (segments.length > 2) out.u8(MULTI_NAME).u8(segments.length);
        for (String segment : segments) out.text(segment, 4, '_');
        return out.toArray();
    }

    private static byte[] block(byte[] opcode, byte[] head, byte[]... terms) {
        int length = head.length + Arrays.stream(terms).mapToInt(t -> t.length).sum();
        Bytes out = new Bytes().raw(opcode).raw(packageLength(length)).raw(head);
        for (byte[] term : terms) out.raw(term);
        return out.toArray();
    }

    /** The length counts its own one to four bytes; the top two bits of the first say how many follow (20.2.4). */
    private static byte[] packageLength(int length) {
        if (length + 1 < 1 << 6) return new byte[] {(byte) (length + 1)};
        int following = length + 2 < 1 << 12 ? 1 : length + 3 < 1 << 20 ? 2 : 3;
        int total = length + 1 + following;
        Bytes out = new Bytes().u8(following << 6 | total & 0xf);
        for (int i = 0; i < following; i++) out.u8(total >>> 4 + 8 * i);
        return out.toArray();
    }

    private Aml() {}
}
