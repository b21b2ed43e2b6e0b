package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.nestorvm.memory.sys.HostMemory;

/**
 * Counts who uses each cluster of a qcow2 file, and compares with what the file says. Reads the tables itself, so that
 * it stands any file whose header can be read.
 *
 * <p>A table that several L1 tables share is read once, with the number of its users as weight; so the work is bounded
 * by the file's size, whatever its tables claim.
 *
 * <p><b>Repair</b> writes a whole new refcount table behind everything, makes it durable, and names it in the header:
 * killed in between, the file is as before. Then the COPIED flags are put right in place. An entry that leads out of
 * the file cannot be mended, and stays.
 */
final class Qcow2Check {
    private static final int MESSAGES = 100;
    /** Bits of entries that must be zero. */
    private static final long L1_RESERVED = ~(Refcounts.OFFSET_MASK | ClusterMap.COPIED);

    private static final long L2_RESERVED = L1_RESERVED & ~(ClusterMap.COMPRESSED | ClusterMap.ZERO);

    /** How far a repair goes. */
    enum Repair {
        NONE,
        LEAKS,
        ALL
    }

    private final BlockFile file;
    private final Qcow2Header header;
    private final int clusterBits;
    private final long clusterBytes, fileClusters;
    private final CountMap counts = new CountMap();
    private final Map<Long, Integer> l2Weights = new HashMap<>();
    private final List<String> messages = new ArrayList<>();
    private final long[] refcountTable;
    private long corruptions, leaks, allocated, fragmented, compressed, lastHost = -1;

    private Qcow2Check(BlockFile file, Qcow2Header header) throws IOException {
        this.file = file;
        this.header = header;
        clusterBits = header.clusterBits;
        clusterBytes = header.clusterBytes();
        fileClusters = Math.ceilDiv(file.length(), clusterBytes);
        refcountTable = Tables.read(file, header.refcountTableOffset, header.refcountTableClusters << clusterBits - 3);
    }

    static CheckResult run(BlockFile file, Repair repair) throws IOException {
        Qcow2Check check = new Qcow2Check(file, Qcow2Header.read(file));
        check.count();
        check.compare();
        if (repair == Repair.NONE
                || check.corruptions + check.leaks == 0
                        && (check.header.incompatible & (Qcow2Header.DIRTY | Qcow2Header.CORRUPT)) == 0)
            return check.result(0, 0);
        return check.repair(repair);
    }

    private CheckResult repair(Repair repair) throws IOException {
        boolean all = repair == Repair.ALL;
        if (!all && leaks == 0) return result(0, 0);
        rebuild(all);
        if (all) mendFlags();
        Qcow2Check after = new Qcow2Check(file, Qcow2Header.read(file));
        after.count();
        after.compare();
        if (all && after.corruptions == 0) after.clearBits();
        return result(Math.max(0, corruptions - after.corruptions), Math.max(0, leaks - after.leaks));
    }

    /** What an image with the dirty bit needs before it is written. */
    static void countAnew(BlockFile file) throws IOException {
        CheckResult result = run(file, Repair.ALL);
        if (!result.clean())
            throw Qcow2Header.bad(
                    file,
                    "was not closed and cannot be mended: " + result.messages().getFirst());
    }

    private CheckResult result(long corruptionsFixed, long leaksFixed) {
        long end = Math.max(counts.end(), 1) << clusterBits;
        return new CheckResult(
                corruptions,
                leaks,
                corruptionsFixed,
                leaksFixed,
                Math.ceilDiv(header.sizeBytes, clusterBytes),
                allocated,
                fragmented,
                compressed,
                end,
                List.copyOf(messages));
    }

    private void corrupt(String message) {
        corruptions++;
        say(message);
    }

    private void say(String message) {
        if (messages.size() < MESSAGES) messages.add(message);
    }

    private void count() throws IOException {
        counts.add(0, 1);
        countArea("refcount table", header.refcountTableOffset, (long) header.refcountTableClusters << clusterBits, 1);
        for (int i = 0; i < refcountTable.length; i++) {
            if (refcountTable[i] != 0
                    && countArea("refcount block " + i, refcountTable[i], clusterBytes, 1)
                    && counts.get(refcountTable[i] >>> clusterBits) > 1) {
                corrupt("refcount block " + i + " lies over another table, at " + refcountTable[i]);
            }
        }
        if (header.l1Entries > 0) countArea("L1 table", header.l1Offset, 8L * header.l1Entries, 1);
        countSnapshots();
        if ((header.autoclear & Qcow2Header.BITMAPS) != 0) countBitmaps();
        countL1(header.l1Offset, header.l1Entries, 1, "");
        for (Map.Entry<Long, Integer> table : l2Weights.entrySet()) countL2(table.getKey(), table.getValue());
        countGuest();
    }

    // @return false when it is no place in the file; then nothing was counted
    private boolean countArea(String what, long offset, long sizeBytes, int weight) {
        if ((offset & clusterBytes - 1) != 0
                || offset <= 0
                || sizeBytes < 0
                || offset > (fileClusters << clusterBits) - sizeBytes) {
            corrupt(what + " is at " + Long.toUnsignedString(offset) + " (" + sizeBytes
                    + " bytes), which is no place in this file");
            return false;
        }
        for (long cluster = offset >>> clusterBits; cluster << clusterBits < offset + sizeBytes; cluster++)
            counts.add(cluster, weight);
        return true;
    }

    private void countSnapshots() throws IOException {
        if (header.snapshots == 0) return;
        List<SnapshotTable.Entry> snapshots;
        try {
            snapshots = SnapshotTable.read(file, header);
            countArea("snapshot table", header.snapshotsOffset, SnapshotTable.sizeBytes(snapshots), 1);
        } catch (IOException e) {
            corrupt(e.getMessage());
            return;
        }
        for (SnapshotTable.Entry entry : snapshots) {
            if (!SnapshotTable.isComplete(entry, header.version)) {
                corrupt("snapshot " + entry.snapshot().id() + " has " + entry.extraBytes()
                        + " bytes of extra data, and version 3 needs " + SnapshotTable.LEAST_EXTRA_BYTES);
            }
        }
        Map<List<Long>, Integer> tables = new HashMap<>();
        for (SnapshotTable.Entry snapshot : snapshots)
            tables.merge(List.of(snapshot.l1Offset(), (long) snapshot.l1Entries()), 1, Integer::sum);
        for (Map.Entry<List<Long>, Integer> table : tables.entrySet()) {
            long offset = table.getKey().get(0);
            int entries = table.getKey().get(1).intValue();
            if (entries > 0 && countArea("L1 table of a snapshot", offset, 8L * entries, table.getValue()))
                countL1(offset, entries, table.getValue(), " of a snapshot");
        }
    }

    private void countL1(long offset, int entries, int weight, String whose) throws IOException {
        long[] l1 = Tables.read(file, offset, entries);
        for (int i = 0; i < l1.length; i++) {
            long table = l1[i] & Refcounts.OFFSET_MASK;
            if ((l1[i] & L1_RESERVED) != 0) corruptEntry("L1 entry " + i + whose, l1[i]);
            if (table != 0 && countArea("L2 table " + i + whose, table, clusterBytes, weight))
                l2Weights.merge(table, weight, (a, b) -> (int) Math.min(Integer.MAX_VALUE, (long) a + b));
        }
    }

    private void countL2(long offset, int weight) throws IOException {
        for (long entry : Tables.read(file, offset, 1 << header.l2Bits())) {
            if ((entry & ClusterMap.COMPRESSED) != 0) {
                countCompressed(entry, weight);
                continue;
            }
            if ((entry & reserved()) != 0) corruptEntry("an entry of the L2 table at " + offset, entry);
            if ((entry & Refcounts.OFFSET_MASK) != 0)
                countArea(
                        "data of an entry of the L2 table at " + offset,
                        entry & Refcounts.OFFSET_MASK,
                        clusterBytes,
                        weight);
        }
    }

    /** The zero flag came with version 3. */
    private long reserved() {
        return header.version < 3 ? L2_RESERVED | ClusterMap.ZERO : L2_RESERVED;
    }

    private void corruptEntry(String what, long entry) {
        corrupt(what + " has bits that are reserved: " + Long.toHexString(entry));
    }

    private void countCompressed(long entry, int weight) {
        long offset = PackedEntry.offset(entry, clusterBits), last = PackedEntry.end(entry, clusterBits) - 1;
        if (last >>> clusterBits >= fileClusters) {
            corrupt("a compressed cluster is at " + offset + ", which is no place in this file");
            return;
        }
        for (long cluster = offset >>> clusterBits; cluster <= last >>> clusterBits; cluster++)
            counts.add(cluster, weight);
    }

    private void countBitmaps() throws IOException {
        for (Qcow2Header.Extension extension : header.extensions) {
            if (extension.type() != Qcow2Header.EXT_BITMAPS || extension.data().length < 24) continue;
            ByteBuffer data = ByteBuffer.wrap(extension.data());
            long size = data.getLong(8), offset = data.getLong(16);
            if (size < 0 || size > 16 << 20 || !countArea("bitmap directory", offset, size, 1)) continue;
            ByteBuffer directory = ByteBuffer.wrap(Qcow2Header.bytes(file, offset, (int) size));
            for (int at = 0; at + 24 <= size; ) {
                countBitmap(directory.getLong(at), directory.getInt(at + 8));
                long next = at
                        + Math.ceilDiv(
                                        24L
                                                + (directory.getShort(at + 18) & 0xffff)
                                                + (directory.getInt(at + 20) & 0xffff_ffffL),
                                        8)
                                * 8;
                at = (int) Math.min(next, size);
            }
        }
    }

    private void countBitmap(long tableOffset, int entries) throws IOException {
        if (entries < 0 || entries > Qcow2Header.L1_LIMIT || !countArea("bitmap table", tableOffset, 8L * entries, 1))
            return;
        for (long entry : Tables.read(file, tableOffset, entries)) {
            if ((entry & Refcounts.OFFSET_MASK) != 0)
                countArea("bitmap data", entry & Refcounts.OFFSET_MASK, clusterBytes, 1);
        }
    }

    // The numbers that describe the guest's disk, and COPIED flags that contradict the counts.
    private void countGuest() throws IOException {
        long[] l1 = Tables.read(file, header.l1Offset, header.l1Entries);
        Map<Long, Boolean> seen = new HashMap<>();
        for (int i = 0; i < l1.length; i++) {
            long offset = l1[i] & Refcounts.OFFSET_MASK;
            if (!l2Weights.containsKey(offset)) continue;
            if (seen.put(offset, true) != null) {
                corrupt("L2 table " + i + " at " + offset + " has another place in the L1 table, too");
                continue;
            }
            checkFlag("L1 entry " + i, l1[i], offset);
            for (long entry : Tables.read(file, offset, 1 << header.l2Bits())) checkGuestEntry(entry);
        }
    }

    private void checkGuestEntry(long entry) {
        if ((entry & ClusterMap.COMPRESSED) != 0) {
            compressed++;
            allocated++;
            fragmented++;
            if (entry < 0) corrupt("a compressed cluster has the COPIED flag");
            return;
        }
        long host = entry & Refcounts.OFFSET_MASK;
        if (host == 0 || (host & clusterBytes - 1) != 0 || host >>> clusterBits >= fileClusters) return;
        allocated++;
        if (lastHost >= 0 && host != lastHost + clusterBytes) fragmented++;
        lastHost = host;
        checkFlag("L2 entry", entry, host);
    }

    private void checkFlag(String what, long entry, long offset) {
        if (entry < 0 == (counts.get(offset >>> clusterBits) == 1)) return;
        corrupt(what + " to " + offset + (entry < 0 ? " has" : " lacks") + " the COPIED flag, and its cluster has "
                + counts.get(offset >>> clusterBits) + " users");
    }

    private void compare() throws IOException {
        int order = header.refcountOrder, entries = 1 << clusterBits + 3 - order;
        try (Arena arena = Arena.ofConfined()) {
            long block = arena.allocate(clusterBytes, 8).address();
            for (int i = 0; i < refcountTable.length; i++) {
                if (!readable(refcountTable[i])) continue;
                file.read(refcountTable[i], block, clusterBytes);
                for (int at = 0; at < entries; at++) {
                    long cluster = (long) i * entries + at;
                    differ(cluster, RefcountEntry.get(block, at, order), counts.get(cluster));
                }
            }
        }
        for (Map.Entry<Long, int[]> page : counts.pages()) {
            for (int i = 0; i < page.getValue().length; i++) {
                long cluster = CountMap.firstOf(page) + i;
                long index = cluster / entries;
                boolean absent = index >= refcountTable.length || !readable(refcountTable[(int) index]);
                if (page.getValue()[i] != 0 && absent) differ(cluster, 0, page.getValue()[i]);
            }
        }
    }

    private boolean readable(long offset) {
        return offset != 0 && (offset & clusterBytes - 1) == 0 && offset > 0 && offset >>> clusterBits < fileClusters;
    }

    private void differ(long cluster, long stored, int used) {
        if (stored == used) return;
        if (Long.compareUnsigned(stored, used) > 0) {
            leaks++;
            say("leak: cluster " + cluster + " has refcount " + Long.toUnsignedString(stored) + " and " + used
                    + " users");
        } else {
            corrupt("cluster " + cluster + " has refcount " + stored + " and " + used + " users");
        }
    }

    /** Writes new refcounts behind everything. @param all also where the stored ones are too low */
    private void rebuild(boolean all) throws IOException {
        for (int i = 0; i < refcountTable.length; i++) release(refcountTable[i]);
        for (int i = 0; i < header.refcountTableClusters; i++)
            release(header.refcountTableOffset + ((long) i << clusterBits));
        if (!all) lowerToStored();
        int order = header.refcountOrder, blockBits = clusterBits + 3 - order, perCluster = 1 << clusterBits - 3;
        long start = fileClusters;
        List<Long> needed = new ArrayList<>();
        long tableClusters = 0, total = -1;
        while (total != needed.size() + tableClusters) { // the new ones describe themselves
            total = needed.size() + tableClusters;
            needed = neededBlocks(start, start + Math.max(1, total), blockBits);
            tableClusters = Math.ceilDiv(needed.getLast() + 1, perCluster);
        }
        if (tableClusters << clusterBits > Qcow2Header.REFCOUNT_TABLE_LIMIT)
            throw Qcow2Header.bad(file, "has clusters in use so far apart that no refcount table can describe them");
        for (long cluster = start; cluster < start + total; cluster++) counts.add(cluster, 1);
        long[] table = new long[(int) tableClusters * perCluster];
        for (int i = 0; i < needed.size(); i++) {
            table[needed.get(i).intValue()] = start + i << clusterBits;
            counts.writeBlock(file, start + i << clusterBits, needed.get(i) << blockBits, order, clusterBits);
        }
        long tableOffset = start + needed.size() << clusterBits;
        Tables.write(file, tableOffset, table, 0, table.length);
        file.sync();
        Tables.writeHeaderTable(file, tableOffset, (int) tableClusters);
        file.sync();
    }

    private void release(long offset) {
        if (readable(offset) && counts.get(offset >>> clusterBits) > 0) counts.add(offset >>> clusterBits, -1);
    }

    private void lowerToStored() throws IOException {
        int order = header.refcountOrder, entries = 1 << clusterBits + 3 - order;
        try (Arena arena = Arena.ofConfined()) {
            long block = arena.allocate(clusterBytes, 8).address();
            for (Map.Entry<Long, int[]> page : counts.pages()) {
                for (int i = 0; i < page.getValue().length; i++) {
                    long cluster = CountMap.firstOf(page) + i;
                    int index = (int) Math.min(cluster / entries, Integer.MAX_VALUE);
                    if (i == 0 || cluster % entries == 0) {
                        if (index < refcountTable.length && readable(refcountTable[index]))
                            file.read(refcountTable[index], block, clusterBytes);
                        else HostMemory.fill(block, clusterBytes, (byte) 0);
                    }
                    page.getValue()[i] = (int) Math.min(
                            page.getValue()[i],
                            Math.min(Integer.MAX_VALUE, RefcountEntry.get(block, (int) (cluster % entries), order)));
                }
            }
        }
    }

    private List<Long> neededBlocks(long newFrom, long newTo, int blockBits) {
        TreeSet<Long> blocks = counts.ranges(blockBits);
        for (long cluster = newFrom; cluster < newTo; cluster++) blocks.add(cluster >>> blockBits);
        return List.copyOf(blocks);
    }

    private void mendFlags() throws IOException {
        long[] l1 = Tables.read(file, header.l1Offset, header.l1Entries);
        for (int i = 0; i < l1.length; i++) {
            long offset = l1[i] & Refcounts.OFFSET_MASK;
            l1[i] &= ~L1_RESERVED;
            if (!l2Weights.containsKey(offset)) continue;
            l1[i] = mended(l1[i], offset);
            long[] l2 = Tables.read(file, offset, 1 << header.l2Bits());
            boolean changed = false;
            for (int at = 0; at < l2.length; at++) {
                long entry = l2[at];
                long host = entry & Refcounts.OFFSET_MASK;
                if ((entry & ClusterMap.COMPRESSED) != 0) l2[at] = entry & ~ClusterMap.COPIED;
                else if (readable(host)) l2[at] = mended(entry & ~L2_RESERVED, host);
                else l2[at] = entry & ~L2_RESERVED;
                changed |= l2[at] != entry;
            }
            if (changed) Tables.write(file, offset, l2, 0, l2.length);
        }
        Tables.write(file, header.l1Offset, l1, 0, l1.length);
        file.sync();
    }

    private long mended(long entry, long offset) {
        return counts.get(offset >>> clusterBits) == 1 ? entry | ClusterMap.COPIED : entry & ~ClusterMap.COPIED;
    }

    private void clearBits() throws IOException {
        if (header.version < 3) return;
        header.incompatible &= ~(Qcow2Header.DIRTY | Qcow2Header.CORRUPT);
        Tables.writeHeader(file, Qcow2Header.INCOMPATIBLE_FEATURES, 8, header.incompatible, 0);
        file.sync();
    }
}
