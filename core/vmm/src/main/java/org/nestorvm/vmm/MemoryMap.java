package org.nestorvm.vmm;

import java.util.ArrayList;
import java.util.List;

/**
 * The checked guest-physical layout of a machine: 1 to {@value #MAX_RANGES} ranges, page aligned, ascending, not
 * overlapping, holes allowed, at least one with memory.
 *
 * <p>What is limited is the sum of memory, {@link #MAX_MEMORY_BYTES}; where it lies is limited only by the address
 * width of a four-level nested table. So a machine of the largest size, a part of which lies above the PCI hole, can
 * start.
 */
public record MemoryMap(List<MemoryRange> ranges) {
    public static final int MAX_RANGES = 16;
    /** 128 GiB of RAM and RESERVED together. */
    public static final long MAX_MEMORY_BYTES = 128L << 30;
    /** Four levels of nine bits above a 4 KiB page. */
    public static final long GPA_END = 1L << 48;

    /** The PC's fixed borders: conventional memory ends at 640 KiB, video memory and firmware fill the first MiB. */
    public static final long CONVENTIONAL_END = 0xa0000, FIRST_MIB = 0x100000;
    /**
     * Below 4 GiB, devices own everything from here on: PCI windows, I/O APIC at FEC00000h, local APICs at FEE00000h.
     */
    public static final long PCI_HOLE = 0xc0000000L, PCI_HOLE_END = 1L << 32;
    /** The smallest machine, and the largest firmware window below 4 GiB. */
    public static final long MIN_PC_BYTES = FIRST_MIB, MAX_FIRMWARE_BYTES = 16L << 20;

    /** @throws VmRefusedException naming the range, the value, the rule and the mend */
    public MemoryMap {
        ranges = List.copyOf(ranges);
        check(ranges);
    }

    public static MemoryMap of(MemoryRange... ranges) {
        return new MemoryMap(List.of(ranges));
    }

    /** A PC without a firmware window: see {@link #pc(long, long)}. */
    public static MemoryMap pc(long memoryBytes) {
        return pc(memoryBytes, 0);
    }

    /**
     * The layout of a PC: RAM to 640 KiB, RESERVED to 1 MiB, RAM up to at most {@link #PCI_HOLE}, MMIO to 4 GiB, the
     * rest of RAM above. The window between 640 KiB and 1 MiB counts as part of {@code memoryBytes}, as on real
     * machines; the firmware window does not.
     *
     * @param memoryBytes at least 1 MiB, a multiple of 4 KiB
     * @param firmwareBytes RESERVED memory that ends at 4 GiB, for a flash image: 0 to 16 MiB, a multiple of 4 KiB
     */
    public static MemoryMap pc(long memoryBytes, long firmwareBytes) {
        if (memoryBytes < MIN_PC_BYTES
                || memoryBytes % MemoryRange.PAGE_BYTES != 0
                || memoryBytes > MAX_MEMORY_BYTES - firmwareBytes)
            throw new VmRefusedException(
                    "memory size " + memoryBytes + " must be a multiple of 4096 from 1 MiB to 128 GiB"
                            + (firmwareBytes == 0 ? "" : ", the firmware's " + firmwareBytes + " bytes included"));
        if (firmwareBytes < 0 || firmwareBytes > MAX_FIRMWARE_BYTES || firmwareBytes % MemoryRange.PAGE_BYTES != 0)
            throw new VmRefusedException(
                    "firmware size " + firmwareBytes + " must be a multiple of 4096 from 0 to 16 MiB");
        List<MemoryRange> ranges = new ArrayList<>(6);
        ranges.add(new MemoryRange(0, CONVENTIONAL_END, MemoryRange.Type.RAM));
        ranges.add(new MemoryRange(CONVENTIONAL_END, FIRST_MIB - CONVENTIONAL_END, MemoryRange.Type.RESERVED));
        long low = Math.min(memoryBytes, PCI_HOLE) - FIRST_MIB;
        if (low > 0) ranges.add(new MemoryRange(FIRST_MIB, low, MemoryRange.Type.RAM));
        ranges.add(new MemoryRange(PCI_HOLE, PCI_HOLE_END - firmwareBytes - PCI_HOLE, MemoryRange.Type.MMIO));
        if (firmwareBytes > 0)
            ranges.add(new MemoryRange(PCI_HOLE_END - firmwareBytes, firmwareBytes, MemoryRange.Type.RESERVED));
        if (memoryBytes > PCI_HOLE)
            ranges.add(new MemoryRange(PCI_HOLE_END, memoryBytes - PCI_HOLE, MemoryRange.Type.RAM));
        return new MemoryMap(ranges);
    }

    /** RAM and RESERVED: what the machine may come to hold. */
    public long memoryBytes() {
        long sum = 0;
        for (MemoryRange range : ranges) if (range.isMemory()) sum += range.sizeBytes();
        return sum;
    }

    private static void check(List<MemoryRange> ranges) {
        if (ranges.isEmpty() || ranges.size() > MAX_RANGES)
            throw new VmRefusedException(ranges.size() + " memory ranges were given: there must be 1 to " + MAX_RANGES);
        long memoryBytes = 0;
        for (int i = 0; i < ranges.size(); i++) {
            MemoryRange range = ranges.get(i);
            checkOne(i, range);
            if (i > 0) checkOrder(i, ranges.get(i - 1), range);
            if (!range.isMemory()) continue;
            if (range.sizeBytes() > MAX_MEMORY_BYTES - memoryBytes)
                throw refused(
                        i,
                        range,
                        "brings the sum of memory to " + (memoryBytes + range.sizeBytes()) + " bytes: limit is "
                                + MAX_MEMORY_BYTES + "; make it smaller");
            memoryBytes += range.sizeBytes();
        }
        if (memoryBytes == 0)
            throw new VmRefusedException(
                    "all " + ranges.size() + " memory ranges are MMIO: at least one must be RAM or RESERVED");
    }

    private static void checkOne(int index, MemoryRange range) {
        if (range.type() == null)
            throw new VmRefusedException("memory range " + index + " has no type: use RAM, RESERVED or MMIO");
        if (range.sizeBytes() == 0)
            throw refused(index, range, "has size 0: leave it out or make it at least 4096 bytes");
        if (range.gpa() % MemoryRange.PAGE_BYTES != 0)
            throw refused(
                    index,
                    range,
                    "starts at 0x" + Long.toHexString(range.gpa()) + ": a start must be a multiple of 4096");
        if (range.sizeBytes() % MemoryRange.PAGE_BYTES != 0)
            throw refused(index, range, "has size " + range.sizeBytes() + ": a size must be a multiple of 4096");
        if (range.gpa() < 0 || range.gpa() >= GPA_END)
            throw refused(
                    index,
                    range,
                    "starts beyond the guest-physical address width: it must lie below 0x" + Long.toHexString(GPA_END));
        if (range.sizeBytes() < 0 || range.sizeBytes() > GPA_END - range.gpa())
            throw refused(
                    index,
                    range,
                    "ends beyond the guest-physical address width: it must end at or below 0x"
                            + Long.toHexString(GPA_END));
    }

    private static void checkOrder(int index, MemoryRange before, MemoryRange range) {
        if (range.gpa() < before.gpa())
            throw refused(
                    index,
                    range,
                    "starts below range " + (index - 1) + ", " + before + ": ranges must ascend; sort them");
        if (range.gpa() < before.end())
            throw refused(
                    index,
                    range,
                    "overlaps range " + (index - 1) + ", " + before + ": it must start at or after 0x"
                            + Long.toHexString(before.end()));
    }

    private static VmRefusedException refused(int index, MemoryRange range, String rest) {
        return new VmRefusedException("memory range " + index + ", " + range + ", " + rest);
    }
}
