package org.nestorvm.vmm;

import java.util.BitSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.paging.Access;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.paging.NestedPageTable;
import org.nestorvm.paging.NestedWalk;
import org.nestorvm.paging.PageSize;
import org.nestorvm.paging.TableMemoryException;

/**
 * Answers a nested fault (EPT violation or #NPF): finds what lies at the address and, for memory, makes the page
 * resident, enters it readable, writable and executable, and has the guest try again. What the exit information means
 * is the entry format's to say. Any number of virtual CPUs may fault at once, on the same page too.
 *
 * <p>An entry holds the page's host-virtual address, so the host's kernel may move or swap the frame behind it without
 * telling anybody; what has to be revoked is only what this monitor takes away itself ({@link VirtualMachine#discard},
 * dirty logs). {@link #revocations} orders that against faults in flight: whoever takes away counts up before it
 * removes entries, and a fault that meets a new count takes its own entry back and starts again. No lock is held while
 * virtual CPUs are told, so a fault never waits for a listener that waits for the fault.
 */
public final class NestedFaultHandler {
    /**
     * Outcomes. RESIDENT: the page is entered, retry. MMIO: the monitor emulates the access. HOLE: nothing is there,
     * reads all ones. PROTECTION: an entry forbids it.
     */
    public static final int RESIDENT = 0, MMIO = 1, HOLE = 2, PROTECTION = 3;
    /**
     * SHORTAGE: the host had no memory for the page for {@value #PATIENCE_MS} ms; nothing has changed, the access may
     * be tried again later. MISCONFIGURED: an entry on the way has reserved bits set, which only a fault of ours can
     * bring about.
     */
    public static final int SHORTAGE = 4, MISCONFIGURED = 5;

    static final long PATIENCE_MS = 2_000;

    private final MemoryMap map;
    private final GuestMemory memory;
    private final NestedPageTable table;
    private final LongAdder faults = new LongAdder();
    private final AtomicLong revocations = new AtomicLong();
    /** Write protection found in a slot without a log is left over from one that is just being stopped. */
    private volatile boolean logLapsing;

    NestedFaultHandler(MemoryMap map, GuestMemory memory, NestedPageTable table) {
        this.map = map;
        this.memory = memory;
        this.table = table;
    }

    /** Faults at addresses of memory so far. */
    public long faultCount() {
        return faults.sum();
    }

    /** @param faultInfo exit qualification or EXITINFO1, see {@link org.nestorvm.paging.EntryFormat#faultInfo} */
    public int handle(long gpa, long faultInfo) {
        EntryFormat format = table.format();
        int slot = memory.index().find(gpa);
        if (slot < 0) return isMmio(gpa) ? MMIO : HOLE;
        faults.increment();
        if (format.faultIsMisconfiguration(faultInfo)) return MISCONFIGURED;
        int access = format.faultAccess(faultInfo);
        return format.faultIsProtection(faultInfo) ? forbidden(slot, gpa, access) : fill(slot, gpa, access);
    }

    private boolean isMmio(long gpa) {
        for (MemoryRange range : map.ranges()) if (gpa >= range.gpa() && gpa < range.end()) return !range.isMemory();
        return false;
    }

    /** The page was not there: enters it. */
    private int fill(int slot, long gpa, int access) {
        long patienceNs = TimeUnit.MILLISECONDS.toNanos(PATIENCE_MS);
        for (long waitNs = 0, waitedNs = 0; ; waitNs = Math.min(Math.max(2 * waitNs, 50_000), 50_000_000)) {
            if (waitNs > 0) LockSupport.parkNanos(this, waitNs);
            waitedNs += waitNs;
            long seen = revocations.get();
            PageSize size = pageSize(slot, gpa);
            if (makeResident(slot, gpa, size) && enter(slot, gpa, size, access)) {
                if (revocations.get() == seen) return RESIDENT;
                takeBack(slot, gpa, size);
                waitNs = 0;
            } else if (waitedNs >= patienceNs) {
                return SHORTAGE;
            }
        }
    }

    /**
     * False when the host has no memory now. Asks for the page instead of touching it: a touch that fails is a SIGBUS.
     */
    private boolean makeResident(int slot, long gpa, PageSize size) {
        SlotIndex slots = memory.index();
        long bytes = size.bytes();
        try {
            FaultPoints.call("madvise", slots.mapping(slot));
        } catch (ErrnoException injected) {
            return false;
        }
        return slots.mapping(slot).tryMakeResident((gpa & -bytes) - slots.gpa[slot], bytes) == 0;
    }

    /** False when there is no memory for a page of the nested table. */
    private boolean enter(int slot, long gpa, PageSize size, int access) {
        SlotIndex slots = memory.index();
        long page = gpa & -size.bytes();
        DirtyLog log = slots.log(slot);
        try {
            if (log == null) table.enter(page, page + slots.delta[slot], size, Access.ALL);
            else enterLogged(log, slots, slot, page, size, access);
            return true;
        } catch (TableMemoryException | OutOfMemoryError e) {
            return false;
        }
    }

    /**
     * While a log runs a page is writable only after it was marked. Under the log's lock, so that a reader's fault does
     * not undo what a writer's has entered.
     */
    private void enterLogged(DirtyLog log, SlotIndex slots, int slot, long page, PageSize size, int access) {
        synchronized (log) {
            boolean write = (access & Access.WRITE) != 0;
            if (write) log.mark(page - slots.gpa[slot], size.bytes());
            if (write || table.extract(page) == -1)
                table.enter(page, page + slots.delta[slot], size, write ? Access.ALL : Access.READ | Access.EXECUTE);
        }
    }

    /**
     * Something was taken away while this fault was under way. The page may have been written through the entry, so a
     * log hears of it.
     */
    private void takeBack(int slot, long gpa, PageSize size) {
        SlotIndex slots = memory.index();
        long page = gpa & -size.bytes();
        DirtyLog log = slots.log(slot);
        if (log != null) log.mark(page - slots.gpa[slot], size.bytes());
        table.remove(page, size.bytes());
    }

    /** The page is there and its rights do not suffice: for a log, by now no longer, or in earnest. */
    private int forbidden(int slot, long gpa, int access) {
        NestedWalk walk = new NestedWalk();
        for (; ; ) {
            long seen = revocations.get();
            boolean lapsing = logLapsing;
            DirtyLog log = memory.index().log(slot);
            if (table.walk(gpa, access, walk) != -1) return RESIDENT; // another virtual CPU was faster
            if (walk.misconfigured) return MISCONFIGURED;
            if (walk.rights == 0) return fill(slot, gpa, access);
            boolean onlyWriteMissing = (access & ~walk.rights) == Access.WRITE;
            if (onlyWriteMissing && (log != null || lapsing)) return makeWritable(slot, gpa, walk.pageShift, log);
            if (revocations.get() == seen) return PROTECTION;
        }
    }

    private int makeWritable(int slot, long gpa, int pageShift, DirtyLog log) {
        SlotIndex slots = memory.index();
        PageSize size = pageShift == PageSize.SIZE_2M.shift ? PageSize.SIZE_2M : PageSize.SIZE_4K;
        long page = gpa & -size.bytes();
        long seen = revocations.get();
        try {
            if (log != null) enterLogged(log, slots, slot, page, size, Access.WRITE);
            else table.enter(page, page + slots.delta[slot], size, Access.ALL);
        } catch (TableMemoryException | OutOfMemoryError e) {
            return fill(slot, gpa, Access.WRITE);
        }
        if (revocations.get() != seen) takeBack(slot, gpa, size); // the retry faults once more
        return RESIDENT;
    }

    /** 2 MiB where the host's page, the slot and both addresses allow it, and no log asks for single pages. */
    private PageSize pageSize(int slot, long gpa) {
        SlotIndex slots = memory.index();
        if (!slots.hugePages(slot)) return PageSize.SIZE_4K;
        long bytes = PageSize.SIZE_2M.bytes();
        long page = gpa & -bytes;
        boolean whole = page >= slots.gpa[slot] && page + bytes <= slots.gpa[slot] + slots.size[slot];
        return whole && slots.delta[slot] % bytes == 0 && slots.log(slot) == null ? PageSize.SIZE_2M : PageSize.SIZE_4K;
    }

    /** From here on writes to the slot are recorded: when this returns no virtual CPU writes to it unseen. */
    void startLog(int slot) {
        SlotIndex slots = memory.index();
        slots.setLog(slot, new DirtyLog(slots.size[slot]));
        revocations.incrementAndGet();
        table.writeProtect(slots.gpa[slot], slots.size[slot]);
    }

    /**
     * The pages written since the last time, write-protected again. What is read from them now is at least as new as
     * the marks. One call protects all between the first and the last of them: those that are not marked are not
     * writable anyway, and processors are stopped to flush once instead of once a page.
     */
    long[] collectLog(int slot) {
        SlotIndex slots = memory.index();
        long[] dirty = slots.log(slot).take();
        BitSet pages = BitSet.valueOf(dirty);
        if (pages.isEmpty()) return dirty;
        long first = pages.nextSetBit(0), end = pages.length();
        table.writeProtect(slots.gpa[slot] + (first << 12), end - first << 12);
        return dirty;
    }

    void stopLog(int slot) {
        SlotIndex slots = memory.index();
        logLapsing = true;
        revocations.incrementAndGet();
        slots.setLog(slot, null);
        revocations.incrementAndGet();
        table.remove(slots.gpa[slot], slots.size[slot]);
        logLapsing = false;
    }

    /** Counts up, for somebody who is about to remove entries for good. Faults in flight start again. */
    void revoke(long gpa, long sizeBytes) {
        revocations.incrementAndGet();
        table.remove(gpa, sizeBytes);
    }
}
