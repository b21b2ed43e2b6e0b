package org.nestorvm.paging;

/**
 * SKELETON: guest-physical to host page, a four-level radix tree in the architecture's own entry format. A "host page" is a page of this process:
 * the address field of an entry holds its host-virtual address. One writer at a time (the table locks itself), readers take no lock.
 */
public final class NestedPageTable implements AutoCloseable {
    /** Told after entries lost rights, before the call that took them returns: removal, write protection, clearing of A/D bits. */
    public interface InvalidationListener {
        void invalidate(long gpa, long sizeBytes);
    }

    public NestedPageTable(EntryFormat format) {
        throw new UnsupportedOperationException();
    }

    public EntryFormat format() {
        throw new UnsupportedOperationException();
    }

    public void setInvalidationListener(InvalidationListener listener) {
        throw new UnsupportedOperationException();
    }

    /** Host address of the root table page: what EPTP or nCR3 would hold. */
    public long rootAddress() {
        throw new UnsupportedOperationException();
    }

    public void enter(long gpa, long hostPage, PageSize size, int rights) {
        throw new UnsupportedOperationException();
    }

    /** Host address behind {@code gpa}, or -1. Sets no accessed bit. */
    public long extract(long gpa) {
        throw new UnsupportedOperationException();
    }

    /**
     * The processor's walk: returns the host address behind {@code gpa} and sets accessed (and for a write, dirty) bits, or returns -1 when {@code access} is
     * not allowed; {@code out} says what was found either way.
     */
    public long walk(long gpa, int access, NestedWalk out) {
        throw new UnsupportedOperationException();
    }

    public void remove(long gpa, long sizeBytes) {
        throw new UnsupportedOperationException();
    }

    public void writeProtect(long gpa, long sizeBytes) {
        throw new UnsupportedOperationException();
    }

    /** Pages entered, in units of 4 KiB. */
    public long residentCount() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
