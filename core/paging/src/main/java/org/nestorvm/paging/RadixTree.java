package org.nestorvm.paging;

import static org.nestorvm.paging.EntryFormat.TABLE_ADDRESS;

import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.nestorvm.memory.sys.HostMemory;

/**
 * The reading half of a nested page table: the processor's walk, and a walk that leaves no trace. No lock, no
 * allocation.
 *
 * <p>A reader may stand in a table page that the writer unlinks beneath it, and that may even be zeroed and used again
 * elsewhere in the same tree. That is safe because table pages stay mapped until the table is closed, and because the
 * writer counts {@link #generation} up between unlinking a page and touching it: a reader who saw anything of the
 * page's later life finds the generation changed when it ends, and starts again.
 *
 * <p>The A and D bits are set with compare-and-set on the very entry that was read. If that happens in a page just
 * unlinked, either the writer still collects the bit, or the reader sees the new generation and sets the bit again in
 * the new place: both sides have a full fence between their two accesses. What remains is a bit set too much, in a page
 * that came to hold the same entry again, which the manuals allow for A and which for D means one page copied in vain.
 */
final class RadixTree {
    static final int LEVELS = 4;
    static final int GPA_WIDTH = 48;
    static final long ABSENT = -1;
    private static final long RETRY = -2;

    /**
     * An empty table page. What a closed tree has as its root, so that late readers find nothing instead of freed
     * memory.
     */
    private static final long NOTHING =
            Arena.global().allocate(TablePool.PAGE, TablePool.PAGE).address();

    private static final VarHandle GENERATION;

    static {
        try {
            GENERATION = MethodHandles.lookup().findVarHandle(RadixTree.class, "generation", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    final EntryFormat format;
    private volatile long root;
    private volatile long generation;

    RadixTree(EntryFormat format, long root) {
        this.format = format;
        this.root = root;
    }

    long root() {
        return root;
    }

    /** From now on every reader finds nothing. */
    void clearRoot() {
        root = NOTHING;
        unlinked();
    }

    /** The writer has unlinked a table page and has not touched it yet. */
    void unlinked() {
        GENERATION.getAndAdd(this, 1L);
    }

    /** Host address of the entry for {@code gpa} in a table of {@code level}. */
    static long slot(long table, long gpa, int level) {
        return table + (gpa >>> 9 * level & 0xff8);
    }

    static int shift(int level) {
        return 3 + 9 * level;
    }

    static long load(long slot) {
        return HostMemory.getLongAcquire(slot);
    }

    static boolean compareAndSet(long slot, long expected, long value) {
        return HostMemory.ATOMIC_LONG.compareAndSet(HostMemory.ALL, slot, expected, value);
    }

    /** @see NestedPageTable#walk */
    long walk(long gpa, int access, NestedWalk out) {
        for (; ; ) {
            long before = generation;
            long host = walkOnce(gpa, access, out);
            if (host != RETRY && before == generation) return host;
        }
    }

    private long walkOnce(long gpa, int access, NestedWalk out) {
        if (!descend(gpa, out) || (access & ~out.rights) != 0) return ABSENT;
        boolean write = (access & Access.WRITE) != 0;
        if (!out.accessedThroughout || write && (out.entry & format.dirty) == 0) {
            if (!mark(gpa, out.entry, out.level, write)) return RETRY;
        }
        return hostAddress(out.entry, out.level, gpa);
    }

    /** Goes down to the leaf and says in {@code out} what was found. False when there is no page. */
    private boolean descend(long gpa, NestedWalk out) {
        EntryFormat format = this.format;
        long table = root, all = -1L, any = 0;
        for (int level = LEVELS; ; level--) {
            long entry = load(slot(table, gpa, level));
            if (!format.isPresent(entry)) return out.foundNothing(entry, level, false);
            boolean leaf = EntryFormat.isLeaf(entry, level);
            if (format.isMisconfigured(entry, level, leaf)) return out.foundNothing(entry, level, true);
            all &= entry;
            any |= entry;
            if (leaf)
                return out.foundPage(entry, level, format.rights(all, any), shift(level), (all & format.accessed) != 0);
            table = entry & TABLE_ADDRESS;
        }
    }

    /**
     * Sets A on the way down and in the leaf, and D in the leaf for a write. False when the tree is no longer as it was
     * seen.
     */
    private boolean mark(long gpa, long leafSeen, int leafLevel, boolean write) {
        long flags = format.accessed | format.dirty;
        long table = root;
        for (int level = LEVELS; ; level--) {
            long slot = slot(table, gpa, level), entry = load(slot);
            boolean leaf = EntryFormat.isLeaf(entry, level);
            if (!format.isPresent(entry) || leaf != (level == leafLevel)) return false;
            if (leaf && ((entry ^ leafSeen) & ~flags) != 0) return false;
            long marked = entry | format.accessed | (leaf && write ? format.dirty : 0);
            if (marked != entry && !compareAndSet(slot, entry, marked)) return false;
            if (leaf) return true;
            table = entry & TABLE_ADDRESS;
        }
    }

    /** As {@link #walk}, but sets no bit and asks for no right. */
    long lookup(long gpa, NestedWalk out) {
        for (; ; ) {
            long before = generation;
            long host = descend(gpa, out) ? hostAddress(out.entry, out.level, gpa) : ABSENT;
            if (before == generation) return host;
        }
    }

    /**
     * Host address behind {@code gpa}, or {@link #ABSENT}; as {@link #lookup}, for callers that have no
     * {@link NestedWalk}.
     */
    long extract(long gpa) {
        for (; ; ) {
            long before = generation;
            long host = extractOnce(gpa);
            if (before == generation) return host;
        }
    }

    private long extractOnce(long gpa) {
        long table = root;
        for (int level = LEVELS; ; level--) {
            long entry = load(slot(table, gpa, level));
            boolean leaf = EntryFormat.isLeaf(entry, level);
            if (!format.isPresent(entry) || format.isMisconfigured(entry, level, leaf)) return ABSENT;
            if (leaf) return hostAddress(entry, level, gpa);
            table = entry & TABLE_ADDRESS;
        }
    }

    static long hostAddress(long leaf, int level, long gpa) {
        return EntryFormat.pageAddress(leaf, level) | gpa & (1L << shift(level)) - 1;
    }
}
