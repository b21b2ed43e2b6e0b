package org.nestorvm.vmm;

import org.nestorvm.paging.Access;
import org.nestorvm.paging.NestedPageTable;

/** Nested page faults. EXITINFO1 of #NPF is that of APM vol. 2, 15.25.6: the error code of a page fault, and which walk it came from. */
final class NptFaultHandler extends NestedFaultHandler {
    private static final int P = 1, RW = 1 << 1, RSV = 1 << 3, ID = 1 << 4;

    NptFaultHandler(MemoryMap map, GuestMemory memory, NestedPageTable table, boolean[] largePages) {
        super(map, memory, table, largePages);
    }

    @Override
    int access(long faultInfo) {
        if ((faultInfo & RW) != 0) return Access.WRITE;
        return (faultInfo & ID) != 0 ? Access.EXECUTE : Access.READ;
    }

    @Override
    boolean present(long faultInfo) {
        return (faultInfo & P) != 0;
    }

    @Override
    boolean malformed(long faultInfo) {
        return (faultInfo & RSV) != 0;
    }
}
