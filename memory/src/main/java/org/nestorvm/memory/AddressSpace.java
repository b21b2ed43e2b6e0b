package org.nestorvm.memory;

import java.io.IOException;

/** SKELETON: this process's address space, as far as memory objects are mapped in it. */
public final class AddressSpace {
    /** Maps all of the object where the kernel chooses. The reference for the mapping is taken before the mapping exists. */
    public static Mapping map(MemoryObject object, boolean seal) throws IOException {
        throw new UnsupportedOperationException();
    }

    private AddressSpace() {
    }
}
