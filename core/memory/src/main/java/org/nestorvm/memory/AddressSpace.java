package org.nestorvm.memory;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** This process's address space, as far as memory objects are mapped in it. */
public final class AddressSpace {
    private static final AtomicInteger MAPPED = new AtomicInteger();
    private static final AtomicLong MAPPED_BYTES = new AtomicLong();
    private static final AtomicInteger SEALED = new AtomicInteger();
    private static final AtomicLong SEALED_BYTES = new AtomicLong();

    private AddressSpace() {}

    /**
     * Maps all of the object where the kernel chooses. The reference for the mapping is taken before the mapping
     * exists, so that the object cannot go in between; after a failure mapping and reference are gone.
     *
     * @param seal make it immutable where the kernel can (see {@link Mapping#sealed}): only for a process that ends
     *     with its VM
     * @throws IllegalStateException when the last reference to the object was dropped already
     */
    public static Mapping map(MemoryObject object, boolean seal) throws IOException {
        Mapping mapping = mapUnsealed(object.reference());
        if (!seal) return mapping;
        try {
            mapping.seal();
            return mapping;
        } catch (Throwable t) {
            mapping.unmap();
            throw t;
        }
    }

    private static Mapping mapUnsealed(MemoryObject referenced) throws IOException {
        try {
            Mapping mapping = Mapping.create(referenced);
            MAPPED.incrementAndGet();
            MAPPED_BYTES.addAndGet(mapping.sizeBytes());
            return mapping;
        } catch (Throwable t) {
            referenced.release();
            throw t;
        }
    }

    static void unmapped(Mapping mapping) {
        MAPPED.decrementAndGet();
        MAPPED_BYTES.addAndGet(-mapping.sizeBytes());
    }

    static void sealed(Mapping mapping) {
        unmapped(mapping);
        SEALED.incrementAndGet();
        SEALED_BYTES.addAndGet(mapping.sizeBytes());
    }

    /** Mappings that exist now and can be unmapped. For leak checks. */
    public static int mappedCount() {
        return MAPPED.get();
    }

    /** Bytes of address space in these. */
    public static long mappedBytes() {
        return MAPPED_BYTES.get();
    }

    /**
     * Sealed mappings made by this process so far; each stays, with one reference to its object, until the process
     * ends.
     */
    public static int sealedCount() {
        return SEALED.get();
    }

    /** Bytes of address space in these. */
    public static long sealedBytes() {
        return SEALED_BYTES.get();
    }
}
