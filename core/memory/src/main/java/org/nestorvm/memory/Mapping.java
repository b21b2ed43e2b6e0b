package org.nestorvm.memory;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.memory.sys.Primitive;

/**
 * A memory object seen in this process: shared, read/write, not inherited, kept out of core dumps, optionally
 * immutable. Holds a reference.
 *
 * <p>Nothing here stops an access after {@link #unmap}: who hands out addresses keeps the mapping until their users are
 * gone.
 */
public final class Mapping {
    private static final int MAPPED = 0, UNMAPPED = 1, SEALED = 2;
    private static final VarHandle STATE;

    static {
        try {
            STATE = MethodHandles.lookup().findVarHandle(Mapping.class, "state", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final MemoryObject object;
    private final long hostAddress;
    private volatile int state = MAPPED;

    Mapping(MemoryObject object, long hostAddress) {
        this.object = object;
        this.hostAddress = hostAddress;
    }

    public MemoryObject object() {
        return object;
    }

    public long hostAddress() {
        return hostAddress;
    }

    public long sizeBytes() {
        return object.sizeBytes();
    }

    /** True when mseal(2) made it immutable: it then lives until the process ends. */
    public boolean sealed() {
        return state == SEALED;
    }

    /**
     * Makes the mapping immutable from now on, for whoever has to map first and can be sure only later that it will not
     * have to unmap again: there is no way back. A second call does nothing, and so does any where the kernel has no
     * mseal(2): see {@link #sealed}.
     *
     * @throws ErrnoException when the kernel refuses; then the mapping is as before
     * @throws IllegalStateException when it was unmapped: its addresses may be somebody else's by now
     */
    public void seal() throws ErrnoException {
        if (!Primitive.MSEAL.present()) return;
        // Claimed first, so that an unmap at the same time either comes before or leaves it alone.
        if (!STATE.compareAndSet(this, MAPPED, SEALED)) {
            if (state == UNMAPPED)
                throw new IllegalStateException("a mapping of " + object + " is sealed after it was unmapped");
            return;
        }
        try {
            MemoryCalls.mseal(object, hostAddress, object.sizeBytes());
        } catch (Throwable t) {
            state = MAPPED;
            throw t;
        }
        AddressSpace.sealed(this);
    }

    /**
     * Unmaps and drops the reference; a second call does nothing. A sealed mapping cannot go: it keeps its address
     * space, its reference and so the object's pages until the process ends, and {@link AddressSpace#sealedCount} goes
     * on counting it.
     *
     * @throws ErrnoException when the kernel refuses; then the mapping is as before
     */
    public void unmap() throws IOException {
        if (!STATE.compareAndSet(this, MAPPED, UNMAPPED)) return;
        // Pages made resident by madvise count as used once; munmap would count the second use and move each to the
        // active list, just before it is freed. The
        // kernel leaves that out for mappings of random access: a third of the time for 4 GiB. It is advice, and
        // nothing depends on it.
        MemoryCalls.tryMadvise(hostAddress, object.sizeBytes(), MemoryCalls.MADV_RANDOM);
        try {
            MemoryCalls.munmap(object, hostAddress, object.sizeBytes());
        } catch (ErrnoException e) {
            state = MAPPED;
            throw e;
        }
        AddressSpace.unmapped(this);
        object.release();
    }

    /**
     * Makes the pages of a range resident and entered in this process's page table, so that an access to them neither
     * faults nor fails. Where the host has no memory left that is an exception here, and not a signal later. One system
     * call, which costs about what the page fault costs that it saves; less for several pages at a time.
     *
     * @throws ErrnoException ENOMEM, ENOSPC or EFAULT when there is no page to be had, EHWPOISON when one is broken
     */
    public void makeResident(long offset, long sizeBytes) throws IOException {
        int result = tryMakeResident(offset, sizeBytes);
        if (result == 0) return;
        String call = Primitive.POPULATE_WRITE.present() ? "madvise(MADV_POPULATE_WRITE)" : "fallocate";
        throw new ErrnoException(call, object.toString(), -result);
    }

    /** {@link #makeResident} without exception for the host's shortage. @return 0 or a negated errno */
    public int tryMakeResident(long offset, long sizeBytes) {
        object.checkRange(offset, sizeBytes);
        long page = MemoryCalls.PAGE_BYTES;
        long start = offset & -page;
        long end = offset + sizeBytes + page - 1 & -page;
        if (!Primitive.POPULATE_WRITE.present()) return allocateAndTouch(start, end);
        int result;
        do {
            result = MemoryCalls.tryMadvise(hostAddress + start, end - start, MemoryCalls.MADV_POPULATE_WRITE);
        } while (result == -Errno.EINTR);
        return result;
    }

    /** Allocates in the object first, where shortage is an errno; the touch then only enters what is there. */
    private int allocateAndTouch(long start, long end) {
        if (start == end) return 0;
        int result;
        do {
            result = Descriptors.tryFallocate(object.descriptor(), 0, start, end - start);
        } while (result == -Errno.EINTR);
        if (result < 0) return result;
        for (long offset = start; offset < end; offset += MemoryCalls.PAGE_BYTES) touch(offset);
        return 0;
    }

    /**
     * Makes one page resident by touching it: one page fault and no system call. Where the host has no page left the
     * fault is a SIGBUS, which HotSpot turns into an InternalError in this thread, soon after but not exactly here:
     * prefer {@link #tryMakeResident}.
     */
    public void touch(long offset) {
        object.checkRange(offset, 1);
        // Adds nothing, atomically: unlike a load it cannot be optimized away, and it cannot undo what another thread
        // writes.
        int _ = (int) HostMemory.ATOMIC_INT.getAndAdd(HostMemory.ALL, hostAddress + offset & -Integer.BYTES, 0);
    }

    @Override
    public String toString() {
        return object + " at 0x" + Long.toHexString(hostAddress) + (sealed() ? ", sealed" : "");
    }

    /** Everything that can fail between the reference, which the caller has taken for it, and the finished mapping. */
    static Mapping create(MemoryObject object) throws ErrnoException {
        FaultPoints.allocation("mapping");
        long size = object.sizeBytes();
        long address = MemoryCalls.mmap(
                object,
                size,
                MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                MemoryCalls.MAP_SHARED,
                object.descriptor(),
                0);
        try {
            // Before any seal: there are kernels that refuse these on a sealed mapping.
            advise(object, address, size);
            return new Mapping(object, address);
        } catch (Throwable t) {
            MemoryCalls.tryMunmap(address, size);
            throw t;
        }
    }

    private static void advise(MemoryObject object, long address, long size) throws ErrnoException {
        if (Primitive.DONTFORK.present()) MemoryCalls.madvise(object, address, size, MemoryCalls.MADV_DONTFORK);
        if (Primitive.DONTDUMP.present()) MemoryCalls.madvise(object, address, size, MemoryCalls.MADV_DONTDUMP);
        if (object.pages() == Pages.TRANSPARENT_HUGE && Primitive.HUGEPAGE_ADVICE.present()) {
            MemoryCalls.madvise(object, address, size, MemoryCalls.MADV_HUGEPAGE);
        }
    }
}
