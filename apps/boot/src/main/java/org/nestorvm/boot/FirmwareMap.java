package org.nestorvm.boot;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;

/**
 * The memory map that firmware would give (ACPI 6.5, 15.1). It follows the machine's ranges, but the end of
 * conventional memory is reserved: the extended BIOS data area is there ({@link BiosData}), as on a PC.
 */
public final class FirmwareMap {
    /** The types of the specification that occur here. */
    public static final int RAM = 1, RESERVED = 2;

    /** One line of the map. */
    public record Line(long start, long sizeBytes, int type) {
        long end() {
            return start + sizeBytes;
        }
    }

    /** @param ranges the machine's, ascending */
    public static List<Line> lines(List<MemoryRange> ranges) {
        List<Line> lines = new ArrayList<>();
        for (MemoryRange range : ranges) {
            switch (range.type()) {
                case RAM -> {
                    long end = isConventional(range) ? BiosData.EXTENDED : range.end();
                    lines.add(new Line(range.gpa(), end - range.gpa(), RAM));
                    if (end < range.end()) lines.add(new Line(end, range.end() - end, RESERVED));
                }
                case RESERVED -> addReserved(lines, range);
                case MMIO -> {} // no memory; ACPI tells of it
            }
        }
        return lines;
    }

    private static boolean isConventional(MemoryRange range) {
        return range.gpa() == 0 && range.end() == MemoryMap.CONVENTIONAL_END;
    }

    /** Joined with the data area before it. */
    private static void addReserved(List<Line> lines, MemoryRange range) {
        Line before = lines.isEmpty() ? null : lines.getLast();
        boolean adjoins = before != null && before.type == RESERVED && before.end() == range.gpa();
        long start = adjoins ? lines.removeLast().start : range.gpa();
        lines.add(new Line(start, range.end() - start, RESERVED));
    }

    private FirmwareMap() {}
}
