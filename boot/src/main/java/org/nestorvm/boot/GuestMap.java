package org.nestorvm.boot;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.vmm.MemoryRange;

/** Where the guest's RAM is: the machine's ranges, with touching RAM joined. */
final class GuestMap {
    /** A run of addresses, the end exclusive. */
    record Run(long start, long end) {
        long size() {
            return end - start;
        }
    }

    /** One line of the map that firmware would give (ACPI 6.5, 15.1). */
    record E820(long start, long size, int type) {
    }

    static final int E820_RAM = 1, E820_RESERVED = 2;

    private final List<Run> ram = new ArrayList<>();
    private final List<E820> e820 = new ArrayList<>();

    GuestMap(List<MemoryRange> ranges) {
        for (MemoryRange range : ranges) {
            long end = range.gpa() + range.sizeBytes();
            switch (range.type()) {
                case RAM -> {
                    e820.add(new E820(range.gpa(), range.sizeBytes(), E820_RAM));
                    if (!ram.isEmpty() && ram.getLast().end == range.gpa()) ram.add(new Run(ram.removeLast().start, end));
                    else ram.add(new Run(range.gpa(), end));
                }
                case RESERVED -> e820.add(new E820(range.gpa(), range.sizeBytes(), E820_RESERVED));
                case MMIO -> { }                                // no memory; ACPI tells of it
            }
        }
    }

    List<E820> e820() {
        return e820;
    }

    List<Run> ram() {
        return ram;
    }

    /** All of the bytes are RAM; an empty run is nowhere. */
    boolean isRam(long gpa, long sizeBytes) {
        for (Run run : ram) {
            if (gpa >= run.start && gpa < run.end) return sizeBytes > 0 && sizeBytes <= run.end - gpa;
        }
        return false;
    }

    /** The end of RAM below {@code limit}, 0 when there is none. */
    long topBelow(long limit) {
        long top = 0;
        for (Run run : ram) {
            if (run.start < limit) top = Math.max(top, Math.min(run.end, limit));
        }
        return top;
    }

    long ramBytes() {
        return ram.stream().mapToLong(Run::size).sum();
    }
}
