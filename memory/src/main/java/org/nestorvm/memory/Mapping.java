package org.nestorvm.memory;

import java.io.IOException;

/** SKELETON: a memory object seen in this process: shared, read/write, not inherited, kept out of core dumps, optionally immutable. Holds a reference. */
public final class Mapping {
    public MemoryObject object() {
        throw new UnsupportedOperationException();
    }

    public long hostAddress() {
        throw new UnsupportedOperationException();
    }

    public long sizeBytes() {
        throw new UnsupportedOperationException();
    }

    /** True when mseal(2) made it immutable: it then lives until the process ends. */
    public boolean sealed() {
        throw new UnsupportedOperationException();
    }

    /** Unmaps and drops the reference. A sealed mapping stays in the address space; its pages are kept until the process ends. */
    public void unmap() throws IOException {
        throw new UnsupportedOperationException();
    }
}
