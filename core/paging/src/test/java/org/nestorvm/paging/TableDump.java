package org.nestorvm.paging;

import java.util.TreeMap;
import org.nestorvm.memory.sys.HostMemory;

/** Reads a whole table as it stands in memory, without any of the code under test but the masks of the format. */
final class TableDump {
    /** One leaf as the table has it. {@code entry} is the raw value. */
    record Leaf(int level, long entry) {}

    final TreeMap<Long, Leaf> leaves = new TreeMap<>();
    int tables;
    int emptyTables;

    static TableDump of(NestedPageTable table) {
        TableDump dump = new TableDump();
        dump.read(table.rootAddress(), 4, 0);
        return dump;
    }

    private void read(long table, int level, long gpaBase) {
        tables++;
        boolean empty = true;
        for (int i = 0; i < 512; i++) {
            long entry = HostMemory.getLong(table + 8 * i), gpa = gpaBase + ((long) i << 3 + 9 * level);
            if (entry == 0) continue;
            empty = false;
            if (level == 1 || (entry & 0x80) != 0) leaves.put(gpa, new Leaf(level, entry));
            else read(entry & 0x000f_ffff_ffff_f000L, level - 1, gpa);
        }
        if (empty && level != 4) emptyTables++;
    }

    /** Host address of the entry for {@code gpa} at {@code level}; all tables above it are there. */
    static long slot(NestedPageTable table, long gpa, int level) {
        long at = table.rootAddress();
        for (int l = 4; ; l--) {
            long slot = at + 8 * (gpa >>> 3 + 9 * l & 511);
            if (l == level) return slot;
            at = HostMemory.getLong(slot) & 0x000f_ffff_ffff_f000L;
        }
    }

    static long entry(NestedPageTable table, long gpa, int level) {
        return HostMemory.getLong(slot(table, gpa, level));
    }
}
