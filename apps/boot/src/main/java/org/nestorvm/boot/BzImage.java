package org.nestorvm.boot;

/**
 * The setup header of a Linux bzImage (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"). Field names and
 * offsets are that document's.
 */
final class BzImage {
    static final int SETUP_SECTS = 0x1f1,
            BOOT_FLAG = 0x1fe,
            JUMP = 0x200,
            HEADER = 0x202,
            VERSION = 0x206,
            KERNEL_VERSION = 0x20e,
            TYPE_OF_LOADER = 0x210,
            LOADFLAGS = 0x211,
            CODE32_START = 0x214,
            RAMDISK_IMAGE = 0x218,
            RAMDISK_SIZE = 0x21c,
            HEAP_END_PTR = 0x224,
            CMD_LINE_PTR = 0x228,
            INITRD_ADDR_MAX = 0x22c,
            KERNEL_ALIGNMENT = 0x230,
            XLOADFLAGS = 0x236,
            CMDLINE_SIZE = 0x238,
            PAYLOAD_OFFSET = 0x248,
            PAYLOAD_LENGTH = 0x24c,
            PREF_ADDRESS = 0x258,
            INIT_SIZE = 0x260;
    static final int LOADED_HIGH = 1, XLF_KERNEL_64 = 1;
    private static final long HDRS = 0x53726448L;
    private static final int MIN_VERSION = 0x020c; // Linux 3.8: 64-bit entry and xloadflags
    private static final int ENTRY_64 = 0x200;

    private final Image image;
    private final int payload, payloadLength;

    static boolean matches(Image image) throws BootException {
        return image.has(0, HEADER + 4) && image.u16(BOOT_FLAG) == 0xaa55 && image.u32(HEADER) == HDRS;
    }

    BzImage(Image image) throws BootException {
        this.image = image;
        int version = image.u16(VERSION);
        if (version < MIN_VERSION)
            throw image.error(
                    "Linux boot protocol " + (version >> 8) + "." + (version & 0xff) + ", 2.12 (Linux 3.8) is needed",
                    "take a newer kernel");
        if ((image.u8(LOADFLAGS) & LOADED_HIGH) == 0)
            throw image.error("a zImage that is loaded below 1 MiB", "build a bzImage");
        if (image.u16(XLOADFLAGS) % 2 != XLF_KERNEL_64)
            throw image.error("a Linux kernel without a 64-bit entry point (32 bit)", "take an amd64 kernel");
        long start = protectedMode() + image.u32(PAYLOAD_OFFSET), length = image.u32(PAYLOAD_LENGTH);
        if (length != 0 && length < 8 || !image.has(start, length)) {
            throw image.error(
                    "its compressed kernel is at offset 0x" + Long.toHexString(start) + "+0x" + Long.toHexString(length)
                            + " of a file of 0x" + Integer.toHexString(image.length()),
                    "it is truncated, copy it again");
        }
        payload = (int) start;
        payloadLength = (int) length;
    }

    Image image() {
        return image;
    }

    /**
     * File offset of the protected-mode code: after the boot sector and {@code setup_sects} sectors, where 0 means 4.
     */
    int protectedMode() throws BootException {
        int sectors = image.u8(SETUP_SECTS);
        return ((sectors == 0 ? 4 : sectors) + 1) * 512;
    }

    /** False for a program in the form of a bzImage that has nothing to unpack, like memtest86+. */
    boolean hasPayload() {
        return payloadLength != 0;
    }

    /** Null when there is no payload or its format is unknown. */
    Payload format() {
        return Payload.detect(image.bytes(), payload, payloadLength);
    }

    /** The ELF file inside. */
    Image unpack(Payload format) throws BootException {
        return new Image(
                image.name() + " (" + format.label() + " payload)", format.unpack(image, payload, payloadLength));
    }

    /** The setup header as it goes into boot_params: from setup_sects to the end that the jump at 200h tells. */
    byte[] setupHeader() throws BootException {
        int end = HEADER + image.u8(JUMP + 1);
        return Payload.slice(image.bytes(), SETUP_SECTS, Math.max(end, INIT_SIZE + 4) - SETUP_SECTS);
    }

    long prefAddress() throws BootException {
        return image.u64(PREF_ADDRESS);
    }

    /** Contiguous memory that the kernel needs from where it runs. */
    long initSize() throws BootException {
        return image.u32(INIT_SIZE);
    }

    long initrdAddressMax() throws BootException {
        return image.u32(INITRD_ADDR_MAX);
    }

    long commandLineMax() throws BootException {
        return image.u32(CMDLINE_SIZE);
    }

    static long entry64(long loadedAt) {
        return loadedAt + ENTRY_64;
    }

    /** What {@code uname -r} will say; empty when the image does not tell. */
    String release() throws BootException {
        int at = image.u16(KERNEL_VERSION);
        if (at == 0 || !image.has(at + 0x200L, 1)) return "";
        String text = image.text(at + 0x200L, 128);
        int space = text.indexOf(' ');
        return (space < 0 ? text : text.substring(0, space)).replaceAll("[^!-~]", "?");
    }
}
