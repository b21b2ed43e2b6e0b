package org.nestorvm.paging;

import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Guest-physical to host page: a four-level radix tree in the architecture's own entry format. A "host page" is a page
 * of this process: the address field of an entry holds its host-virtual address. Guest-physical addresses have 48 bits.
 *
 * <p><b>Threads.</b> {@link #walk}, {@link #lookup} and {@link #extract} take no lock (see {@link RadixTree}).
 * {@link #enter} of pages that are not there yet, which is what nested faults do, runs in many threads at once (see
 * {@link EnterGate}): the tables that are missing are built aside and hung in with one compare-and-set. Everything that
 * takes something away has the table for itself, readers excepted.
 *
 * <p><b>Invalidation.</b> The {@link InvalidationListener} runs in the thread of the call that took rights away, after
 * the change and without any lock of this table, so that a virtual CPU it waits for may walk or enter meanwhile. A call
 * that finds nothing to take tells the listener all the same while another thread is still telling it: when it returns,
 * no stale translation of its range is left, whoever removed it.
 *
 * <p><b>Memory.</b> Table pages live outside the guest and belong to this table alone. Tables that become empty go back
 * to the pool at once, the pool goes back to the host in {@link #close}. A call that finds no memory throws
 * {@link TableMemoryException} and leaves the table as it was.
 */
public final class NestedPageTable implements AutoCloseable {
    /** Guest-physical addresses end here. */
    public static final long GPA_END = 1L << RadixTree.GPA_WIDTH;

    /**
     * Told after entries lost rights, before the call that took them returns: removal, replacement, write protection,
     * clearing of A/D bits, and the change of a page's size. When {@code invalidate} returns, no processor may hold a
     * translation of the range from before, nor be between the walk that gave it one and the moment it keeps it. It may
     * call the table, but must not wait for a thread that waits for it.
     */
    public interface InvalidationListener {
        void invalidate(long gpa, long sizeBytes);
    }

    /** A change by a thread that has the table for itself. @return whether an entry lost anything */
    private interface Change {
        boolean make();
    }

    private final RadixTree tree;
    private final TreeEditor editor;
    private final TablePool pool;
    /** {@link #enter} passes as long as it only adds; everything else that writes closes it. */
    private final EnterGate gate = new EnterGate();

    private final AtomicInteger invalidating = new AtomicInteger();
    private volatile InvalidationListener listener = (gpa, sizeBytes) -> {};
    private boolean closed;

    /** @throws TableMemoryException no memory for the root table */
    public NestedPageTable(EntryFormat format) {
        this(format, TableMemory.HOST);
    }

    /**
     * As the constructor, for callers that report a host that failed as an {@link IOException}: the one of the call
     * that failed.
     */
    public static NestedPageTable create(EntryFormat format) throws IOException {
        try {
            return new NestedPageTable(format);
        } catch (TableMemoryException e) {
            throw e.getCause();
        }
    }

    NestedPageTable(EntryFormat format, TableMemory memory) {
        pool = new TablePool(memory);
        tree = new RadixTree(format, pool.take());
        editor = new TreeEditor(tree, pool);
    }

    public EntryFormat format() {
        return tree.format;
    }

    /** @param listener takes the place of the one before; null for none */
    public void setInvalidationListener(InvalidationListener listener) {
        this.listener = listener != null ? listener : (gpa, sizeBytes) -> {};
    }

    /** Host address of the root table page: the address field of EPTP or nCR3. See {@link EntryFormat#rootPointer}. */
    public long rootAddress() {
        return tree.root();
    }

    /**
     * Enters one page with memory type write-back and A and D clear. Entering what is there already, be it as part of a
     * larger page, changes nothing; entering the same page with more rights adds them and keeps A and D. Anything else
     * that was there is replaced: smaller pages go, a larger page is split around the new one.
     *
     * @param gpa a multiple of the page size, below 2^48
     * @param hostPage a multiple of the page size, below 2^47, not 0
     * @param rights bits of {@link Access}, not 0; EPT: W needs R, NPT: R always
     * @throws IllegalArgumentException one of these rules is broken
     * @throws TableMemoryException no memory for a table page
     */
    public void enter(long gpa, long hostPage, PageSize size, int rights) {
        checkPage(gpa, hostPage, size);
        format().checkRights(rights);
        long leaf = format().leaf(hostPage, size, rights);
        int passed = gate.pass();
        try {
            checkOpen();
            if (editor.enterConcurrently(gpa, leaf, size.level())) return;
        } finally {
            gate.leave(passed);
        }
        replace(gpa, leaf, size);
    }

    private void replace(long gpa, long leaf, PageSize size) {
        change(gpa, gpa + size.bytes(), -1L, () -> {
            if (editor.enterConcurrently(gpa, leaf, size.level())) return false; // another thread replaced it meanwhile
            editor.replace(gpa, leaf, size.level());
            return true;
        });
    }

    /** Host address behind {@code gpa}, or -1. Sets no accessed bit. */
    public long extract(long gpa) {
        return outside(gpa) ? RadixTree.ABSENT : tree.extract(gpa);
    }

    /** As {@link #walk}, but asks for no right and sets no bit. @return the host address, or -1 where no page is */
    public long lookup(long gpa, NestedWalk out) {
        if (outside(gpa)) return outside(out);
        return tree.lookup(gpa, out);
    }

    /**
     * The processor's walk: returns the host address behind {@code gpa} and sets accessed (and for a write, dirty)
     * bits, or returns -1 when {@code access} is not allowed; {@code out} says what was found either way. A
     * guest-physical address beyond 48 bits is never present.
     *
     * @param access bits of {@link Access}; accesses to the guest's own page tables are READ and WRITE (both formats
     *     demand it)
     */
    public long walk(long gpa, int access, NestedWalk out) {
        if (outside(gpa)) return outside(out);
        return tree.walk(gpa, access, out);
    }

    private static boolean outside(long gpa) {
        return gpa >>> RadixTree.GPA_WIDTH != 0;
    }

    private static long outside(NestedWalk out) {
        out.foundNothing(0, RadixTree.LEVELS, false);
        return RadixTree.ABSENT;
    }

    /**
     * Removes every page of a range, and splits large pages that reach beyond it.
     *
     * @param gpa a multiple of 4 KiB
     * @param sizeBytes a multiple of 4 KiB, may be 0
     */
    public void remove(long gpa, long sizeBytes) {
        checkRange(gpa, sizeBytes);
        long to = gpa + sizeBytes;
        change(gpa, to, -1L, () -> editor.remove(gpa, to) != 0);
    }

    /** Takes the right to write from every page of a range, and splits writable large pages that reach beyond it. */
    public void writeProtect(long gpa, long sizeBytes) {
        clear(gpa, sizeBytes, EntryFormat.WRITABLE, null);
    }

    /**
     * Reads and clears the dirty bits of a range. A dirty large page that reaches beyond it is split, and stays dirty
     * there.
     *
     * @param bitmap gets a bit set for every dirty 4 KiB page, bit 0 of the first element for the first page of the
     *     range; other bits stay; may be null. The pages' contents may be read once this call has returned: what is
     *     written later is found by the next call
     * @return number of dirty 4 KiB pages
     */
    public long clearDirty(long gpa, long sizeBytes, long[] bitmap) {
        return clear(gpa, sizeBytes, format().dirty, bitmap);
    }

    /** As {@link #clearDirty}, for the accessed bits of the pages. Those of the tables above them stay. */
    public long clearAccessed(long gpa, long sizeBytes, long[] bitmap) {
        return clear(gpa, sizeBytes, format().accessed, bitmap);
    }

    private long clear(long gpa, long sizeBytes, long mask, long[] bitmap) {
        checkRange(gpa, sizeBytes);
        if (bitmap != null && (sizeBytes >>> 12) > 64L * bitmap.length) {
            throw new IllegalArgumentException("bitmap must have a bit per page: " + bitmap.length * 64L + " bits for "
                    + (sizeBytes >>> 12) + " pages");
        }
        long[] had = new long[1];
        change(gpa, gpa + sizeBytes, mask, () -> {
            had[0] = editor.clear(gpa, gpa + sizeBytes, mask, bitmap);
            return had[0] != 0;
        });
        return had[0];
    }

    /**
     * Splits the large page that maps {@code gpa} into 512 of the next smaller size. @return false when no large page
     * maps it
     */
    public boolean split(long gpa) {
        checkGpa(gpa);
        boolean[] done = new boolean[1];
        long base =
                gpa & -PageSize.SIZE_1G.bytes(); // no page is larger, and which it is shows only with the gate closed
        change(base, base + PageSize.SIZE_1G.bytes(), 0, () -> done[0] = editor.splitLeafAt(gpa));
        return done[0];
    }

    /**
     * Makes one page of {@code size} of the smaller pages that map its range, if they map one aligned piece of host
     * memory with the same rights. Accessed and dirty bits are joined.
     *
     * @param gpa a multiple of {@code size}
     * @return whether one page of that size or larger maps the range now
     */
    public boolean merge(long gpa, PageSize size) {
        checkGpa(gpa);
        checkAligned("gpa", gpa, size);
        boolean[] done = new boolean[1];
        change(gpa, gpa + size.bytes(), 0, () -> {
            done[0] = editor.merge(gpa, size.level());
            return true; // 2 MiB pages may have come about on the way to a 1 GiB page that did not
        });
        return done[0];
    }

    /** Pages entered, in units of 4 KiB. */
    public long residentCount() {
        return editor.residentUnits();
    }

    /** Table pages in use, the root among them; 0 after close. */
    public int tablePages() {
        return pool.usedPages();
    }

    /** Bytes that this table holds of the host's memory; 0 after close. */
    public long tableBytes() {
        return pool.mappedBytes();
    }

    /** Bytes that all tables of this process hold. For leak checks. */
    public static long liveTableBytes() {
        return TablePool.liveBytes();
    }

    /**
     * Gives all table pages back. Walks that begin later find nothing, writers get an {@link IllegalStateException}.
     * The listener is told that everything is gone, and when it returns no processor may be in a walk that began
     * before: the pages it stands in are unmapped next. Other callers of {@link #extract} and {@link #lookup} have to
     * be through by then, as by a reference that they hold on the machine. A second call does nothing, and may return
     * before the first one has.
     */
    @Override
    public void close() {
        gate.close();
        try {
            if (closed) return;
            closed = true;
            tree.clearRoot();
            editor.forgetResident();
        } finally {
            gate.open();
        }
        try {
            listener.invalidate(0, GPA_END);
        } finally {
            pool.close();
        }
    }

    /**
     * Splits at the edges what has a bit of {@code mask}, makes the change, then tells the listener if something was
     * lost, or is being lost elsewhere.
     */
    private void change(long from, long to, long mask, Change change) {
        boolean tell;
        long low = from, high = to;
        gate.close();
        try {
            checkOpen();
            if (from == to) return;
            low = from & -1L << edgeShift(from, mask);
            high = to + (1L << edgeShift(to, mask)) - 1 & -1L << edgeShift(to, mask);
            boolean split = editor.splitEdges(from, to, mask);
            tell = change.make() | split || invalidating.get() != 0;
            if (tell) invalidating.incrementAndGet();
        } finally {
            gate.open();
        }
        if (!tell) return;
        try {
            listener.invalidate(low, high - low);
        } finally {
            invalidating.decrementAndGet();
        }
    }

    private int edgeShift(long boundary, long mask) {
        int level = editor.straddling(boundary, mask);
        return level == 0 ? 12 : RadixTree.shift(level);
    }

    private void checkOpen() {
        if (closed) throw new IllegalStateException("nested page table is closed");
    }

    private static void checkPage(long gpa, long hostPage, PageSize size) {
        Objects.requireNonNull(size, "size");
        checkGpa(gpa);
        checkAligned("gpa", gpa, size);
        checkAligned("hostPage", hostPage, size);
        if (hostPage <= 0 || hostPage >>> EntryFormat.HOST_ADDRESS_WIDTH != 0) {
            throw new IllegalArgumentException("hostPage must be above 0 and below 2^" + EntryFormat.HOST_ADDRESS_WIDTH
                    + ": " + hex("hostPage", hostPage));
        }
    }

    private static void checkAligned(String name, long address, PageSize size) {
        if ((address & size.bytes() - 1) != 0) {
            throw new IllegalArgumentException(
                    name + " must be a multiple of the page size: " + hex(name, address) + " size=" + size);
        }
    }

    private static void checkGpa(long gpa) {
        if (outside(gpa))
            throw new IllegalArgumentException("gpa must be below 2^" + RadixTree.GPA_WIDTH + ": " + hex("gpa", gpa));
    }

    private static void checkRange(long gpa, long sizeBytes) {
        checkGpa(gpa);
        if (((gpa | sizeBytes) & 0xfff) != 0) {
            throw new IllegalArgumentException(
                    "range must be page aligned: " + hex("gpa", gpa) + " " + hex("sizeBytes", sizeBytes));
        }
        if (sizeBytes < 0 || sizeBytes > GPA_END - gpa) {
            String range = hex("gpa", gpa) + " " + hex("sizeBytes", sizeBytes);
            throw new IllegalArgumentException("range must end at or below 2^" + RadixTree.GPA_WIDTH + ": " + range);
        }
    }

    private static String hex(String name, long value) {
        return name + "=0x" + Long.toHexString(value);
    }
}
