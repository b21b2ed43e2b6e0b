package org.nestorvm.paging;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;

/**
 * Random operations on a table and on {@link TableModel}; after each one the whole table is read from memory and
 * compared.
 */
class NestedPageTableModelTest {
    private static final long K4 = 1 << 12, M2 = 1 << 21, G1 = 1 << 30;
    private static final long HOST = 0x7000_0000_0000L;
    /**
     * Places where something changes level: within a table, at the border of two, of two upper ones, at both ends of
     * the space.
     */
    private static final long[] PLACES = {
        0, M2, G1 - M2, G1, 3 * G1, (1L << 39) - M2, 1L << 39, (1L << 48) - 2 * M2, (1L << 48) - G1
    };

    enum Kind {
        ENTER_4K,
        ENTER_2M,
        ENTER_1G,
        FILL_2M,
        REMOVE,
        PROTECT,
        CLEAR_DIRTY,
        CLEAR_ACCESSED,
        SPLIT,
        MERGE_2M,
        MERGE_1G,
        WALK
    }

    private static final List<Kind> KINDS = Stream.concat(
                    Stream.of(Kind.values()), Stream.of(Kind.ENTER_2M, Kind.WALK, Kind.WALK, Kind.WALK))
            .toList();

    /** @param variety chooses the host page, the kind of access and the like */
    record Step(Kind kind, long gpa, long sizeBytes, int rights, int variety) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Long> gpas = Combinators.combine(
                        Arbitraries.of(0, 0, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8),
                        Arbitraries.longs().between(0, 1023))
                .as((place, page) -> Math.min(PLACES[place] + page * K4, (1L << 48) - K4));
        Arbitrary<Long> sizes = Arbitraries.frequencyOf(
                Tuple.of(4, Arbitraries.longs().between(1, 1500).map(pages -> pages * K4)),
                Tuple.of(2, Arbitraries.of(K4, M2, 2 * M2, G1, G1 + M2, 1L << 39)));
        Arbitrary<Step> step = Combinators.combine(
                        Arbitraries.of(KINDS),
                        gpas,
                        sizes,
                        Arbitraries.of(1, 3, 5, 7, 7, 7),
                        Arbitraries.integers().between(0, 11))
                .as(Step::new);
        return step.list().ofMinSize(1).ofMaxSize(30);
    }

    @Property(tries = 400, edgeCases = EdgeCasesMode.NONE)
    void eptBehavesAsTheModel(@ForAll("steps") List<Step> steps) {
        run(EntryFormat.EPT, steps);
    }

    @Property(tries = 400, edgeCases = EdgeCasesMode.NONE)
    void nptBehavesAsTheModel(@ForAll("steps") List<Step> steps) {
        run(EntryFormat.NPT, steps);
    }

    private static void run(EntryFormat format, List<Step> steps) {
        long pages = TablePool.livePages(), bytes = TablePool.liveBytes();
        try (NestedPageTable table = new NestedPageTable(format)) {
            TableModel model = new TableModel();
            for (Step step : steps) {
                make(step, table, model);
                compare(table, model);
            }
            table.remove(0, NestedPageTable.GPA_END);
            assertThat(table.tablePages()).isOne();
            assertThat(table.residentCount()).isZero();
        }
        assertThat(TablePool.livePages()).isEqualTo(pages);
        assertThat(TablePool.liveBytes()).isEqualTo(bytes);
    }

    private static void make(Step step, NestedPageTable table, TableModel model) {
        long gpa = step.gpa, size = Math.min(step.sizeBytes, (1L << 48) - gpa);
        switch (step.kind) {
            case ENTER_4K -> enter(step, PageSize.SIZE_4K, gpa, table, model);
            case ENTER_2M -> enter(step, PageSize.SIZE_2M, gpa, table, model);
            case ENTER_1G -> enter(step, PageSize.SIZE_1G, gpa, table, model);
            case FILL_2M -> {
                for (long at = gpa & -M2, end = at + M2; at < end; at += K4)
                    enter(step, PageSize.SIZE_4K, at, table, model);
            }
            case REMOVE -> {
                table.remove(gpa, size);
                model.remove(gpa, size);
            }
            case PROTECT -> {
                table.writeProtect(gpa, size);
                model.writeProtect(gpa, size);
            }
            case CLEAR_DIRTY, CLEAR_ACCESSED -> clear(step.kind == Kind.CLEAR_DIRTY, gpa, size, table, model);
            case SPLIT -> assertThat(table.split(gpa)).isEqualTo(model.split(gpa));
            case MERGE_2M ->
                assertThat(table.merge(gpa & -M2, PageSize.SIZE_2M)).isEqualTo(model.merge(gpa & -M2, 21));
            case MERGE_1G ->
                assertThat(table.merge(gpa & -G1, PageSize.SIZE_1G)).isEqualTo(model.merge(gpa & -G1, 30));
            case WALK -> {
                Long near = model.pages.ceilingKey(gpa);
                for (int k = 0; k < 24; k++)
                    walk((near == null ? gpa : near) + k * 13 * K4 + 5, 1 + step.variety % 7, table, model);
            }
        }
    }

    private static void walk(long gpa, int access, NestedPageTable table, TableModel model) {
        assertThat(table.walk(gpa, access, new NestedWalk())).isEqualTo(model.walk(gpa, access));
    }

    private static void enter(Step step, PageSize size, long gpa, NestedPageTable table, TableModel model) {
        long at = gpa & -size.bytes();
        long host = HOST + (at & (1L << 40) - 1) + (step.variety == 0 ? 7 * G1 : 0);
        table.enter(at, host, size, step.rights);
        model.enter(at, host, size.shift, step.rights);
    }

    private static void clear(boolean dirty, long gpa, long wanted, NestedPageTable table, TableModel model) {
        long size = Math.min(wanted, 2 * G1);
        long[] bitmap = new long[(int) ((size >>> 12) + 63 >>> 6)];
        long count = dirty ? table.clearDirty(gpa, size, bitmap) : table.clearAccessed(gpa, size, bitmap);
        List<Long> expected = model.clear(gpa, size, dirty);
        assertThat(count).isEqualTo(expected.size());
        long[] expectedBits = new long[bitmap.length];
        for (long page : expected) expectedBits[(int) (page - gpa >>> 18)] |= 1L << (page - gpa >>> 12);
        assertThat(bitmap).isEqualTo(expectedBits);
    }

    private static void compare(NestedPageTable table, TableModel model) {
        TableDump dump = TableDump.of(table);
        TreeMap<Long, TableModel.Page> found = new TreeMap<>();
        dump.leaves.forEach((gpa, leaf) -> found.put(gpa, page(table.format(), leaf)));
        assertThat(found).isEqualTo(model.pages);
        assertThat(dump.emptyTables).isZero();
        assertThat(dump.tables).isEqualTo(table.tablePages());
        assertThat(table.residentCount()).isEqualTo(model.residentUnits());
        probe(table, model);
    }

    /** The first and the last byte of up to a few pages, and the bytes beside them. */
    private static void probe(NestedPageTable table, TableModel model) {
        NestedWalk walk = new NestedWalk();
        int step = Math.max(1, model.pages.size() / 16), i = 0;
        for (var page : model.pages.entrySet()) {
            if (i++ % step != 0) continue;
            long end = page.getKey() + (1L << page.getValue().shift());
            for (long gpa : new long[] {page.getKey() - 1, page.getKey(), end - 1, end}) {
                var there = model.find(gpa);
                long expected = there == null ? -1 : there.getValue().host() + gpa - there.getKey();
                assertThat(table.extract(gpa)).isEqualTo(expected);
                assertThat(table.lookup(gpa, walk)).isEqualTo(expected);
                if (there == null) continue;
                assertThat(walk.rights).isEqualTo(there.getValue().rights());
                assertThat(walk.pageShift).isEqualTo(there.getValue().shift());
            }
        }
    }

    private static TableModel.Page page(EntryFormat format, TableDump.Leaf leaf) {
        long entry = leaf.entry();
        boolean ept = format == EntryFormat.EPT;
        int shift = 3 + 9 * leaf.level();
        long host = entry & 0x000f_ffff_ffff_ffffL & -(1L << shift);
        int rights = ept ? (int) entry & 7 : 1 | (int) entry & 2 | (entry < 0 ? 0 : 4);
        return new TableModel.Page(
                shift, host, rights, (entry & (ept ? 0x100 : 0x20)) != 0, (entry & (ept ? 0x200 : 0x40)) != 0);
    }
}
