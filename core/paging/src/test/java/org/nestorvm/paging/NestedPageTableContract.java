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

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What every format does alike. Host pages are only addresses here: nobody reads behind them. */
abstract class NestedPageTableContract {
    static final long HOST = 0x7f00_0000_0000L, K4 = 1 << 12, M2 = 1 << 21, G1 = 1 << 30;

    private final NestedPageTable table;
    private final NestedWalk walk = new NestedWalk();
    private final List<String> told = new ArrayList<>();

    NestedPageTableContract(EntryFormat format) {
        table = new NestedPageTable(format);
        table.setInvalidationListener((gpa, size) -> told.add(Long.toHexString(gpa) + "+" + Long.toHexString(size)));
    }

    @AfterEach
    void close() {
        table.close();
    }

    private long walk(long gpa, int access) {
        return table.walk(gpa, access, walk);
    }

    @Test
    void emptyTableFindsNothing() {
        assertThat(walk(0x1234, READ)).isEqualTo(-1);
        assertThat(walk.level).isEqualTo(4);
        assertThat(walk.entry).isZero();
        assertThat(walk.present()).isFalse();
        assertThat(table.extract(0x1234)).isEqualTo(-1);
        assertThat(table.tablePages()).isOne();
    }

    @Test
    void enteredPageIsFoundWithItsOffset() {
        table.enter(0x5000, HOST + 0x9000, SIZE_4K, ALL);
        assertThat(walk(0x5abc, READ)).isEqualTo(HOST + 0x9abc);
        assertThat(walk.pageShift).isEqualTo(12);
        assertThat(walk.rights).isEqualTo(ALL);
        assertThat(table.extract(0x5fff)).isEqualTo(HOST + 0x9fff);
        assertThat(table.extract(0x6000)).isEqualTo(-1);
        assertThat(table.extract(0x4fff)).isEqualTo(-1);
        assertThat(table.residentCount()).isOne();
        assertThat(table.tablePages()).isEqualTo(4);
    }

    @Test
    void missingLevelIsReported() {
        table.enter(0, HOST, SIZE_4K, ALL);
        walk(1L << 39, READ);
        assertThat(walk.level).isEqualTo(4);
        walk(G1, READ);
        assertThat(walk.level).isEqualTo(3);
        walk(M2, READ);
        assertThat(walk.level).isEqualTo(2);
        walk(K4, READ);
        assertThat(walk.level).isEqualTo(1);
    }

    @Test
    void forbiddenAccessShowsTheRights() {
        table.enter(0, HOST, SIZE_4K, READ | EXECUTE);
        assertThat(walk(8, WRITE)).isEqualTo(-1);
        assertThat(walk.rights).isEqualTo(READ | EXECUTE);
        assertThat(walk.present()).isTrue();
        assertThat(walk(8, READ | WRITE)).isEqualTo(-1);
        assertThat(walk(8, EXECUTE)).isEqualTo(HOST + 8);
        table.enter(0, HOST, SIZE_4K, READ);
        assertThat(walk(8, EXECUTE)).isEqualTo(-1);
        assertThat(told).containsExactly("0+1000");
    }

    @Test
    void extremesOfGuestPhysicalSpace() {
        long last = (1L << 48) - K4;
        table.enter(last, HOST, SIZE_4K, ALL);
        table.enter(0, HOST + K4, SIZE_4K, ALL);
        assertThat(table.extract(last + 0xfff)).isEqualTo(HOST + 0xfff);
        assertThat(table.extract(0)).isEqualTo(HOST + K4);
        assertThat(table.extract(1L << 48)).isEqualTo(-1);
        assertThat(walk(-1, READ)).isEqualTo(-1);
        assertThat(walk.level).isEqualTo(4);
        table.remove(0, 1L << 48);
        assertThat(table.residentCount()).isZero();
        assertThat(table.tablePages()).isOne();
        assertThatThrownBy(() -> table.enter(1L << 48, HOST, SIZE_4K, ALL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("gpa must be below 2^48: gpa=0x1000000000000");
        assertThatThrownBy(() -> table.enter(0, 1L << 47, SIZE_4K, ALL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("hostPage must be above 0 and below 2^47: hostPage=0x800000000000");
        assertThatThrownBy(() -> table.enter(K4, HOST, SIZE_2M, ALL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("gpa must be a multiple of the page size: gpa=0x1000 size=SIZE_2M");
        assertThatThrownBy(() -> table.remove(last, 2 * K4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("range must end at or below 2^48: gpa=0xfffffffff000 sizeBytes=0x2000");
        assertThatThrownBy(() -> table.remove(K4, 5))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("range must be page aligned: gpa=0x1000 sizeBytes=0x5");
        assertThatThrownBy(() -> table.remove(K4, Long.MIN_VALUE)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> table.enter(0, HOST, SIZE_4K, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> table.enter(0, HOST, SIZE_4K, WRITE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("rights=0x2");
    }

    @Test
    void p12RemovingARangeNeverTouchesTheNextPage() {
        for (int i = 0; i < 1024; i++) table.enter(i * K4, HOST + i * K4, SIZE_4K, ALL);
        table.remove(100 * K4, 500 * K4);
        assertThat(table.extract(99 * K4)).isEqualTo(HOST + 99 * K4);
        assertThat(table.extract(100 * K4)).isEqualTo(-1);
        assertThat(table.extract(599 * K4)).isEqualTo(-1);
        assertThat(table.extract(600 * K4)).isEqualTo(HOST + 600 * K4);
        assertThat(table.residentCount()).isEqualTo(524);
        table.remove(0, M2);
        assertThat(table.residentCount()).isEqualTo(424);
        assertThat(table.tablePages()).isEqualTo(4);
        table.remove(600 * K4, 424 * K4);
        assertThat(table.tablePages()).isOne();
        assertThat(told).containsExactly("64000+1f4000", "0+200000", "258000+1a8000");
    }

    @Test
    void removeSplitsLargePagesAtBothEdges() {
        table.enter(G1, HOST, SIZE_1G, ALL);
        assertThat(table.residentCount()).isEqualTo(262_144);
        table.remove(G1 + 5 * K4, G1 - 8 * K4);
        assertThat(table.extract(G1 + 5 * K4 - 1)).isEqualTo(HOST + 5 * K4 - 1);
        assertThat(table.extract(G1 + 5 * K4)).isEqualTo(-1);
        assertThat(table.extract(2 * G1 - 3 * K4 - 1)).isEqualTo(-1);
        assertThat(table.extract(2 * G1 - 3 * K4)).isEqualTo(HOST + G1 - 3 * K4);
        assertThat(table.residentCount()).isEqualTo(8);
        assertThat(told).containsExactly("40000000+40000000");
    }

    @Test
    void smallPageSplitsALargeOneAroundIt() {
        table.enter(0, HOST, SIZE_1G, ALL);
        table.enter(7 * M2 + 3 * K4, HOST + 2 * G1, SIZE_4K, READ);
        assertThat(table.residentCount()).isEqualTo(262_144);
        assertThat(table.extract(7 * M2 + 3 * K4)).isEqualTo(HOST + 2 * G1);
        assertThat(table.extract(7 * M2 + 4 * K4)).isEqualTo(HOST + 7 * M2 + 4 * K4);
        assertThat(walk(7 * M2, READ)).isPositive();
        assertThat(walk.pageShift).isEqualTo(12);
        assertThat(walk(6 * M2, READ)).isPositive();
        assertThat(walk.pageShift).isEqualTo(21);
        assertThat(told).containsExactly("0+40000000");
    }

    @Test
    void smallPageThatSaysWhatTheLargeOneSaysChangesNothing() {
        table.enter(0, HOST, SIZE_2M, ALL);
        table.enter(3 * K4, HOST + 3 * K4, SIZE_4K, ALL);
        walk(3 * K4, READ);
        assertThat(walk.pageShift).isEqualTo(21);
        assertThat(told).isEmpty();
    }

    @Test
    void largePageReplacesSmallOnes() {
        for (int i = 0; i < 300; i++) table.enter(i * K4, HOST + G1 + i * K4, SIZE_4K, ALL);
        table.enter(0, HOST, SIZE_2M, READ);
        assertThat(table.residentCount()).isEqualTo(512);
        assertThat(table.tablePages()).isEqualTo(3);
        assertThat(table.extract(511 * K4)).isEqualTo(HOST + 511 * K4);
        table.enter(0, HOST, SIZE_1G, READ);
        assertThat(table.residentCount()).isEqualTo(262_144);
        assertThat(table.tablePages()).isEqualTo(2);
    }

    @Test
    void splitAndMergeKeepTranslationAndDirtiness() {
        table.enter(0, HOST, SIZE_2M, ALL);
        assertThat(table.split(5 * K4)).isTrue();
        assertThat(walk(5 * K4, WRITE)).isEqualTo(HOST + 5 * K4);
        assertThat(table.clearDirty(0, K4, null)).isZero();
        assertThat(table.merge(0, SIZE_2M)).isTrue();
        assertThat(walk(9 * K4, READ)).isEqualTo(HOST + 9 * K4);
        assertThat(walk.pageShift).isEqualTo(21);
        assertThat(table.residentCount()).isEqualTo(512);
        long[] bitmap = new long[8];
        assertThat(table.clearDirty(0, M2, bitmap)).isEqualTo(512);
        assertThat(bitmap).containsOnly(-1L);
        assertThat(table.clearDirty(0, M2, null)).isZero();
        assertThat(table.split(0)).isTrue();
        assertThat(table.split(0)).isFalse();
        table.writeProtect(5 * K4, K4);
        assertThat(table.merge(0, SIZE_2M)).isFalse();
    }

    @Test
    void mergeToOneGigabyteGoesThroughTwoMegabytes() {
        for (long m = 0; m < 512; m++) table.enter(m * M2, HOST + m * M2, SIZE_2M, ALL);
        table.split(17 * M2);
        assertThat(table.merge(0, SIZE_1G)).isTrue();
        assertThat(table.tablePages()).isEqualTo(2);
        assertThat(walk(G1 - 1, READ)).isEqualTo(HOST + G1 - 1);
        assertThat(walk.pageShift).isEqualTo(30);
    }

    @Test
    void dirtyAndAccessedAreReadAndCleared() {
        for (int i = 0; i < 200; i++) table.enter(i * K4, HOST + i * K4, SIZE_4K, ALL);
        walk(3 * K4, WRITE);
        walk(130 * K4, READ | WRITE);
        walk(131 * K4, READ);
        long[] bitmap = new long[4];
        assertThat(table.clearAccessed(2 * K4, 198 * K4, bitmap)).isEqualTo(3);
        assertThat(bitmap).containsExactly(1L << 1, 0L, 1L << 0 | 1L << 1, 0L);
        bitmap = new long[4];
        assertThat(table.clearDirty(0, 200 * K4, bitmap)).isEqualTo(2);
        assertThat(bitmap).containsExactly(1L << 3, 0L, 1L << 2, 0L);
        assertThat(table.clearDirty(0, 200 * K4, null)).isZero();
        assertThat(told).containsExactly("2000+c6000", "0+c8000");
        assertThatThrownBy(() -> table.clearDirty(0, 65 * K4, new long[1]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("bitmap must have a bit per page: 64 bits for 65 pages");
    }

    @Test
    void dirtyLargePageStaysDirtyOutsideTheRange() {
        table.enter(0, HOST, SIZE_2M, ALL);
        walk(0, WRITE);
        assertThat(table.clearDirty(K4, K4, null)).isOne();
        assertThat(table.clearDirty(0, M2, null)).isEqualTo(511);
    }

    @Test
    void cleanLargePageIsNotSplitByClearing() {
        table.enter(0, HOST, SIZE_2M, READ);
        table.clearDirty(K4, K4, null);
        table.writeProtect(K4, K4);
        walk(0, READ);
        assertThat(walk.pageShift).isEqualTo(21);
        assertThat(told).isEmpty();
    }

    @Test
    void writeProtectTakesOnlyTheRightToWrite() {
        table.enter(0, HOST, SIZE_2M, ALL);
        table.writeProtect(K4, 2 * K4);
        assertThat(walk(0, WRITE)).isPositive();
        assertThat(walk(K4, WRITE)).isEqualTo(-1);
        assertThat(walk(2 * K4, WRITE)).isEqualTo(-1);
        assertThat(walk(3 * K4, WRITE)).isPositive();
        assertThat(walk(K4, READ | EXECUTE)).isPositive();
        assertThat(told).containsExactly("0+200000");
        table.enter(K4, HOST + K4, SIZE_4K, ALL);
        assertThat(walk(K4, WRITE)).isPositive();
        assertThat(told).hasSize(1);
    }

    @Test
    void closedTableFindsNothingAndRefusesWriters() {
        table.enter(0, HOST, SIZE_4K, ALL);
        table.close();
        assertThat(walk(0, READ)).isEqualTo(-1);
        assertThat(table.extract(0)).isEqualTo(-1);
        assertThat(table.residentCount()).isZero();
        assertThat(table.tableBytes()).isZero();
        assertThat(told).containsExactly("0+1000000000000");
        assertThatThrownBy(() -> table.enter(0, HOST, SIZE_4K, ALL)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> table.remove(0, K4)).isInstanceOf(IllegalStateException.class);
        table.close();
        assertThat(told).hasSize(1);
    }
}
