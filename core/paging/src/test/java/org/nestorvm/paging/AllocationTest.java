package org.nestorvm.paging;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** What every memory access of a guest may come through makes no garbage. */
class AllocationTest {
    private static final long HOST = 0x7000_0000_0000L;
    private static final int PAGES = 20_000;

    private static void rounds(NestedPageTable table, NestedWalk walk) {
        for (long gpa = 0; gpa < (long) PAGES << 12; gpa += 4096) {
            if (table.walk(gpa, Access.WRITE, walk) == -1) table.enter(gpa, HOST + gpa, PageSize.SIZE_4K, Access.ALL);
            table.walk(gpa, Access.WRITE, walk);
            table.extract(gpa);
            table.lookup(gpa, walk);
            table.enter(gpa, HOST + gpa, PageSize.SIZE_4K, Access.ALL);
        }
    }

    private static void measure(EntryFormat format) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        NestedWalk walk = new NestedWalk();
        try (NestedPageTable table = new NestedPageTable(format)) {
            for (int i = 0; i < 5; i++) { // the first rounds link the call sites
                rounds(table, walk);
                table.remove(0, NestedPageTable.GPA_END);
            }
            long before = threads.getCurrentThreadAllocatedBytes();
            rounds(table, walk);
            long bytes = threads.getCurrentThreadAllocatedBytes() - before;
            assertThat(bytes).as("bytes for %d pages walked and entered", PAGES).isLessThan(PAGES / 4);
        }
    }

    @Test
    void walkingAndEnteringAllocateNothing() {
        measure(EntryFormat.EPT);
        measure(EntryFormat.NPT);
    }
}
