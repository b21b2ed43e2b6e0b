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

    private final List<Run> ram = new ArrayList<>();
    private final List<FirmwareMap.Line> e820;

    GuestMap(List<MemoryRange> ranges) {
        e820 = FirmwareMap.lines(ranges);
        for (FirmwareMap.Line line : e820) {
            if (line.type() != FirmwareMap.RAM) continue;
            boolean adjoins = !ram.isEmpty() && ram.getLast().end == line.start();
            ram.add(new Run(adjoins ? ram.removeLast().start : line.start(), line.end()));
        }
    }

    List<FirmwareMap.Line> e820() {
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
