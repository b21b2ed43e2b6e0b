package org.nestorvm.disk;

import java.io.IOException;
import java.util.Arrays;
import org.nestorvm.disk.TableCache.Table;
import org.nestorvm.memory.sys.HostMemory;

/**
 * Where each cluster of the guest's disk lies: the L1 table, in memory as a whole, and the L2 tables, in a cache. Used
 * under the image's lock.
 *
 * <p><b>Order of writes.</b> Changes collect in memory. {@link #writeBack} writes refcounts, then L2 tables, then the
 * L1 table, and synchronises the file in between, so that whatever is durable is named by durable refcounts, and a
 * durable L2 entry leads to durable data. What is freed is counted down only after the entry that named it is gone for
 * good. Killed at any write, an image has at worst clusters that are counted and not used.
 *
 * <p><b>Lazy refcounts.</b> With this feature the image carries the dirty bit while it is changed, refcounts are
 * written when it is closed, and who opens a dirty image counts anew.
 */
final class ClusterMap implements AutoCloseable {
    static final long COPIED = 1L << 63, COMPRESSED = 1L << 62, ZERO = 1;
    private static final long CACHE_BYTES = 32 << 20;
    /** Runs of freed clusters that are remembered before the tables are written back on their account. */
    private static final int FREED_LIMIT = 65_536;

    /** What a stretch of the guest's disk is. */
    enum Kind {
        /** In no cluster: the backing file's, or zero. */
        UNALLOCATED,
        /** Reads zero. */
        ZERO,
        /** In the file, side by side from {@code hostOffset} on. */
        DATA,
        /** In one packed cluster, {@code packedBytes} from {@code hostOffset} on at most. */
        COMPRESSED
    }

    /** The answer of {@link #lookup}. Reused. */
    static final class Run {
        Kind kind;
        long hostOffset, bytes, entry, generation;
        int packedBytes;
    }

    final int clusterBits;
    private final BlockFile file;
    private final Qcow2Header header;
    private final int l2Bits;
    private final boolean zeroFlag, lazy;
    private final ClusterSet tables = new ClusterSet();
    private final TableCache l2Tables;
    private long[] l1;
    private final Refcounts refcounts;
    private final FreedClusters freed;
    private int l1From = Integer.MAX_VALUE, l1To;
    private boolean dirtyBit;
    /** Changes when a packed cluster's place may have been given to another. */
    private long compressedGeneration;

    ClusterMap(BlockFile file, Qcow2Header header, boolean readOnly) throws IOException {
        this.file = file;
        this.header = header;
        clusterBits = header.clusterBits;
        l2Bits = header.l2Bits();
        zeroFlag = header.version >= 3;
        lazy = (header.compatible & Qcow2Header.LAZY_REFCOUNTS) != 0;
        l1 = Tables.read(file, header.l1Offset, header.l1Entries);
        l2Tables = new TableCache(file, 1 << clusterBits, CACHE_BYTES, this::writeBack);
        freed = new FreedClusters(this::release);
        refcounts = readOnly ? null : new Refcounts(file, header, tables, () -> writeBack(true));
        if (!readOnly) claimTables();
    }

    private void claimTables() throws IOException {
        refcounts.claim(0, "the header");
        claimArea("the L1 table", header.l1Offset, 8L * l1.length);
        if (header.snapshots > 0) claimArea("the snapshot table", header.snapshotsOffset, 40L * header.snapshots);
        for (int i = 0; i < l1.length; i++) {
            long offset = l1[i] & Refcounts.OFFSET_MASK;
            if (offset == 0) continue;
            if (!refcounts.validCluster(offset))
                throw refcounts.corrupt("L2 table " + i + " is at " + offset + ", which is no place in this file");
            refcounts.claim(offset >>> clusterBits, "L2 table " + i);
        }
    }

    private void claimArea(String what, long offset, long sizeBytes) throws IOException {
        for (long cluster = offset >>> clusterBits; cluster << clusterBits < offset + sizeBytes; cluster++)
            refcounts.claim(cluster, what);
    }

    FreedClusters freed() {
        return freed;
    }

    Refcounts refcounts() {
        return refcounts;
    }

    boolean hasZeroFlag() {
        return zeroFlag;
    }

    long clusterBytes() {
        return 1L << clusterBits;
    }

    /** Guest clusters from this one to the end of its L2 table. */
    int toTableEnd(long cluster) {
        return (1 << l2Bits) - index(cluster);
    }

    private int index(long cluster) {
        return (int) cluster & (1 << l2Bits) - 1;
    }

    /** The L2 table of a guest cluster; null where there is none. */
    private Table table(long cluster) throws IOException {
        long entry = l1[(int) (cluster >>> l2Bits)];
        long offset = entry & Refcounts.OFFSET_MASK;
        if (offset == 0) return null;
        if ((offset & clusterBytes() - 1) != 0 || offset >= fileEnd())
            throw damaged("an L2 table is at " + offset + ", which is no place in this file");
        return l2Tables.get(offset);
    }

    /** Whether {@link #lookup} and {@link #lookupInPlace} need not read a table. */
    boolean isAtHand(long guestOffset) {
        long offset = l1[(int) (guestOffset >>> clusterBits >>> l2Bits)] & Refcounts.OFFSET_MASK;
        return offset == 0 || l2Tables.has(offset);
    }

    private long fileEnd() throws IOException {
        return refcounts != null
                ? refcounts.end() << clusterBits
                : Math.ceilDiv(file.length(), clusterBytes()) << clusterBits;
    }

    private IOException damaged(String what) {
        return Qcow2Header.bad(file, "is damaged: " + what);
    }

    /** Whether a table's own cluster is not shared with a snapshot. */
    private boolean ownsTable(long cluster) {
        return l1[(int) (cluster >>> l2Bits)] < 0;
    }

    /** What is at {@code guestOffset}, and for how many of the next {@code bytes} bytes. */
    void lookup(Run run, long guestOffset, long bytes) throws IOException {
        long cluster = guestOffset >>> clusterBits, within = guestOffset & clusterBytes() - 1;
        Table table = table(cluster);
        int count = (int) Math.min(toTableEnd(cluster), within + bytes + clusterBytes() - 1 >>> clusterBits);
        int first = index(cluster);
        long entry = table == null ? 0 : table.getLong(first);
        run.entry = entry;
        run.kind = kind(entry);
        int same = 1;
        if (table == null) same = count;
        else if (run.kind != Kind.COMPRESSED) {
            while (same < count && continues(run.kind, entry, table.getLong(first + same), same)) same++;
        }
        run.bytes = Math.min(bytes, ((long) same << clusterBits) - within);
        if (run.kind == Kind.DATA) run.hostOffset = checkedData(entry, same) + within;
        else if (run.kind == Kind.ZERO && table != null) checkZeroes(table, first, same);
        else if (run.kind == Kind.COMPRESSED) lookupPacked(run);
    }

    /** The clusters that are kept for zeroes are places in the file, too. */
    private void checkZeroes(Table table, int first, int count) throws IOException {
        long end = -1;
        for (int i = 0; i < count; i++) {
            long entry = table.getLong(first + i);
            if ((entry & Refcounts.OFFSET_MASK) == 0 && zeroFlag) continue;
            if (end < 0) end = fileEnd();
            checkedData(entry, 1, end);
        }
    }

    private void lookupPacked(Run run) throws IOException {
        run.hostOffset = PackedEntry.offset(run.entry, clusterBits);
        run.packedBytes = packedBytes(run.entry);
        run.generation = compressedGeneration;
    }

    private boolean continues(Kind kind, long first, long entry, int distance) {
        return kind(entry) == kind
                && (kind != Kind.DATA
                        || (entry & Refcounts.OFFSET_MASK)
                                == (first & Refcounts.OFFSET_MASK) + ((long) distance << clusterBits));
    }

    private Kind kind(long entry) {
        if ((entry & COMPRESSED) != 0) return Kind.COMPRESSED;
        if ((entry & ZERO) != 0) return Kind.ZERO;
        return (entry & Refcounts.OFFSET_MASK) == 0 ? Kind.UNALLOCATED : Kind.DATA;
    }

    private long checkedData(long entry, int clusters) throws IOException {
        return checkedData(entry, clusters, fileEnd());
    }

    private long checkedData(long entry, int clusters, long fileEnd) throws IOException {
        long offset = entry & Refcounts.OFFSET_MASK;
        if (!zeroFlag && (entry & ZERO) != 0)
            throw damaged("an L2 entry has the zero flag, which version 2 does not have");
        if ((offset & clusterBytes() - 1) != 0 || offset + ((long) clusters << clusterBits) > fileEnd)
            throw damaged("an L2 entry leads to " + offset + ", which is no place in this file");
        return offset;
    }

    /** Bytes of the file that a packed cluster occupies at most: it ends within the last sector. */
    private int packedBytes(long entry) throws IOException {
        long offset = PackedEntry.offset(entry, clusterBits), end = PackedEntry.end(entry, clusterBits);
        int bytes = (int) (end - offset);
        if (end > fileEnd()) {
            throw damaged(
                    "a compressed cluster of " + bytes + " bytes is at " + offset + ", which is no place in this file");
        }
        return bytes;
    }

    private static boolean reusable(long entry) {
        return (entry & (COPIED | COMPRESSED)) == COPIED && (entry & Refcounts.OFFSET_MASK) != 0;
    }

    /**
     * How many of the next {@code bytes} bytes can be written where they are, {@code run.hostOffset}; none:
     * {@code run.bytes} is 0.
     */
    void lookupInPlace(Run run, long guestOffset, long bytes) throws IOException {
        run.bytes = 0;
        long cluster = guestOffset >>> clusterBits, within = guestOffset & clusterBytes() - 1;
        Table table = table(cluster);
        if (table == null || !ownsTable(cluster)) return;
        int count = (int) Math.min(toTableEnd(cluster), within + bytes + clusterBytes() - 1 >>> clusterBits),
                first = index(cluster),
                same = 0;
        long entry = table.getLong(first);
        while (same < count
                && inPlace(table.getLong(first + same))
                && continues(Kind.DATA, entry, table.getLong(first + same), same)) same++;
        if (same == 0) return;
        run.hostOffset = guarded(entry, same) + within;
        run.bytes = Math.min(bytes, ((long) same << clusterBits) - within);
    }

    private boolean inPlace(long entry) {
        return kind(entry) == Kind.DATA && entry < 0;
    }

    // Whatever the image says, a guest's data never goes over a table.
    private long guarded(long entry, int clusters) throws IOException {
        long offset = checkedData(entry, clusters);
        for (int i = 0; i < clusters; i++) {
            if (tables.contains((offset >>> clusterBits) + i))
                throw refcounts.corrupt("an L2 entry leads to the table at " + (offset + ((long) i << clusterBits)));
        }
        return offset;
    }

    /**
     * How many clusters from this one on, of {@code limit}, get their data by one allocation: {@code run.hostOffset} is
     * where they are kept already (a preallocated cluster that reads zero), or 0, and then new ones are needed.
     */
    int lookupForAllocation(Run run, long cluster, int limit) throws IOException {
        run.hostOffset = 0;
        Table table = table(cluster);
        limit = Math.min(limit, toTableEnd(cluster));
        if (table == null) return limit;
        boolean owned = ownsTable(cluster);
        int first = index(cluster), same = 1;
        long entry = table.getLong(first);
        boolean kept = owned && reusable(entry);
        if (kept) run.hostOffset = guarded(entry, 1);
        while (same < limit) {
            long next = table.getLong(first + same);
            boolean nextKept = owned && reusable(next);
            if (owned && inPlace(next)
                    || nextKept != kept
                    || kept && (next & Refcounts.OFFSET_MASK) != run.hostOffset + ((long) same << clusterBits)) break;
            same++;
        }
        if (kept) guarded(entry, same);
        return same;
    }

    /** The clusters' data is written: they are found there from now on. */
    void link(long cluster, int count, long hostOffset) throws IOException {
        for (int i = 0; i < count; i++) replace(cluster + i, hostOffset + ((long) i << clusterBits) | COPIED);
    }

    /** A packed cluster is written. */
    void linkPacked(long cluster, long offset, int sizeBytes) throws IOException {
        replace(cluster, PackedEntry.of(offset, sizeBytes, clusterBits));
    }

    private void replace(long cluster, long entry) throws IOException {
        Table table = tableForWrite(cluster);
        int index = index(cluster);
        long old = table.getLong(index);
        if (old == entry) return;
        l2Tables.putLong(table, index, entry);
        if ((old & (Refcounts.OFFSET_MASK | COMPRESSED)) != (entry & (Refcounts.OFFSET_MASK | COMPRESSED))) free(old);
    }

    private void free(long entry) throws IOException {
        if ((entry & COMPRESSED) != 0) {
            long offset = PackedEntry.offset(entry, clusterBits), last = offset + packedBytes(entry) - 1;
            for (long cluster = offset >>> clusterBits; cluster <= last >>> clusterBits; cluster++) freed.add(cluster);
            compressedGeneration++;
        } else if ((entry & Refcounts.OFFSET_MASK) != 0) {
            freed.add((entry & Refcounts.OFFSET_MASK) >>> clusterBits);
        }
    }

    private Table tableForWrite(long cluster) throws IOException {
        int l1Index = (int) (cluster >>> l2Bits);
        Table old = table(cluster);
        if (old != null && ownsTable(cluster)) return old;
        long at = refcounts.allocate(1);
        if (old != null) old = table(cluster);
        Table table = l2Tables.create(at << clusterBits);
        if (old != null) {
            HostMemory.copy(old.address(), table.address(), clusterBytes());
            freed.add(old.offset() >>> clusterBits);
        }
        tables.add(at);
        setL1(l1Index, at << clusterBits | COPIED);
        return table;
    }

    private void setL1(int index, long entry) {
        l1[index] = entry;
        l1From = Math.min(l1From, index);
        l1To = Math.max(l1To, index + 1);
    }

    /**
     * Makes whole clusters read zero, those of one L2 table at most.
     *
     * @param backed whether a backing file would show through an unallocated cluster
     * @param unmap whether their space is given back
     * @return how many it could do; fewer where a file of version 2 has no way to say it
     */
    int zero(long cluster, int count, boolean backed, boolean unmap) throws IOException {
        count = Math.min(count, toTableEnd(cluster));
        if (backed && !zeroFlag) return 0;
        if (!backed && table(cluster) == null) return count;
        for (int i = 0; i < count; i++) {
            if (!zeroOne(cluster + i, backed, unmap)) return i;
        }
        if (freed.waiting() > FREED_LIMIT) writeBack();
        return count;
    }

    private boolean zeroOne(long cluster, boolean backed, boolean unmap) throws IOException {
        Table table = table(cluster);
        long entry = table == null ? 0 : table.getLong(index(cluster));
        Kind kind = kind(entry);
        if (kind == Kind.UNALLOCATED && !backed) return true;
        if (!unmap && ownsTable(cluster) && reusable(entry)) {
            if (!zeroFlag) return false;
            replace(cluster, entry | ZERO);
        } else {
            replace(cluster, backed ? ZERO : 0);
        }
        return true;
    }

    /** Takes entries away that lie behind the end of a disk that became smaller. */
    void unlinkFrom(long cluster) throws IOException {
        long all = (long) l1.length << l2Bits;
        for (long at = cluster; at < all; at += toTableEnd(at)) {
            if (table(at) == null) continue;
            for (int i = 0; i < toTableEnd(at); i++) {
                if (table(at).getLong(index(at + i)) != 0) replace(at + i, 0);
            }
            if (index(at) == 0) {
                freed.add((l1[(int) (at >>> l2Bits)] & Refcounts.OFFSET_MASK) >>> clusterBits);
                setL1((int) (at >>> l2Bits), 0);
            }
            if (freed.waiting() > FREED_LIMIT) writeBack();
        }
    }

    /**
     * Moves the L1 table to a place where it can have more entries, and names that and the disk's new size in the
     * header. The old one stays until then.
     */
    void growL1(int entries, long newSizeBytes) throws IOException {
        long clusters = Math.ceilDiv(8L * entries, clusterBytes()),
                oldFirst = header.l1Offset >>> clusterBits,
                oldClusters = Math.ceilDiv(8L * l1.length, clusterBytes());
        long first = refcounts.allocateContiguous((int) clusters);
        for (long cluster = first; cluster < first + clusters; cluster++) refcounts.claim(cluster, "the L1 table");
        writeBack(true);
        l1 = Arrays.copyOf(l1, entries);
        HostFile.writeZeroes(file, first << clusterBits, clusters << clusterBits);
        Tables.write(file, first << clusterBits, l1, 0, entries);
        file.sync();
        Tables.writeHeader(
                file,
                Qcow2Header.L1_SIZE,
                12,
                (long) entries << 32 | first << clusterBits >>> 32,
                first << clusterBits << 32);
        file.sync();
        header.l1Offset = first << clusterBits;
        header.l1Entries = entries;
        for (long cluster = oldFirst; cluster < oldFirst + oldClusters; cluster++) freed.add(cluster);
        setSize(newSizeBytes);
    }

    void setSize(long newSizeBytes) throws IOException {
        writeBack(true);
        Tables.writeHeader(file, Qcow2Header.SIZE, 8, newSizeBytes, 0);
        file.sync();
        header.sizeBytes = newSizeBytes;
    }

    /** Whether anything is in memory that the file does not have. */
    boolean dirty() {
        return refcounts != null
                && (l2Tables.dirty() || l1To > 0 || refcounts.dirty() && !dirtyBit || !freed.isEmpty());
    }

    void writeBack() throws IOException {
        writeBack(false);
    }

    private void writeBack(boolean withRefcounts) throws IOException {
        boolean entries = l2Tables.dirty() || l1To > 0;
        if (lazy && entries && !dirtyBit) setDirtyBit(true);
        if (!dirtyBit || withRefcounts) {
            refcounts.writeBlocks();
            if (refcounts.tableDirty()) {
                file.sync();
                refcounts.writeTable();
            }
        }
        file.sync();
        if (entries) {
            l2Tables.writeDirty();
            if (l1To > 0) {
                file.sync();
                Tables.write(file, header.l1Offset, l1, l1From, l1To);
                l1From = Integer.MAX_VALUE;
                l1To = 0;
            }
            file.sync();
        }
        freed.tablesAreDurable();
    }

    private void release(long first, long count) throws IOException {
        long start = first;
        for (long cluster = first; cluster < first + count; cluster++) {
            boolean free = refcounts.decrement(cluster);
            if (free) l2Tables.forget(cluster << clusterBits);
            if (free) continue;
            punch(start, cluster);
            start = cluster + 1;
        }
        punch(start, first + count);
    }

    private void punch(long from, long to) throws IOException {
        if (from < to) file.punch(from << clusterBits, to - from << clusterBits);
    }

    private void setDirtyBit(boolean on) throws IOException {
        header.incompatible = on ? header.incompatible | Qcow2Header.DIRTY : header.incompatible & ~Qcow2Header.DIRTY;
        Tables.writeHeader(file, Qcow2Header.INCOMPATIBLE_FEATURES, 8, header.incompatible, 0);
        file.sync();
        dirtyBit = on;
    }

    /** Everything is written, and no feature bit says otherwise. */
    void finish() throws IOException {
        for (int round = 0; round < 4 && (dirty() || round == 0); round++) writeBack(true);
        refcounts.writeBlocks();
        file.sync();
        if (dirtyBit) setDirtyBit(false);
    }

    @Override
    public void close() {
        l2Tables.close();
        if (refcounts != null) refcounts.close();
    }
}
