package org.nestorvm.paging;

import static org.nestorvm.paging.EntryFormat.TABLE_ADDRESS;
import static org.nestorvm.paging.EntryFormat.isLeaf;
import static org.nestorvm.paging.EntryFormat.pageAddress;
import static org.nestorvm.paging.RadixTree.LEVELS;
import static org.nestorvm.paging.RadixTree.compareAndSet;
import static org.nestorvm.paging.RadixTree.load;
import static org.nestorvm.paging.RadixTree.shift;
import static org.nestorvm.paging.RadixTree.slot;

import java.util.concurrent.atomic.AtomicLongArray;
import org.nestorvm.memory.sys.HostMemory;

/**
 * The writing half of a nested page table. {@link #enterConcurrently} may run in many threads at once; everything else
 * needs the table for itself (but for readers). A method that needs table pages takes or reserves all of them before it
 * changes anything.
 */
final class TreeEditor {
    private static final int ENTRIES = 512;
    private static final int RESIDENT = 16;

    private final RadixTree tree;
    private final EntryFormat format;
    private final TablePool pool;
    /**
     * Pages entered, in units of 4 KiB: one element, alone on its cache lines, for every fault writes it and every walk
     * reads what might lie beside it.
     */
    private final AtomicLongArray resident = new AtomicLongArray(2 * RESIDENT);
    /** A and D bits that {@link #dispose} found for the page that takes the place of what it disposes of. */
    private long inherited;

    TreeEditor(RadixTree tree, TablePool pool) {
        this.tree = tree;
        this.format = tree.format;
        this.pool = pool;
    }

    long residentUnits() {
        return resident.get(RESIDENT);
    }

    void forgetResident() {
        resident.set(RESIDENT, 0);
    }

    private static long units(int level) {
        return 1L << 9 * (level - 1);
    }

    /**
     * Enters a page where nothing is yet, or gives more rights to the same page. Takes no right from anybody, so that
     * it needs no invalidation.
     *
     * @return false when the page can only be entered by replacing or splitting something: {@link #replace} does it
     */
    boolean enterConcurrently(long gpa, long leaf, int level) {
        long table = tree.root();
        int at = LEVELS;
        for (; ; ) {
            long slot = slot(table, gpa, at), entry = load(slot);
            if (entry == 0) {
                if (graft(slot, at, gpa, leaf, level)) return true;
            } else if (at == level) {
                if (!isLeaf(entry, level) || !growsOnly(entry, leaf, level)) return false;
                if (compareAndSet(slot, entry, leaf | entry & (format.accessed | format.dirty))) return true;
            } else if (isLeaf(entry, at)) {
                return saysTheSame(entry, at, gpa, leaf, level);
            } else {
                table = entry & TABLE_ADDRESS;
                at--;
            }
        }
    }

    /**
     * Builds the tables that are missing above the leaf and hangs them in with one compare-and-set. False when another
     * thread was faster.
     */
    private boolean graft(long slot, int slotLevel, long gpa, long leaf, int level) {
        long entry = leaf;
        int built = level;
        try {
            for (; built < slotLevel; built++) {
                long page = pool.take();
                HostMemory.putLong(slot(page, gpa, built), entry);
                entry = format.table(page);
            }
        } catch (TableMemoryException e) {
            discard(entry, built, gpa, level);
            throw e;
        }
        if (compareAndSet(slot, 0, entry)) {
            resident.addAndGet(RESIDENT, units(level));
            return true;
        }
        discard(entry, built, gpa, level);
        return false;
    }

    /** Puts back the pages of a graft that nobody saw. */
    private void discard(long entry, int built, long gpa, int level) {
        for (int l = built; l > level; l--) {
            long page = entry & TABLE_ADDRESS;
            entry = HostMemory.getLong(slot(page, gpa, l - 1));
            pool.give(page);
        }
    }

    private boolean growsOnly(long old, long leaf, int level) {
        return pageAddress(old, level) == pageAddress(leaf, level) && (format.rights(old) & ~format.rights(leaf)) == 0;
    }

    /** Whether a larger page already maps what is to be entered, with the same rights. */
    private boolean saysTheSame(long large, int largeLevel, long gpa, long leaf, int level) {
        long base = gpa & -1L << shift(level);
        return RadixTree.hostAddress(large, largeLevel, base) == pageAddress(leaf, level)
                && format.rights(large) == format.rights(leaf);
    }

    /**
     * Enters a page in place of another one or of smaller ones: what {@link #enterConcurrently} refused. No larger page
     * is in the way any more. Keeps A and D where the page behind the address stays the same.
     */
    void replace(long gpa, long leaf, int level) {
        long table = tree.root();
        for (int at = LEVELS; at > level; at--) table = load(slot(table, gpa, at)) & TABLE_ADDRESS;
        replaceEntry(slot(table, gpa, level), leaf, level);
    }

    private void replaceEntry(long slot, long leaf, int level) {
        long flags = format.accessed | format.dirty;
        long old, next;
        do {
            old = load(slot);
            boolean samePage = old != 0 && isLeaf(old, level) && pageAddress(old, level) == pageAddress(leaf, level);
            next = samePage ? leaf | old & flags : leaf;
        } while (!compareAndSet(slot, old, next));
        long gone = 0;
        if (old != 0 && isLeaf(old, level)) {
            gone = units(level);
        } else if (old != 0) {
            inherited = 0;
            gone = dispose(old & TABLE_ADDRESS, level - 1, pageAddress(leaf, level));
            if (inherited != 0) HostMemory.ATOMIC_LONG.getAndBitwiseOr(HostMemory.ALL, slot, inherited);
        }
        resident.addAndGet(RESIDENT, units(level) - gone);
    }

    /**
     * Puts back an unlinked table and all below it.
     *
     * @param successor host page that a large leaf now puts at the start of the table's range, or -1
     * @return units that were resident in it
     */
    private long dispose(long table, int level, long successor) {
        tree.unlinked();
        return disposeUnlinked(table, level, successor);
    }

    private long disposeUnlinked(long table, int level, long successor) {
        long gone = 0;
        for (int i = 0; i < ENTRIES; i++) {
            long entry = (long) HostMemory.ATOMIC_LONG.getVolatile(HostMemory.ALL, table + 8L * i);
            if (entry == 0) continue;
            long here = successor < 0 ? -1 : successor + ((long) i << shift(level));
            if (isLeaf(entry, level)) {
                gone += units(level);
                if (pageAddress(entry, level) == here) inherited |= entry & (format.accessed | format.dirty);
            } else {
                gone += disposeUnlinked(entry & TABLE_ADDRESS, level - 1, here);
            }
        }
        pool.give(table);
        return gone;
    }

    /** Replaces a large leaf by a table of 512 that say the same, A and D included. */
    private void splitEntry(long slot, int level) {
        long page = pool.take();
        long entry;
        do {
            entry = load(slot);
            long child = format.firstOfSplit(entry, level), step = 1L << shift(level - 1);
            for (int i = 0; i < ENTRIES; i++, child += step) HostMemory.putLong(page + 8L * i, child);
        } while (!compareAndSet(slot, entry, format.table(page) | entry & format.accessed));
    }

    /**
     * The level of the large leaf that has one of the bits of {@code mask} and {@code boundary} in its inside; 0 when
     * there is none.
     */
    int straddling(long boundary, long mask) {
        if (boundary >>> RadixTree.GPA_WIDTH != 0) return 0;
        long table = tree.root();
        for (int level = LEVELS; level > 1; level--) {
            long entry = load(slot(table, boundary, level));
            if (entry == 0) return 0;
            if (isLeaf(entry, level)) {
                boolean inside = (boundary & (1L << shift(level)) - 1) != 0;
                return inside && (entry & mask) != 0 ? level : 0;
            }
            table = entry & TABLE_ADDRESS;
        }
        return 0;
    }

    /**
     * Splits large leaves that have one of the bits of {@code mask}, until none reaches across {@code from} or
     * {@code to}. False when none did.
     */
    boolean splitEdges(long from, long to, long mask) {
        int low = straddling(from, mask), high = straddling(to, mask);
        if (low == 0 && high == 0) return false;
        pool.reserve(Math.max(low - 1, 0) + Math.max(high - 1, 0));
        splitAt(from, mask);
        splitAt(to, mask);
        return true;
    }

    private void splitAt(long boundary, long mask) {
        for (int level = straddling(boundary, mask); level != 0; level = straddling(boundary, mask))
            splitLeafAt(boundary);
    }

    /** Splits the large leaf that maps {@code gpa} one level down. False when there is none. */
    boolean splitLeafAt(long gpa) {
        long table = tree.root();
        for (int level = LEVELS; level > 1; level--) {
            long slot = slot(table, gpa, level), entry = load(slot);
            if (entry == 0) return false;
            if (isLeaf(entry, level)) {
                splitEntry(slot, level);
                return true;
            }
            table = entry & TABLE_ADDRESS;
        }
        return false;
    }

    /**
     * Makes one large leaf of the 512 entries below the entry for {@code gpa} at {@code level}, if they are leaves, or
     * can be made leaves, that map one aligned piece of host memory with the same rights. False, and nothing lost, when
     * they are not.
     */
    boolean merge(long gpa, int level) {
        long table = tree.root();
        for (int at = LEVELS; at > level; at--) {
            long entry = load(slot(table, gpa, at));
            if (entry == 0) return false;
            if (isLeaf(entry, at)) return true;
            table = entry & TABLE_ADDRESS;
        }
        return mergeEntry(slot(table, gpa, level), level);
    }

    private boolean mergeEntry(long slot, int level) {
        long entry = load(slot);
        if (entry == 0) return false;
        if (isLeaf(entry, level)) return true;
        long child = entry & TABLE_ADDRESS, flags = format.accessed | format.dirty;
        for (int i = 0; level > 2 && i < ENTRIES; i++) {
            if (!mergeEntry(child + 8L * i, level - 1)) return false;
        }
        long first = load(child) & ~flags, step = 1L << shift(level - 1);
        if (first == 0 || (pageAddress(first, level - 1) & (1L << shift(level)) - 1) != 0) return false;
        for (int i = 1; i < ENTRIES; i++) {
            if ((load(child + 8L * i) & ~flags) != first + i * step) return false;
        }
        replaceEntry(slot, format.merged(first, level), level);
        return true;
    }

    /** Removes all pages of a range whose edges no large leaf crosses. @return units removed */
    long remove(long from, long to) {
        long gone = remove(tree.root(), LEVELS, from, to);
        resident.addAndGet(RESIDENT, -gone);
        return gone;
    }

    private long remove(long table, int level, long from, long to) {
        long gone = 0;
        int shift = shift(level);
        for (long gpa = from, next; gpa < to; gpa = next) {
            next = Math.min((gpa >>> shift) + 1 << shift, to);
            long slot = slot(table, gpa, level), entry = load(slot);
            if (entry == 0) continue;
            if (isLeaf(entry, level)) {
                HostMemory.ATOMIC_LONG.setVolatile(HostMemory.ALL, slot, 0L);
                gone += units(level);
            } else {
                gone += removeBelow(slot, entry & TABLE_ADDRESS, level, gpa, next);
            }
        }
        return gone;
    }

    private long removeBelow(long slot, long child, int level, long from, long to) {
        if (to - from == 1L << shift(level)) {
            HostMemory.ATOMIC_LONG.setVolatile(HostMemory.ALL, slot, 0L);
            return dispose(child, level - 1, -1);
        }
        long gone = remove(child, level - 1, from, to);
        if (isEmpty(child)) {
            HostMemory.ATOMIC_LONG.setVolatile(HostMemory.ALL, slot, 0L);
            dispose(child, level - 1, -1);
        }
        return gone;
    }

    private static boolean isEmpty(long table) {
        for (int i = 0; i < ENTRIES; i++) {
            if (HostMemory.getLong(table + 8L * i) != 0) return false;
        }
        return true;
    }

    /**
     * Clears {@code mask} in all leaves of a range whose edges no large leaf with such a bit crosses.
     *
     * @param bitmap gets a bit for every 4 KiB page whose leaf had one of the bits, bit 0 for the first page of the
     *     range; or null
     * @return units whose leaf had one of the bits
     */
    long clear(long from, long to, long mask, long[] bitmap) {
        return clear(tree.root(), LEVELS, from, to, mask, bitmap, from);
    }

    private long clear(long table, int level, long from, long to, long mask, long[] bitmap, long bitmapStart) {
        long had = 0;
        int shift = shift(level);
        for (long gpa = from, next; gpa < to; gpa = next) {
            next = Math.min((gpa >>> shift) + 1 << shift, to);
            long slot = slot(table, gpa, level), entry = load(slot);
            if (entry == 0) continue;
            if (!isLeaf(entry, level)) {
                had += clear(entry & TABLE_ADDRESS, level - 1, gpa, next, mask, bitmap, bitmapStart);
            } else if ((entry & mask) != 0) {
                HostMemory.ATOMIC_LONG.getAndBitwiseAnd(HostMemory.ALL, slot, ~mask);
                had += units(level);
                if (bitmap != null) setBits(bitmap, gpa - bitmapStart >>> 12, units(level));
            }
        }
        return had;
    }

    private static void setBits(long[] bitmap, long first, long count) {
        for (long bit = first; bit < first + count; bit++) bitmap[(int) (bit >>> 6)] |= 1L << bit;
    }
}
