package org.nestorvm.boot;

import java.util.ArrayList;
import java.util.List;

/**
 * An ELF executable for x86, 32 or 64 bit (System V ABI, chapter 5), read with suspicion: each header and each
 * segment's bytes are proved to lie in the file. Whether they lie in RAM and beside each other {@link BootPlan} checks.
 */
final class Elf {
    private static final int CLASS_32 = 1,
            CLASS_64 = 2,
            DATA_LSB = 1,
            EM_386 = 3,
            EM_X86_64 = 62,
            ET_EXEC = 2,
            ET_DYN = 3;
    private static final int PT_LOAD = 1, PT_NOTE = 4, PHDR_SIZE_64 = 56, PHDR_SIZE_32 = 32;
    private static final int MAX_HEADERS = 256;

    /** One program header. Addresses and sizes in bytes; {@code fileSize <= memorySize} and the file bytes exist. */
    record Segment(int index, int type, int offset, int fileSize, long vaddr, long paddr, long memorySize) {}

    private final Image image;
    private final boolean is64;
    private final long entry;
    private final List<Segment> segments = new ArrayList<>();

    static boolean matches(Image image) throws BootException {
        return image.has(0, 16) && image.u32(0) == 0x464c457fL;
    }

    Elf(Image image) throws BootException {
        this.image = image;
        int width = image.u8(4);
        if (width != CLASS_32 && width != CLASS_64)
            throw image.error("ELF class " + width + ", 1 (32 bit) or 2 (64 bit) is needed", "take a kernel for x86");
        is64 = width == CLASS_64;
        int machine = image.u16(18), type = image.u16(16);
        if (image.u8(5) != DATA_LSB || machine != EM_386 && machine != EM_X86_64)
            throw image.error(
                    "ELF machine " + machine + ", 3 (i386) or 62 (x86-64) is needed", "take a kernel for x86");
        if (type != ET_EXEC && type != ET_DYN)
            throw image.error("ELF type " + type + ", 2 (executable) is needed", "link the kernel");
        entry = is64 ? image.u64(24) : image.u32(24);
        long table = is64 ? image.u64(32) : image.u32(28);
        int size = image.u16(is64 ? 54 : 42),
                count = image.u16(is64 ? 56 : 44),
                needed = is64 ? PHDR_SIZE_64 : PHDR_SIZE_32;
        if (count == 0 || count > MAX_HEADERS)
            throw image.error(
                    count + " ELF program headers, 1 to " + MAX_HEADERS + " are allowed",
                    "it is damaged or no executable");
        if (size != needed)
            throw image.error(
                    "ELF program headers of " + size + " bytes, " + needed + " is the size",
                    "it is damaged, copy it again");
        if (!image.has(table, (long) count * size))
            throw image.error(
                    "ELF program headers at offset 0x" + Long.toHexString(table) + " are beyond the file's end",
                    "it is truncated, copy it again");
        for (int i = 0; i < count; i++) readHeader(i, table + (long) i * size);
        if (loads().isEmpty()) throw image.error("no ELF segment to load", "take an executable kernel");
    }

    private void readHeader(int index, long at) throws BootException {
        int type = (int) image.u32(at);
        if (type != PT_LOAD && type != PT_NOTE) return;
        long offset = is64 ? image.u64(at + 8) : image.u32(at + 4);
        long vaddr = is64 ? image.u64(at + 16) : image.u32(at + 8),
                paddr = is64 ? image.u64(at + 24) : image.u32(at + 12);
        long fileSize = is64 ? image.u64(at + 32) : image.u32(at + 16),
                memorySize = is64 ? image.u64(at + 40) : image.u32(at + 20);
        if (!image.has(offset, fileSize)) {
            throw image.error(
                    "ELF segment " + index + " takes 0x" + Long.toHexString(fileSize) + " bytes at offset 0x"
                            + Long.toHexString(offset) + " of a file of 0x" + Integer.toHexString(image.length()),
                    "it is truncated, copy it again");
        }
        if (type == PT_LOAD && Long.compareUnsigned(fileSize, memorySize) > 0) {
            throw image.error(
                    "ELF segment " + index + " has 0x" + Long.toHexString(fileSize) + " bytes in the file and 0x"
                            + Long.toHexString(memorySize) + " in memory",
                    "it is damaged, copy it again");
        }
        segments.add(new Segment(index, type, (int) offset, (int) fileSize, vaddr, paddr, memorySize));
    }

    boolean is64() {
        return is64;
    }

    /** As linked: virtual. */
    long entry() {
        return entry;
    }

    /**
     * The entry point as a physical address: the offset in its segment is the same in both spaces. Linux has it
     * physical already.
     */
    long physicalEntry() {
        for (Segment segment : loads()) {
            if (Long.compareUnsigned(entry - segment.vaddr, segment.memorySize) < 0 && entry >= segment.vaddr)
                return entry - segment.vaddr + segment.paddr;
        }
        return entry;
    }

    List<Segment> loads() {
        return segments.stream()
                .filter(s -> s.type == PT_LOAD && s.memorySize != 0)
                .toList();
    }

    /** Adds every loadable segment at its physical address. */
    void load(BootPlan plan) throws BootException {
        for (Segment s : loads()) {
            plan.add("ELF segment " + s.index, s.paddr, s.memorySize, image.bytes(), s.offset, s.fileSize);
        }
    }

    /** The descriptor of a note as a number of 4 or 8 bytes, or -1: no such note. */
    long note(String owner, int noteType) throws BootException {
        for (Segment segment : segments) {
            if (segment.type != PT_NOTE) continue;
            long at = segment.offset, end = at + segment.fileSize;
            while (end - at >= 12) {
                long nameSize = image.u32(at), size = image.u32(at + 4), type = image.u32(at + 8);
                long descriptor = at + 12 + (nameSize + 3 & ~3L);
                if (descriptor + size > end) break;
                if (type == noteType
                        && nameSize == owner.length() + 1
                        && image.text(at + 12, owner.length()).equals(owner)) {
                    if (size == 8) return image.u64(descriptor);
                    if (size == 4) return image.u32(descriptor);
                }
                at = descriptor + (size + 3 & ~3L);
            }
        }
        return -1;
    }
}
