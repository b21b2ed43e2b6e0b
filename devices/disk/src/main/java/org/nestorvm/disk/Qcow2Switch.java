package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Gives an image that nobody else uses another state in one step: another L1 table, another list of snapshots, another
 * size. That is how snapshots are made, applied and deleted, and how an image becomes empty.
 *
 * <p>Nothing that the old state needs is written to. The new L1 table, copies of the L2 tables whose COPIED flags
 * change, the snapshot table, and a whole refcount table with its blocks go to clusters that are free, and are made
 * durable. Then one write within one sector of the header names all of them. So after a loss of power there is the old
 * state or the new one, each with the right refcounts and flags. Only then the space of what is free now is given back.
 */
final class Qcow2Switch {
    /**
     * What the image is to be.
     *
     * @param l1 entries of the L1 table; their COPIED flags are put right
     * @param sizeBytes of the guest's disk
     */
    record State(long[] l1, long sizeBytes, List<SnapshotTable.Entry> snapshots) {}

    private final BlockFile file;
    private final Qcow2Header header;
    private final State wanted;
    private final int clusterBits, order;
    private final CountMap counts = new CountMap();
    private final Map<Long, Integer> l2Weights = new HashMap<>();
    /** Clusters that are in use before or after; what was used before. */
    private final BitSet busy, before;

    private final TreeMap<Long, Long> blocks = new TreeMap<>();
    private long tableOffset;
    private int tableClusters;

    private Qcow2Switch(BlockFile file, Qcow2Header header, State wanted) throws IOException {
        this.file = file;
        this.header = header;
        this.wanted = wanted;
        clusterBits = header.clusterBits;
        order = header.refcountOrder;
        before = usedClusters();
        busy = (BitSet) before.clone();
    }

    /** The header of an image that can be switched: clean, and without a contradiction. */
    static Qcow2Header prepare(BlockFile file) throws IOException {
        Qcow2Header header = Qcow2Image.prepareToWrite(file, Qcow2Header.read(file));
        CheckResult found = Qcow2Check.run(file, Qcow2Check.Repair.NONE);
        if (found.corruptions() > 0) {
            throw Qcow2Header.bad(
                    file, "is damaged: " + found.messages().getFirst() + "; `nestor image check -r all` may mend it");
        }
        return header;
    }

    /** @param header from {@link #prepare} */
    static void run(BlockFile file, Qcow2Header header, State wanted) throws IOException {
        Qcow2Switch change = new Qcow2Switch(file, header, wanted);
        change.count();
        change.refuseOverflow();
        change.write();
        change.giveBack();
    }

    /** Clusters of the file that have a refcount. */
    private BitSet usedClusters() throws IOException {
        long[] table = Tables.read(file, header.refcountTableOffset, header.refcountTableClusters << clusterBits - 3);
        int perBlock = 1 << clusterBits + 3 - order;
        long end = Math.ceilDiv(file.length(), header.clusterBytes());
        BitSet used = new BitSet(index(end));
        try (Arena arena = Arena.ofConfined()) {
            long block = arena.allocate(header.clusterBytes(), 8).address();
            for (int i = 0; i < table.length; i++) {
                if (table[i] == 0) continue;
                file.read(table[i], block, header.clusterBytes());
                for (int at = 0; at < perBlock; at++) {
                    long cluster = (long) i * perBlock + at;
                    if (cluster < end && RefcountEntry.get(block, at, order) != 0) used.set((int) cluster);
                }
            }
        }
        return used;
    }

    private int index(long cluster) throws IOException {
        if (cluster < Integer.MAX_VALUE) return (int) cluster;
        throw Qcow2Header.bad(file, "has too many clusters for this; convert it to larger ones");
    }

    // --- who uses what

    /** All that stays as it is. */
    private void count() throws IOException {
        counts.add(0, 1);
        for (SnapshotTable.Entry snapshot : wanted.snapshots) {
            countArea(snapshot.l1Offset(), snapshot.l1Offset() + 8L * snapshot.l1Entries(), 1);
            countL1(Tables.read(file, snapshot.l1Offset(), snapshot.l1Entries()));
        }
        countL1(wanted.l1);
        for (Map.Entry<Long, Integer> table : l2Weights.entrySet()) countL2(table.getKey(), table.getValue());
    }

    /** The clusters in which these bytes are. */
    private void countArea(long offset, long end, int weight) {
        for (long at = offset >>> clusterBits; at << clusterBits < end; at++) counts.add(at, weight);
    }

    private void countL1(long[] l1) {
        for (long entry : l1) {
            long table = entry & Refcounts.OFFSET_MASK;
            if (table == 0) continue;
            counts.add(table >>> clusterBits, 1);
            l2Weights.merge(table, 1, Integer::sum);
        }
    }

    private void countL2(long table, int weight) throws IOException {
        for (long entry : readL2(table)) {
            long offset = entry & Refcounts.OFFSET_MASK;
            if ((entry & ClusterMap.COMPRESSED) != 0) {
                countArea(PackedEntry.offset(entry, clusterBits), PackedEntry.end(entry, clusterBits), weight);
            } else if (offset != 0) {
                counts.add(offset >>> clusterBits, weight);
            }
        }
    }

    private long[] readL2(long offset) throws IOException {
        return Tables.read(file, offset, 1 << header.l2Bits());
    }

    private void refuseOverflow() throws IOException {
        long max = RefcountEntry.max(order);
        for (Map.Entry<Long, int[]> page : counts.pages()) {
            for (int count : page.getValue()) {
                if (Long.compareUnsigned(count, max) > 0) {
                    throw Qcow2Header.bad(
                            file,
                            "counts the users of a cluster up to " + Long.toUnsignedString(max)
                                    + ", and one would have " + count + "; convert it with a larger refcount_bits");
                }
            }
        }
    }

    // --- the new tables

    private void write() throws IOException {
        long[] l1 = wanted.l1.clone();
        for (int i = 0; i < l1.length; i++) l1[i] = activeEntry(l1[i] & Refcounts.OFFSET_MASK);
        long l1Offset = l1.length == 0 ? 0 : writeTable(l1);
        byte[] snapshots = SnapshotTable.encode(file, wanted.snapshots);
        long snapshotsOffset = snapshots.length == 0 ? 0 : take(snapshots.length);
        if (snapshots.length > 0) Qcow2Header.put(file, snapshotsOffset, snapshots);
        writeRefcounts();
        file.sync();
        ByteBuffer fields = ByteBuffer.allocate(Qcow2Header.INCOMPATIBLE_FEATURES - Qcow2Header.SIZE);
        fields.putLong(wanted.sizeBytes)
                .putInt(0)
                .putInt(l1.length)
                .putLong(l1Offset)
                .putLong(tableOffset)
                .putInt(tableClusters)
                .putInt(wanted.snapshots.size())
                .putLong(snapshotsOffset);
        Qcow2Header.put(file, Qcow2Header.SIZE, fields.array());
        file.sync();
    }

    /** The L2 table where it is if its flags are right, else a copy with the right ones. */
    private long activeEntry(long table) throws IOException {
        if (table == 0) return 0;
        long[] entries = readL2(table);
        boolean right = true;
        for (int i = 0; i < entries.length; i++) {
            long entry = flagged(entries[i]);
            right &= entry == entries[i];
            entries[i] = entry;
        }
        if (right) return flagged(table);
        counts.add(table >>> clusterBits, -1);
        return writeTable(entries) | ClusterMap.COPIED;
    }

    private long flagged(long entry) {
        long offset = entry & Refcounts.OFFSET_MASK;
        if ((entry & ClusterMap.COMPRESSED) != 0 || offset == 0) return entry;
        return counts.get(offset >>> clusterBits) == 1 ? entry | ClusterMap.COPIED : entry & ~ClusterMap.COPIED;
    }

    /** @return where it is */
    private long writeTable(long[] entries) throws IOException {
        long offset = take(8L * entries.length);
        int whole = (int) (Math.ceilDiv(8L * entries.length, header.clusterBytes()) << clusterBits - 3);
        Tables.write(file, offset, Arrays.copyOf(entries, whole), 0, whole);
        return offset;
    }

    /** Free clusters side by side. @return the offset of the first */
    private long take(long sizeBytes) throws IOException {
        int wantedClusters = (int) Math.ceilDiv(sizeBytes, header.clusterBytes()), first = 0;
        for (; ; ) {
            first = busy.nextClearBit(first);
            int end = busy.nextSetBit(first);
            if (end < 0 || end - first >= wantedClusters) break;
            first = end;
        }
        index((long) first + wantedClusters);
        for (int cluster = first; cluster < first + wantedClusters; cluster++) {
            busy.set(cluster);
            counts.add(cluster, 1);
        }
        return (long) first << clusterBits;
    }

    /** The blocks describe themselves and the table, so some may be needed for others. */
    private void writeRefcounts() throws IOException {
        int blockBits = clusterBits + 3 - order, perCluster = 1 << clusterBits - 3;
        while (takeBlocks(blockBits) || takeTable(perCluster)) {}
        long[] table = new long[tableClusters * perCluster];
        for (Map.Entry<Long, Long> block : blocks.entrySet()) {
            table[block.getKey().intValue()] = block.getValue();
            counts.writeBlock(file, block.getValue(), block.getKey() << blockBits, order, clusterBits);
        }
        Tables.write(file, tableOffset, table, 0, table.length);
    }

    private boolean takeBlocks(int blockBits) throws IOException {
        boolean some = false;
        for (long range : counts.ranges(blockBits)) {
            if (blocks.containsKey(range)) continue;
            blocks.put(range, take(1));
            some = true;
        }
        return some;
    }

    private boolean takeTable(int perCluster) throws IOException {
        long needed = Math.ceilDiv(blocks.lastKey() + 1, perCluster);
        if (needed <= tableClusters) return false;
        if (needed << clusterBits > Qcow2Header.REFCOUNT_TABLE_LIMIT) {
            throw Qcow2Header.bad(file, "has no room left in its refcount table; convert it to larger clusters");
        }
        for (int i = 0; i < tableClusters; i++) {
            counts.add((tableOffset >>> clusterBits) + i, -1);
            busy.clear((int) (tableOffset >>> clusterBits) + i);
        }
        tableClusters = (int) needed;
        tableOffset = take(needed << clusterBits);
        return true;
    }

    private void giveBack() throws IOException {
        for (int at = before.nextSetBit(0); at >= 0; at = before.nextSetBit(at)) {
            int end = at;
            while (before.get(end) && counts.get(end) == 0) end++;
            if (end > at) file.punch((long) at << clusterBits, (long) (end - at) << clusterBits);
            at = Math.max(end, at + 1);
        }
    }
}
