package org.nestorvm.paging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.nestorvm.paging.Access.ALL;
import static org.nestorvm.paging.PageSize.SIZE_1G;
import static org.nestorvm.paging.PageSize.SIZE_4K;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.HostMemory;

/** Table pages: where they come from, what happens when there are none, and that all go back. */
class TablePoolTest {
    private static final long HOST = 0x7f00_0000_0000L, K4 = 1 << 12, G512 = 1L << 39;

    /** The host's memory, up to a number of chunks. */
    private static final class Limited implements TableMemory {
        final Map<Long, Long> mapped = new HashMap<>();
        int chunksLeft;

        Limited(int chunks) {
            chunksLeft = chunks;
        }

        @Override
        public long map(long sizeBytes) throws IOException {
            if (chunksLeft-- <= 0) throw new ErrnoException("mmap", "table pages", Errno.ENOMEM);
            long address = HOST_MEMORY.map(sizeBytes);
            mapped.put(address, sizeBytes);
            return address;
        }

        @Override
        public void unmap(long hostAddress, long sizeBytes) {
            assertThat(mapped.remove(hostAddress)).isEqualTo(sizeBytes);
            HOST_MEMORY.unmap(hostAddress, sizeBytes);
        }
    }

    private static final TableMemory HOST_MEMORY = TableMemory.HOST;

    @Test
    void pagesAreZeroWhenTakenAndUsedAgain() {
        Limited memory = new Limited(9);
        try (TablePool pool = new TablePool(memory)) {
            long first = pool.take(), second = pool.take();
            HostMemory.fill(first, TablePool.PAGE, (byte) 0xff);
            pool.give(first);
            assertThat(pool.usedPages()).isOne();
            assertThat(pool.take()).isEqualTo(first).isNotEqualTo(second);
            for (int i = 0; i < 512; i++)
                assertThat(HostMemory.getLong(first + 8 * i)).isZero();
            assertThat(first % 4096).isZero();
        }
        assertThat(memory.mapped).isEmpty();
    }

    @Test
    void chunksGrowToTwoMegabytesAndAllGoBack() {
        Limited memory = new Limited(20);
        long live = TablePool.liveBytes();
        try (TablePool pool = new TablePool(memory)) {
            for (int i = 0; i < 3000; i++) pool.take();
            assertThat(memory.mapped.values()).contains(16 * K4, 32 * K4, 512 * K4);
            assertThat(pool.mappedBytes())
                    .isEqualTo(memory.mapped.values().stream()
                            .mapToLong(Long::longValue)
                            .sum());
            assertThat(TablePool.liveBytes() - live).isEqualTo(pool.mappedBytes());
            assertThat(pool.usedPages()).isEqualTo(3000);
        }
        assertThat(memory.mapped).isEmpty();
        assertThat(TablePool.liveBytes()).isEqualTo(live);
    }

    @Test
    void reserveTakesOneChunkWhereTheRestIsTooSmall() {
        try (TablePool pool = new TablePool(new Limited(2))) {
            for (int i = 0; i < 14; i++) pool.take();
            pool.reserve(4);
            for (int i = 0; i < 34; i++) pool.take(); // the two left over and all 32 of the second chunk
            assertThatThrownBy(pool::take).isInstanceOf(TableMemoryException.class);
        }
    }

    /** One chunk has 16 pages: the root and 15 more. */
    private static void assertUnchangedBy(NestedPageTable table, Runnable change) {
        TableDump before = TableDump.of(table);
        long resident = table.residentCount();
        assertThatThrownBy(change::run)
                .isInstanceOf(TableMemoryException.class)
                .hasMessage("no memory for table pages: have 65536 bytes, asked for 131072 more")
                .hasRootCauseMessage("mmap of table pages: ENOMEM (12), out of memory");
        TableDump after = TableDump.of(table);
        assertThat(after.leaves).isEqualTo(before.leaves);
        assertThat(after.tables).isEqualTo(before.tables).isEqualTo(table.tablePages());
        assertThat(after.emptyTables).isZero();
        assertThat(table.residentCount()).isEqualTo(resident);
    }

    @Test
    void enterWithoutMemoryLeavesTheTableAsItWas() {
        for (int spare = 0; spare < 3; spare++) {
            Limited memory = new Limited(1);
            try (NestedPageTable table = new NestedPageTable(EntryFormat.EPT, memory)) {
                for (int i = 1; i <= 4; i++) table.enter(i * G512, HOST, SIZE_4K, ALL); // 3 tables each: 13 of 16 pages
                for (int i = 1; i <= 3 - spare; i++) table.enter(G512 + (i << 21), HOST, SIZE_4K, ALL);
                assertUnchangedBy(table, () -> table.enter(9 * G512, HOST, SIZE_4K, ALL));
                memory.chunksLeft = 1;
                table.enter(9 * G512, HOST, SIZE_4K, ALL);
                assertThat(table.extract(9 * G512)).isEqualTo(HOST);
            }
            assertThat(memory.mapped).isEmpty();
        }
    }

    @Test
    void splittingWithoutMemoryLeavesTheTableAsItWas() {
        try (NestedPageTable table = new NestedPageTable(EntryFormat.NPT, new Limited(1))) {
            table.enter(0, HOST, SIZE_1G, ALL);
            for (int i = 1; i <= 4; i++) table.enter(i * G512, HOST, SIZE_4K, ALL); // 14 of 16: splitting down needs 2
            table.enter(G512 + (1 << 21), HOST, SIZE_4K, ALL);
            assertUnchangedBy(table, () -> table.remove(5 * K4, K4));
            assertUnchangedBy(table, () -> table.writeProtect(5 * K4, 1 << 30));
            assertUnchangedBy(table, () -> table.enter(5 * K4, HOST, SIZE_4K, ALL));
            assertThat(table.split(0)).isTrue();
            assertUnchangedBy(table, () -> table.split(0));
        }
    }

    @Test
    void rootWithoutMemoryIsAnException() {
        assertThatThrownBy(() -> new NestedPageTable(EntryFormat.EPT, new Limited(0)))
                .isInstanceOf(TableMemoryException.class);
        try (FaultPoints.Plan plan = FaultPoints.failAt(1, Errno.ENOMEM)) {
            assertThatThrownBy(() -> NestedPageTable.create(EntryFormat.EPT))
                    .isInstanceOf(ErrnoException.class)
                    .hasMessageContaining("nested page table pages");
            assertThat(plan.fired()).isTrue();
        }
    }

    @Test
    void p17TenThousandTablesLeaveNothingBehind() throws IOException {
        Path maps = Path.of("/proc/self/maps");
        long pages = TablePool.livePages(), bytes = TablePool.liveBytes(), lines = 0;
        for (int i = 0; i < 10_000; i++) {
            if (i == 1000) lines = Files.readAllLines(maps).size();
            try (NestedPageTable table = new NestedPageTable((i & 1) == 0 ? EntryFormat.EPT : EntryFormat.NPT)) {
                for (long k = 0; k < 20; k++) table.enter(k * 37 * K4 << (k & 15), HOST + k * K4, SIZE_4K, ALL);
                if ((i & 7) == 0) table.remove(0, NestedPageTable.GPA_END);
            }
        }
        assertThat(TablePool.livePages()).isEqualTo(pages);
        assertThat(TablePool.liveBytes()).isEqualTo(bytes);
        assertThat((long) Files.readAllLines(maps).size())
                .as("mappings of the process")
                .isLessThan(lines + 50); // the JVM's own come and go
    }
}
