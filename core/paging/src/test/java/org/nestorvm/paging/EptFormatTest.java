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
 * The expected numbers are worked out by hand from SDM vol. 3C, tables 29-1 to 29-7 (entries), 25-9 (EPTP) and 28-7
 * (exit qualification).
 */
class EptFormatTest {
    private static final long M2 = 1 << 21, G1 = 1 << 30;

    private final NestedPageTable table = new NestedPageTable(EntryFormat.EPT);
    private final NestedWalk walk = new NestedWalk();

    @AfterEach
    void close() {
        table.close();
    }

    @Test
    void fieldsFillTheEntry() {
        assertThat(EptFormat.SUPPRESS_VE.end()).isEqualTo(64);
        assertThat(EptFormat.ACCESSED.shift()).isEqualTo(8);
        assertThat(EptFormat.ADDRESS.mask()).isEqualTo(0x000f_ffff_ffff_f000L);
        assertThat(EptFormat.ADDRESS.mask()).isEqualTo(EntryFormat.TABLE_ADDRESS);
        assertThat(EptFormat.LARGE.mask()).isEqualTo(EntryFormat.LARGE_PAGE);
        assertThat(EptFormat.WRITABLE_BIT.mask()).isEqualTo(EntryFormat.WRITABLE);
        assertThat(EptFormat.EPTP_ADDRESS.end()).isEqualTo(52);
        assertThat(EptFormat.NMI_UNBLOCKING).isEqualTo(0x1000);
    }

    @Test
    void eptPointer() {
        // WB = 6, walk length 4 - 1 = 3 in bits 5:3 = 18h, A/D enable = 40h
        assertThat(EntryFormat.EPT.rootPointer(0x7f00_0000_5000L)).isEqualTo(0x7f00_0000_505eL);
    }

    @Test
    void smallLeafAndItsTables() {
        table.enter(0x40_3000, 0x7f12_3456_7000L, SIZE_4K, ALL);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7037L); // RWX 7, WB 30h
        for (int level = 2; level <= 4; level++)
            assertThat(TableDump.entry(table, 0x40_3000, level) & 0xfff).isEqualTo(0x007);
        table.walk(0x40_3000, READ, walk);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7137L); // A 100h
        for (int level = 2; level <= 4; level++)
            assertThat(TableDump.entry(table, 0x40_3000, level) & 0xfff).isEqualTo(0x107);
        table.walk(0x40_3000, WRITE, walk);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7337L); // D 200h
        assertThat(TableDump.entry(table, 0x40_3000, 2) & 0xfff).isEqualTo(0x107);
        table.writeProtect(0x40_3000, 4096);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7335L);
        table.clearDirty(0x40_3000, 4096, null);
        assertThat(TableDump.entry(table, 0x40_3000, 1)).isEqualTo(0x7f12_3456_7135L);
    }

    @Test
    void rightsOfLeaves() {
        table.enter(0x1000, 0x7f12_3456_7000L, SIZE_4K, READ);
        table.enter(0x2000, 0x7f12_3456_7000L, SIZE_4K, READ | WRITE);
        table.enter(0x3000, 0x7f12_3456_7000L, SIZE_4K, EXECUTE);
        assertThat(TableDump.entry(table, 0x1000, 1)).isEqualTo(0x7f12_3456_7031L);
        assertThat(TableDump.entry(table, 0x2000, 1)).isEqualTo(0x7f12_3456_7033L);
        assertThat(TableDump.entry(table, 0x3000, 1)).isEqualTo(0x7f12_3456_7034L);
        assertThat(table.walk(0x3000, READ, walk)).isEqualTo(-1);
        assertThat(table.walk(0x3000, EXECUTE, walk)).isEqualTo(0x7f12_3456_7000L);
    }

    @Test
    void largeLeaves() {
        table.enter(0, 0x7f12_3460_0000L, SIZE_2M, ALL);
        assertThat(TableDump.entry(table, 0, 2)).isEqualTo(0x7f12_3460_00b7L); // large 80h
        table.walk(0x12_3456, WRITE, walk);
        assertThat(TableDump.entry(table, 0, 2)).isEqualTo(0x7f12_3460_03b7L);
        table.enter(G1, 0x7f12_4000_0000L, SIZE_1G, READ | EXECUTE);
        assertThat(TableDump.entry(table, G1, 3)).isEqualTo(0x7f12_4000_00b5L);
        table.walk(G1, READ, walk);
        assertThat(TableDump.entry(table, G1, 3)).isEqualTo(0x7f12_4000_01b5L);
        assertThat(walk.level).isEqualTo(3);
    }

    @Test
    void splitLeaves() {
        table.enter(0, 0x7f12_4000_0000L, SIZE_1G, ALL);
        table.walk(0, WRITE, walk);
        table.split(0);
        assertThat(TableDump.entry(table, 5 * M2, 2)).isEqualTo(0x7f12_40a0_03b7L);
        assertThat(TableDump.entry(table, 0, 3) & 0xfff).isEqualTo(0x107);
        table.split(5 * M2);
        assertThat(TableDump.entry(table, 5 * M2 + 0x3000, 1)).isEqualTo(0x7f12_40a0_3337L);
        table.merge(5 * M2, SIZE_2M);
        assertThat(TableDump.entry(table, 5 * M2, 2)).isEqualTo(0x7f12_40a0_03b7L);
    }

    private boolean misconfiguredWith(int level, long entry) {
        HostMemory.putLong(TableDump.slot(table, 0, level), entry);
        long host = table.walk(0, READ, walk);
        assertThat(walk.level).isLessThanOrEqualTo(4);
        if (walk.misconfigured) {
            assertThat(host).isEqualTo(-1);
            assertThat(walk.level).isEqualTo(level);
            assertThat(table.extract(0)).isEqualTo(-1);
            assertThat(EntryFormat.EPT.exitReason(walk)).isEqualTo(49);
            assertThat(EntryFormat.EPT.faultInfo(walk, READ, true, true, false)).isZero();
        }
        return walk.misconfigured;
    }

    @Test
    void misconfigurationsOfSmallLeaves() {
        table.enter(0, 0x7f12_3456_7000L, SIZE_4K, ALL);
        assertThat(misconfiguredWith(1, 0x7f12_3456_7032L)).as("W without R").isTrue();
        assertThat(misconfiguredWith(1, 0x7f12_3456_7036L)).as("WX without R").isTrue();
        assertThat(misconfiguredWith(1, 0x7f12_3456_7034L)).as("X alone").isFalse();
        for (int type = 0; type < 8; type++) {
            boolean reserved = type == 2 || type == 3 || type == 7;
            assertThat(misconfiguredWith(1, 0x7f12_3456_7007L | type << 3))
                    .as("memory type " + type)
                    .isEqualTo(reserved);
        }
        assertThat(misconfiguredWith(1, 0x0000_8f12_3456_7037L))
                .as("address beyond the host's width")
                .isTrue();
        assertThat(misconfiguredWith(1, 0xfff0_7f12_3456_7cb7L))
                .as("ignored bits 63:52, 11, 10, 7")
                .isFalse();
        assertThat(misconfiguredWith(1, 0x7f12_3456_7030L))
                .as("not present, whatever else")
                .isFalse();
        assertThat(walk.present()).isFalse();
    }

    @Test
    void misconfigurationsOfLargeLeaves() {
        table.enter(0, 0x7f12_3460_0000L, SIZE_2M, ALL);
        assertThat(misconfiguredWith(2, 0x7f12_3460_00f7L)).as("ignore PAT").isFalse();
        for (int bit = 12; bit <= 20; bit++)
            assertThat(misconfiguredWith(2, 0x7f12_3460_00b7L | 1L << bit))
                    .as("bit " + bit)
                    .isTrue();
        table.enter(0, 0x7f12_4000_0000L, SIZE_1G, ALL);
        for (int bit = 12; bit <= 29; bit++)
            assertThat(misconfiguredWith(3, 0x7f12_4000_00b7L | 1L << bit))
                    .as("bit " + bit)
                    .isTrue();
        assertThat(misconfiguredWith(3, 0x7f12_4000_0097L)).as("memory type 2").isTrue();
    }

    @Test
    void misconfigurationsOfTables() {
        table.enter(0, 0x7f12_3456_7000L, SIZE_4K, ALL);
        for (int level = 2; level <= 4; level++) {
            long good = TableDump.entry(table, 0, level);
            for (int bit = 3; bit <= (level == 4 ? 7 : 6); bit++) {
                assertThat(misconfiguredWith(level, good | 1L << bit))
                        .as("level " + level + " bit " + bit)
                        .isTrue();
            }
            assertThat(misconfiguredWith(level, good & ~1)).as("W without R").isTrue();
            assertThat(misconfiguredWith(level, good | 1L << 51)).isTrue();
            assertThat(misconfiguredWith(level, good | 0xfff0_0000_0000_0e00L))
                    .as("ignored bits")
                    .isFalse();
            assertThat(misconfiguredWith(level, good)).isFalse();
        }
    }

    @Test
    void executeOnlyIsAMisconfigurationWhereTheProcessorLacksIt() {
        try (NestedPageTable old = new NestedPageTable(new EptFormat(false))) {
            assertThatThrownBy(() -> old.enter(0, 0x7f12_3456_7000L, SIZE_4K, EXECUTE))
                    .isInstanceOf(IllegalArgumentException.class);
            old.enter(0, 0x7f12_3456_7000L, SIZE_4K, READ | EXECUTE);
            HostMemory.putLong(TableDump.slot(old, 0, 1), 0x7f12_3456_7034L);
            assertThat(old.walk(0, EXECUTE, walk)).isEqualTo(-1);
            assertThat(walk.misconfigured).isTrue();
        }
    }

    @Test
    void rightsAreTheConjunctionOfAllLevels() {
        table.enter(0, 0x7f12_3456_7000L, SIZE_4K, ALL);
        long slot = TableDump.slot(table, 0, 3);
        HostMemory.putLong(slot, HostMemory.getLong(slot) & ~2);
        assertThat(table.walk(0, WRITE, walk)).isEqualTo(-1);
        assertThat(walk.rights).isEqualTo(READ | EXECUTE);
        assertThat(walk.level).isOne();
        // write 2, R and X 28h, linear address valid 80h, final 100h
        assertThat(EntryFormat.EPT.faultInfo(walk, WRITE, true, true, false)).isEqualTo(0x1aa);
    }

    private long qualification(long gpa, int access, boolean linear, boolean last) {
        assertThat(table.walk(gpa, access, walk)).isEqualTo(-1);
        assertThat(EntryFormat.EPT.exitReason(walk)).isEqualTo(48);
        return EntryFormat.EPT.faultInfo(walk, access, linear, last, true);
    }

    @Test
    void exitQualifications() {
        EntryFormat ept = EntryFormat.EPT;
        table.enter(0x1000, 0x7f12_3456_7000L, SIZE_4K, READ);
        assertThat(qualification(0, READ, true, true)).isEqualTo(0x181);
        assertThat(qualification(0, WRITE, true, true)).isEqualTo(0x182);
        assertThat(qualification(0, EXECUTE, true, true)).isEqualTo(0x184);
        assertThat(qualification(0x1000, READ | WRITE, true, true))
                .as("read-modify-write of a read-only page")
                .isEqualTo(0x18b);
        assertThat(qualification(0x1000, EXECUTE, true, true)).isEqualTo(0x18c);
        assertThat(qualification(0, READ | WRITE, true, false))
                .as("guest page table")
                .isEqualTo(0x83);
        assertThat(qualification(0x1000, READ | WRITE, true, false))
                .as("read-only guest page table")
                .isEqualTo(0x8b);
        assertThat(qualification(0, READ, false, false))
                .as("PDPTE load by MOV to CR3")
                .isEqualTo(0x1);
        assertThat(ept.faultIsNotPresent(0x181)).isTrue();
        assertThat(ept.faultIsProtection(0x1aa)).isTrue();
        assertThat(ept.faultIsNotPresent(0x1aa)).isFalse();
        assertThat(ept.faultIsMisconfiguration(0)).isTrue();
        assertThat(ept.faultIsNotPresent(0)).isFalse();
        assertThat(ept.faultIsGuestTableWalk(0x83)).isTrue();
        assertThat(ept.faultIsGuestTableWalk(0x183)).isFalse();
        assertThat(ept.faultIsGuestTableWalk(0x1)).isFalse();
        assertThat(ept.faultAccess(0x18b)).isEqualTo(READ | WRITE);
        assertThat(ept.describeFault(0x1aa)).isEqualTo("write, final translation: protection (0x1aa)");
        assertThat(ept.describeFault(0x83)).isEqualTo("write, guest table walk: not present (0x83)");
    }
}
