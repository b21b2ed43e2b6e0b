package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.HostMemory;

/**
 * Tables of one cluster each (L2 tables, refcount blocks) in memory: at most so many, the least recently used goes.
 * Changes stay here until {@link #writeDirty}; the image decides when that may be, since what a table points at has to
 * be durable first. A table knows which of its bytes have changed, and only the sectors with those are written.
 *
 * <p>Used under the image's lock. A table stays where it is at least until two others were asked for.
 */
final class TableCache implements AutoCloseable {
    private static final int SLAB_BYTES = 64 << 10, LEAST = 4;

    /** Makes clean tables out of dirty ones, because only a clean one can go. */
    @FunctionalInterface
    interface Cleaner {
        void clean() throws IOException;
    }

    /** One cluster of the file. */
    static final class Table {
        private final long address;
        private long offset = -1;
        private int dirtyFrom, dirtyTo;
        private boolean listed;
        private Table older, newer, chained, nextDirty;

        private Table(long address) {
            this.address = address;
        }

        long offset() {
            return offset;
        }

        long address() {
            return address;
        }

        long getLong(int index) {
            return Long.reverseBytes(HostMemory.getLong(address + 8L * index));
        }
    }

    private final BlockFile file;
    private final int tableBytes, limit;
    private final Cleaner cleaner;
    private final Arena arena = Arena.ofShared();
    private final Table[] buckets;
    private Table newest, oldest, firstDirty;
    private int count;
    private long slab, slabEnd;

    TableCache(BlockFile file, int tableBytes, long limitBytes, Cleaner cleaner) {
        this.file = file;
        this.tableBytes = tableBytes;
        this.cleaner = cleaner;
        limit = (int) Math.max(LEAST, limitBytes / tableBytes);
        buckets = new Table[Integer.highestOneBit(limit) * 2];
    }

    /** The table at an offset of the file, read if it is not here. */
    Table get(long offset) throws IOException {
        Table table = find(offset);
        if (table == null) {
            table = vacant();
            file.read(offset, table.address, tableBytes);
            name(table, offset);
        }
        touch(table);
        return table;
    }

    /** Whether {@link #get} finds it here. */
    boolean has(long offset) {
        return find(offset) != null;
    }

    /** A new table, all zeroes, to be written as a whole. */
    Table create(long offset) throws IOException {
        forget(offset);
        Table table = vacant();
        HostMemory.fill(table.address, tableBytes, (byte) 0);
        name(table, offset);
        touch(table);
        changed(table, 0, tableBytes);
        return table;
    }

    void putLong(Table table, int index, long value) {
        HostMemory.putLong(table.address + 8L * index, Long.reverseBytes(value));
        changed(table, 8 * index, 8);
    }

    void changed(Table table, int at, int sizeBytes) {
        if (table.dirtyTo == 0) table.dirtyFrom = Integer.MAX_VALUE;
        table.dirtyFrom = Math.min(table.dirtyFrom, at);
        table.dirtyTo = Math.max(table.dirtyTo, at + sizeBytes);
        if (table.listed) return;
        table.listed = true;
        table.nextDirty = firstDirty;
        firstDirty = table;
    }

    boolean dirty() {
        return firstDirty != null;
    }

    void writeDirty() throws IOException {
        while (firstDirty != null) {
            Table table = firstDirty;
            if (table.dirtyTo > 0) {
                int from = table.dirtyFrom & -DiskImage.SECTOR_BYTES,
                        to = Math.min(tableBytes, table.dirtyTo + DiskImage.SECTOR_BYTES - 1 & -DiskImage.SECTOR_BYTES);
                file.write(table.offset + from, table.address + from, to - from);
            }
            table.dirtyTo = 0;
            table.listed = false;
            firstDirty = table.nextDirty;
            table.nextDirty = null;
        }
    }

    /** The cluster is no table any more. */
    void forget(long offset) {
        Table table = find(offset);
        if (table == null) return;
        unname(table);
        table.dirtyTo = 0;
    }

    private int bucket(long offset) {
        return (int) (offset / tableBytes * 0x9e3779b97f4a7c15L >>> 40) & buckets.length - 1;
    }

    private Table find(long offset) {
        Table table = buckets[bucket(offset)];
        while (table != null && table.offset != offset) table = table.chained;
        return table;
    }

    private void name(Table table, long offset) {
        table.offset = offset;
        int bucket = bucket(offset);
        table.chained = buckets[bucket];
        buckets[bucket] = table;
    }

    private void unname(Table table) {
        if (table.offset < 0) return;
        int bucket = bucket(table.offset);
        if (buckets[bucket] == table) buckets[bucket] = table.chained;
        else {
            Table before = buckets[bucket];
            while (before.chained != table) before = before.chained;
            before.chained = table.chained;
        }
        table.chained = null;
        table.offset = -1;
    }

    private Table vacant() throws IOException {
        if (count < limit) return append();
        Table table = cleanFromOldest();
        while (table == null) {
            cleaner.clean();
            table = cleanFromOldest();
        }
        unname(table);
        return table;
    }

    // The two newest may be in use by who asks.
    private Table cleanFromOldest() {
        Table last = newest.older;
        for (Table table = oldest; table != last; table = table.newer) {
            if (!table.listed) return table;
        }
        return null;
    }

    private Table append() {
        if (slab == slabEnd) {
            int bytes = Math.max(tableBytes, SLAB_BYTES);
            slab = arena.allocate(bytes, 4096).address();
            slabEnd = slab + bytes;
        }
        Table table = new Table(slab);
        slab += tableBytes;
        count++;
        table.older = newest;
        if (newest != null) newest.newer = table;
        newest = table;
        if (oldest == null) oldest = table;
        return table;
    }

    private void touch(Table table) {
        if (table == newest) return;
        if (table.older != null) table.older.newer = table.newer;
        else oldest = table.newer;
        table.newer.older = table.older;
        table.older = newest;
        table.newer = null;
        newest.newer = table;
        newest = table;
    }

    @Override
    public void close() {
        arena.close();
    }
}
