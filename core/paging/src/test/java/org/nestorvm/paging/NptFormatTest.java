package org.nestorvm.paging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.nestorvm.paging.Access.ALL;
import static org.nestorvm.paging.Access.EXECUTE;
import static org.nestorvm.paging.Access.READ;
import static org.nestorvm.paging.Access.WRITE;
import static org.nestorvm.paging.PageSize.SIZE_1G;
import static org.nestorvm.paging.PageSize.SIZE_2M;
import static org.nestorvm.paging.PageSize.SIZE_4K;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.HostMemory;

/**
 * The expected numbers are worked out by hand from APM vol. 2, 5.3.3 (entries), 15.25.3 (nCR3) and 15.25.6 (EXITINFO1).
 */
class NptFormatTest {
    private static final long M2 = 1 << 21, G1 = 1 << 30;

    private final NestedPageTable table = new NestedPageTable(EntryFormat.NPT);
    private final NestedWalk walk = new NestedWalk();

    @AfterEach
    void close() {
        table.close();
    }

    @Test
    void fieldsFillTheEntry() {
        assertThat(NptFormat.NX.end()).isEqualTo(64);
        assertThat(NptFormat.A.shift()).isEqualTo(5);
        assertThat(NptFormat.ADDRESS.mask()).isEqualTo(EntryFormat.TABLE_ADDRESS);
        assertThat(NptFormat.PS.mask()).isEqualTo(EntryFormat.LARGE_PAGE);
        assertThat(NptFormat.RW.mask()).isEqualTo(EntryFormat.WRITABLE);
        assertThat(NptFormat.INFO_TABLE_WALK.mask()).isEqualTo(0x2_0000_0000L);
        assertThat(EntryFormat.NPT.rootPointer(0x7f00_0000_5000L)).isEqualTo(0x7f00_0000_5000L);
    }

    @Test
    void smallLeafAndItsTables() {
        table.enter(0x40_3000, 0x7f12_3456_7000L, SIZE_4K, ALL);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7007L); // P, RW, US
        for (int level = 2; level <= 4; level++)
            assertThat(TableDump.entry(table, 0x40_3000, level) & 0xfff).isEqualTo(0x007);
        table.walk(0x40_3000, READ, walk);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7027L); // A 20h
        for (int level = 2; level <= 4; level++)
            assertThat(TableDump.entry(table, 0x40_3000, level) & 0xfff).isEqualTo(0x027);
        table.walk(0x40_3000, WRITE, walk);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7067L); // D 40h
        assertThat(TableDump.entry(table, 0x40_3000, 2) & 0xfff).isEqualTo(0x027);
        table.writeProtect(0x40_3000, 4096);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7065L);
        table.clearAccessed(0x40_3000, 4096, null);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7045L);
    }

    @Test
    void rightsOfLeaves() {
        table.enter(0x1000, 0x7f12_3456_7000L, SIZE_4K, READ);
        table.enter(0x2000, 0x7f12_3456_7000L, SIZE_4K, READ | WRITE);
        table.enter(0x3000, 0x7f12_3456_7000L, SIZE_4K, READ | EXECUTE);
        assertThat(TableDump.entry(table, 0x1000, 1)).isEqualTo(0x8000_7f12_3456_7005L);
        assertThat(TableDump.entry(table, 0x2000, 1)).isEqualTo(0x8000_7f12_3456_7007L);
        assertThat(TableDump.entry(table, 0x3000, 1)).isEqualTo(0x0000_7f12_3456_7005L);
        table.walk(0x2000, READ, walk);
        assertThat(walk.rights).isEqualTo(READ | WRITE);
        assertThatThrownBy(() -> table.enter(0, 0x7f12_3456_7000L, SIZE_4K, EXECUTE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("rights must be readable, since a present page always is: rights=0x4");
    }

    @Test
    void largeLeaves() {
        table.enter(0, 0x7f12_3460_0000L, SIZE_2M, READ | WRITE);
        assertThat(TableDump.entry(table, 0, 2)).isEqualTo(0x8000_7f12_3460_0087L); // PS 80h
        table.walk(0x12_3456, WRITE, walk);
        assertThat(TableDump.entry(table, 0, 2)).isEqualTo(0x8000_7f12_3460_00e7L);
        table.enter(G1, 0x7f12_4000_0000L, SIZE_1G, READ | EXECUTE);
        assertThat(TableDump.entry(table, G1, 3)).isEqualTo(0x7f12_4000_0085L);
        table.walk(G1, READ, walk);
        assertThat(TableDump.entry(table, G1, 3)).isEqualTo(0x7f12_4000_00a5L);
    }

    @Test
    void splittingMovesThePatBit() {
        table.enter(0, 0x7f12_4000_0000L, SIZE_1G, ALL);
        HostMemory.putLong(TableDump.slot(table, 0, 3), 0x7f12_4000_10e7L); // PAT is bit 12 of a large leaf
        table.split(0);
        assertThat(TableDump.entry(table, 5 * M2, 2)).isEqualTo(0x7f12_40a0_10e7L);
        table.split(5 * M2);
        assertThat(TableDump.entry(table, 5 * M2 + 0x3000, 1)).isEqualTo(0x7f12_40a0_30e7L); // and bit 7 of a small one
        table.merge(0, SIZE_1G);
        assertThat(TableDump.entry(table, 0, 3)).isEqualTo(0x7f12_4000_10e7L);
    }

    private boolean misconfiguredWith(int level, long entry) {
        HostMemory.putLong(TableDump.slot(table, 0, level), entry);
        long host = table.walk(0, READ, walk);
        if (walk.misconfigured) {
            assertThat(host).isEqualTo(-1);
            assertThat(walk.level).isEqualTo(level);
            assertThat(table.extract(0)).isEqualTo(-1);
            assertThat(EntryFormat.NPT.exitReason(walk)).isEqualTo(0x400);
            assertThat(EntryFormat.NPT.faultInfo(walk, READ, true, true, false))
                    .isEqualTo(0x1_0000_000dL); // P, US, RSV
        }
        return walk.misconfigured;
    }

    @Test
    void reservedBitsOfLeaves() {
        table.enter(0, 0x7f12_3456_7000L, SIZE_4K, ALL);
        assertThat(misconfiguredWith(1, 0x0000_8f12_3456_7007L))
                .as("address beyond the host's width")
                .isTrue();
        assertThat(misconfiguredWith(1, 0xfff0_7f12_3456_7fffL))
                .as("everything that is not reserved")
                .isFalse();
        table.enter(0, 0x7f12_3460_0000L, SIZE_2M, ALL);
        for (int bit = 13; bit <= 20; bit++)
            assertThat(misconfiguredWith(2, 0x7f12_3460_0087L | 1L << bit))
                    .as("bit " + bit)
                    .isTrue();
        assertThat(misconfiguredWith(2, 0xfff0_7f12_3460_1fffL))
                .as("everything that is not reserved")
                .isFalse();
        table.enter(0, 0x7f12_4000_0000L, SIZE_1G, ALL);
        for (int bit = 13; bit <= 29; bit++)
            assertThat(misconfiguredWith(3, 0x7f12_4000_0087L | 1L << bit))
                    .as("bit " + bit)
                    .isTrue();
    }

    @Test
    void reservedBitsOfTables() {
        table.enter(0, 0x7f12_3456_7000L, SIZE_4K, ALL);
        for (int level = 2; level <= 4; level++) {
            long good = TableDump.entry(table, 0, level);
            assertThat(misconfiguredWith(level, good | 1L << 50)).isTrue();
            assertThat(misconfiguredWith(level, good | 1 << 8))
                    .as("G of level " + level)
                    .isEqualTo(level == 4);
            assertThat(misconfiguredWith(level, good | 0xfff0_0000_0000_0e78L))
                    .as("everything that is not reserved")
                    .isFalse();
            assertThat(misconfiguredWith(level, good)).isFalse();
        }
        assertThat(misconfiguredWith(4, TableDump.entry(table, 0, 4) | 0x80))
                .as("PS at the root")
                .isTrue();
    }

    @Test
    void noExecuteBitIsReservedWithoutNxe() {
        try (NestedPageTable old = new NestedPageTable(new NptFormat(false))) {
            assertThatThrownBy(() -> old.enter(0, 0x7f12_3456_7000L, SIZE_4K, READ))
                    .isInstanceOf(IllegalArgumentException.class);
            old.enter(0, 0x7f12_3456_7000L, SIZE_4K, ALL);
            HostMemory.putLong(TableDump.slot(old, 0, 1), 0x8000_7f12_3456_7007L);
            old.walk(0, READ, walk);
            assertThat(walk.misconfigured).isTrue();
        }
    }

    @Test
    void rightsAreThoseOfAllLevels() {
        table.enter(0, 0x7f12_3456_7000L, SIZE_4K, ALL);
        long slot = TableDump.slot(table, 0, 3), good = HostMemory.getLong(slot);
        HostMemory.putLong(slot, good & ~2);
        assertThat(table.walk(0, WRITE, walk)).isEqualTo(-1);
        assertThat(walk.rights).isEqualTo(READ | EXECUTE);
        HostMemory.putLong(slot, good | 1L << 63);
        table.walk(0, READ, walk);
        assertThat(walk.rights).isEqualTo(READ | WRITE);
        HostMemory.putLong(slot, good & ~4);
        assertThat(table.walk(0, READ, walk)).as("a supervisor table").isEqualTo(-1);
        assertThat(walk.rights).isZero();
        assertThat(walk.present()).isTrue();
        assertThat(EntryFormat.NPT.faultInfo(walk, READ, true, true, false)).isEqualTo(0x1_0000_0005L);
    }

    private long exitInfo1(long gpa, int access, boolean last) {
        assertThat(table.walk(gpa, access, walk)).isEqualTo(-1);
        return EntryFormat.NPT.faultInfo(walk, access, true, last, false);
    }

    @Test
    void exitInformation() {
        EntryFormat npt = EntryFormat.NPT;
        table.enter(0x1000, 0x7f12_3456_7000L, SIZE_4K, READ);
        assertThat(exitInfo1(0, READ, true)).isEqualTo(0x1_0000_0004L);
        assertThat(exitInfo1(0, WRITE, true)).isEqualTo(0x1_0000_0006L);
        assertThat(exitInfo1(0, EXECUTE, true)).isEqualTo(0x1_0000_0014L);
        assertThat(exitInfo1(0x1000, READ | WRITE, true)).isEqualTo(0x1_0000_0007L);
        assertThat(exitInfo1(0x1000, EXECUTE, true)).isEqualTo(0x1_0000_0015L);
        assertThat(exitInfo1(0, READ | WRITE, false)).as("guest page table").isEqualTo(0x2_0000_0006L);
        assertThat(exitInfo1(0x1000, READ | WRITE, false))
                .as("read-only guest page table")
                .isEqualTo(0x2_0000_0007L);
        assertThat(npt.faultIsNotPresent(0x1_0000_0006L)).isTrue();
        assertThat(npt.faultIsProtection(0x1_0000_0007L)).isTrue();
        assertThat(npt.faultIsMisconfiguration(0x1_0000_000dL)).isTrue();
        assertThat(npt.faultIsProtection(0x1_0000_000dL)).isFalse();
        assertThat(npt.faultIsGuestTableWalk(0x2_0000_0006L)).isTrue();
        assertThat(npt.faultIsGuestTableWalk(0x1_0000_0006L)).isFalse();
        assertThat(npt.faultAccess(0x1_0000_0014L)).isEqualTo(EXECUTE);
        assertThat(npt.faultAccess(0x1_0000_0007L)).isEqualTo(WRITE);
        assertThat(npt.faultAccess(0x1_0000_0004L)).isEqualTo(READ);
        assertThat(npt.describeFault(0x1_0000_000dL)).isEqualTo("read, final translation: misconfigured (0x10000000d)");
    }
}
