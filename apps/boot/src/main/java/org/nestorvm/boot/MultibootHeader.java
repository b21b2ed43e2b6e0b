package org.nestorvm.boot;

/**
 * The header of Multiboot Specification 0.6.96, 3.1: in the first 8192 bytes, 4-byte aligned.
 *
 * @param offset of the header in the file
 * @param flags bit 0 modules on page borders, bit 1 memory information, bit 2 video mode, bit 16 the address fields are
 *     valid
 */
record MultibootHeader(
        int offset, int flags, long headerAddress, long loadAddress, long loadEnd, long bssEnd, long entry) {
    static final int PAGE_ALIGN = 1, MEMORY_INFO = 1 << 1, VIDEO_MODE = 1 << 2, ADDRESSES = 1 << 16;
    /**
     * Bits 0 to 15 are requirements: one that is not known must be refused. Video mode is a wish that need not be met.
     */
    private static final int REQUIRED_MASK = 0xffff, KNOWN = PAGE_ALIGN | MEMORY_INFO | VIDEO_MODE;

    private static final long MAGIC = 0x1badb002L;
    private static final int SEARCH = 8192;

    /** Null when the file has no header. */
    static MultibootHeader find(Image image) throws BootException {
        for (int at = 0; at + 12 <= Math.min(SEARCH, image.length()); at += 4) {
            if (image.u32(at) != MAGIC || (image.u32(at) + image.u32(at + 4) + image.u32(at + 8) & 0xffffffffL) != 0)
                continue;
            return read(image, at);
        }
        return null;
    }

    private static MultibootHeader read(Image image, int at) throws BootException {
        int flags = (int) image.u32(at + 4);
        if ((flags & REQUIRED_MASK & ~KNOWN) != 0) {
            throw image.error(
                    "multiboot flags 0x" + Integer.toHexString(flags)
                            + " require what is not known here, bits 0 to 2 are",
                    "build the kernel without them");
        }
        if ((flags & ADDRESSES) == 0) return new MultibootHeader(at, flags, 0, 0, 0, 0, 0);
        return new MultibootHeader(
                at,
                flags,
                image.u32(at + 12),
                image.u32(at + 16),
                image.u32(at + 20),
                image.u32(at + 24),
                image.u32(at + 28));
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }
}
