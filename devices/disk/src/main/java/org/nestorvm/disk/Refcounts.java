package org.nestorvm.disk;

import java.io.IOException;
import java.util.Arrays;
import org.nestorvm.disk.TableCache.Table;

/**
 * Which clusters of the file are in use, and by how many: the refcount table, in memory as a whole, and its blocks, in
 * a cache. Used under the image's lock.
 *
 * <p>A new block describes the first free cluster of its range and lies there itself. When the table is full a larger
 * one is written behind everything, made durable, and only then named in the header: killed at any moment, the file has
 * one whole table.
 */
final class Refcounts implements AutoCloseable {
    private static final long CACHE_BYTES = 4 << 20;
    /** Bits 9 to 55 of an L1 or L2 entry hold an offset. */
    static final long OFFSET_MASK = 0x00ff_ffff_ffff_fe00L;

    private final BlockFile file;
    private final int clusterBits, order, blockBits;
    private final ClusterSet tables;
    private final TableCache blocks;
    private final TableCache.Cleaner writeBack;
    private long[] table;
    private long tableOffset;
    private int tableClusters, dirtyFrom = Integer.MAX_VALUE, dirtyTo;
    private long hint;
    /** The cluster behind the last that was ever in use: nothing has been written from here on. */
    private long end;

    private int got;

    /**
     * @param tables gets every cluster of the table and its blocks
     * @param writeBack makes everything clean
     */
    Refcounts(BlockFile file, Qcow2Header header, ClusterSet tables, TableCache.Cleaner writeBack) throws IOException {
        this.file = file;
        this.tables = tables;
        this.writeBack = writeBack;
        clusterBits = header.clusterBits;
        order = header.refcountOrder;
        blockBits = clusterBits + 3 - order;
        tableOffset = header.refcountTableOffset;
        tableClusters = header.refcountTableClusters;
        end = Math.ceilDiv(file.length(), 1L << clusterBits);
        table = Tables.read(file, tableOffset, tableClusters << clusterBits - 3);
        blocks = new TableCache(file, 1 << clusterBits, CACHE_BYTES, writeBack);
        claimTables();
    }

    private void claimTables() throws IOException {
        for (int i = 0; i < tableClusters; i++) claim((tableOffset >>> clusterBits) + i, "the refcount table");
        for (int i = 0; i < table.length; i++) {
            if (table[i] == 0) continue;
            if (!validCluster(table[i]))
                throw corrupt("refcount block " + i + " is at " + Long.toUnsignedString(table[i])
                        + ", which is no place in this file");
            claim(table[i] >>> clusterBits, "refcount block " + i);
        }
    }

    void claim(long cluster, String what) throws IOException {
        if (!tables.add(cluster)) throw corrupt(what + " lies over another table, at " + (cluster << clusterBits));
    }

    IOException corrupt(String what) {
        return Qcow2Header.bad(file, "is damaged: " + what + "; `nestor image check -r all` may mend it");
    }

    /** A whole cluster within the file as it is known. */
    boolean validCluster(long offset) {
        return offset > 0 && (offset & (1L << clusterBits) - 1) == 0 && offset >>> clusterBits < end;
    }

    long end() {
        return end;
    }

    long max() {
        return RefcountEntry.max(order);
    }

    private Table block(long cluster) throws IOException {
        long index = cluster >>> blockBits;
        return index < table.length && table[(int) index] != 0 ? blocks.get(table[(int) index]) : null;
    }

    private int inBlock(long cluster) {
        return (int) (cluster & (1L << blockBits) - 1);
    }

    long get(long cluster) throws IOException {
        Table block = block(cluster);
        return block == null ? 0 : RefcountEntry.get(block.address(), inBlock(cluster), order);
    }

    private void set(Table block, long cluster, long value) {
        int index = inBlock(cluster);
        RefcountEntry.put(block.address(), index, order, value);
        long bit = (long) index << order;
        blocks.changed(block, (int) (bit >>> 3), Math.max(1, 1 << order >> 3));
    }

    /** One user more of a cluster that is in use. */
    void increment(long cluster) throws IOException {
        Table block = block(cluster);
        long count = block == null ? 0 : RefcountEntry.get(block.address(), inBlock(cluster), order);
        if (count == 0 || count == max()) throw corrupt("cluster " + cluster + " is in use and has refcount " + count);
        set(block, cluster, count + 1);
    }

    /** @return true when nobody uses it any more */
    boolean decrement(long cluster) throws IOException {
        Table block = block(cluster);
        long count = block == null ? 0 : RefcountEntry.get(block.address(), inBlock(cluster), order);
        if (count == 0) throw corrupt("cluster " + cluster + " is in use and has refcount 0");
        set(block, cluster, count - 1);
        if (count != 1) return false;
        tables.remove(cluster);
        blocks.forget(cluster << clusterBits);
        hint = Math.min(hint, cluster);
        return true;
    }

    /** Clusters that the last {@link #allocate} gave. */
    int got() {
        return got;
    }

    /**
     * Takes free clusters that lie side by side: the first such run, {@code wanted} of them if it is so long. @return
     * the first
     */
    long allocate(int wanted) throws IOException {
        long first = -1, start = hint;
        int count = 0;
        for (long cluster = start; count < wanted; cluster++) {
            long index = cluster >>> blockBits;
            if (index >= table.length || table[(int) index] == 0) {
                if (count > 0) break;
                cluster = index >= table.length ? grow(index) : createBlock(cluster);
                continue;
            }
            if (RefcountEntry.get(blocks.get(table[(int) index]).address(), inBlock(cluster), order) != 0) {
                if (count > 0) break;
            } else if (count++ == 0) first = cluster;
        }
        for (long cluster = first; cluster < first + count; cluster++) take(cluster);
        if (hint >= start) hint = first + count; // else something before was freed meanwhile
        got = count;
        return first;
    }

    /**
     * For a table that must lie in one piece: in the first free run if that is long enough, else behind everything,
     * after the blocks that describe it.
     */
    long allocateContiguous(int wanted) throws IOException {
        long first = allocate(wanted);
        if (got == wanted) return first;
        for (int i = 0, count = got; i < count; i++) decrement(first + i);
        long blocksHere = 0, last = end + wanted - 1;
        while (blocksHere != absentBlocks(last)) {
            blocksHere = absentBlocks(last);
            last = end + blocksHere + wanted - 1;
        }
        if (last >>> blockBits >= table.length) {
            grow(last >>> blockBits);
            return allocateContiguous(wanted);
        }
        long start = end;
        for (long index = start >>> blockBits, at = start; index <= last >>> blockBits; index++) {
            if (table[(int) index] == 0) addBlock((int) index, at++);
        }
        for (long cluster = start; cluster <= last; cluster++) set(block(cluster), cluster, 1);
        end = last + 1;
        got = wanted;
        return start + blocksHere;
    }

    private long absentBlocks(long last) {
        long absent = 0;
        for (long index = end >>> blockBits; index <= last >>> blockBits; index++) {
            if (index >= table.length || table[(int) index] == 0) absent++;
        }
        return absent;
    }

    private void take(long cluster) throws IOException {
        if (tables.contains(cluster) || cluster == 0)
            throw corrupt("cluster " + cluster + " holds a table and has refcount 0");
        if (cluster << clusterBits >>> clusterBits != cluster || (cluster << clusterBits & ~OFFSET_MASK) != 0)
            throw Qcow2Header.bad(file, "cannot grow beyond 64 PiB");
        set(block(cluster), cluster, 1);
        end = Math.max(end, cluster + 1);
    }

    // @return the cluster where the block lies now
    private long createBlock(long cluster) throws IOException {
        if (tables.contains(cluster) || cluster == 0)
            throw corrupt("cluster " + cluster + " holds a table, and no refcount block describes it");
        addBlock((int) (cluster >>> blockBits), cluster);
        set(block(cluster), cluster, 1);
        end = Math.max(end, cluster + 1);
        return cluster;
    }

    private void addBlock(int index, long cluster) throws IOException {
        blocks.create(cluster << clusterBits);
        tables.add(cluster);
        table[index] = cluster << clusterBits;
        dirtyFrom = Math.min(dirtyFrom, index);
        dirtyTo = Math.max(dirtyTo, index + 1);
    }

    // @return the cluster before the first one to try next
    private long grow(long index) throws IOException {
        writeBack.clean();
        long start = Math.max((long) table.length << blockBits, end);
        int entriesPerCluster = 1 << clusterBits - 3;
        long entries = Math.max(index + 1, 2L * table.length), newClusters, newBlocks = 0, blocksBefore;
        do { // the new blocks describe themselves and the table
            blocksBefore = newBlocks;
            entries =
                    Math.max(entries, (start + newBlocks + Math.ceilDiv(entries, entriesPerCluster) >>> blockBits) + 1);
            newClusters = Math.ceilDiv(entries, entriesPerCluster);
            newBlocks = (start + newBlocks + newClusters - 1 >>> blockBits) - (start >>> blockBits) + 1;
        } while (newBlocks != blocksBefore);
        if (newClusters << clusterBits > Qcow2Header.REFCOUNT_TABLE_LIMIT)
            throw Qcow2Header.bad(file, "has no room left in its refcount table; convert it to larger clusters");
        long[] larger = Arrays.copyOf(table, (int) newClusters * entriesPerCluster);
        writeLarger(larger, start, (int) newBlocks, (int) newClusters);
        return Math.max(start - 1, 0);
    }

    private void writeLarger(long[] larger, long start, int newBlocks, int newClusters) throws IOException {
        long firstIndex = start >>> blockBits, used = newBlocks + newClusters;
        for (int i = 0; i < newBlocks; i++) {
            if (larger[(int) firstIndex + i] != 0)
                throw corrupt("a refcount block describes clusters behind the end of the file");
            larger[(int) firstIndex + i] = start + i << clusterBits;
            blocks.create(start + i << clusterBits);
        }
        long newOffset = start + newBlocks << clusterBits, oldCluster = tableOffset >>> clusterBits;
        for (long cluster = start; cluster < start + used; cluster++) {
            set(blocks.get(larger[(int) (cluster >>> blockBits)]), cluster, 1);
            tables.add(cluster);
        }
        blocks.writeDirty();
        Tables.write(file, newOffset, larger, 0, larger.length);
        file.sync();
        Tables.writeHeaderTable(file, newOffset, newClusters);
        file.sync();
        int oldClusters = tableClusters;
        table = larger;
        tableOffset = newOffset;
        tableClusters = newClusters;
        end = Math.max(end, start + used);
        for (int i = 0; i < oldClusters; i++) decrement(oldCluster + i);
    }

    /** Whether there is anything to write. */
    boolean dirty() {
        return blocks.dirty() || tableDirty();
    }

    void writeBlocks() throws IOException {
        blocks.writeDirty();
    }

    boolean tableDirty() {
        return dirtyTo > 0;
    }

    /** To be called when the blocks are durable. */
    void writeTable() throws IOException {
        if (dirtyTo == 0) return;
        Tables.write(file, tableOffset, table, dirtyFrom, dirtyTo);
        dirtyFrom = Integer.MAX_VALUE;
        dirtyTo = 0;
    }

    @Override
    public void close() {
        blocks.close();
    }
}
