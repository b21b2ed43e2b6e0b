package org.nestorvm.vmm;

import org.nestorvm.paging.NestedPageTable;

/** EPT violations. The exit qualification is that of SDM vol. 3C, table 28-7. */
final class EptFaultHandler extends NestedFaultHandler {
    /** Bits 2:0: read, write, fetch, the values of {@link org.nestorvm.paging.Access}; bits 5:3: what the entries on the way agree to allow. */
    private static final int ACCESS = 7, RIGHTS_SHIFT = 3;

    EptFaultHandler(MemoryMap map, GuestMemory memory, NestedPageTable table, boolean[] largePages) {
        super(map, memory, table, largePages);
    }

    @Override
    int access(long faultInfo) {
        return (int) faultInfo & ACCESS;
    }

    @Override
    boolean present(long faultInfo) {
        return (faultInfo >>> RIGHTS_SHIFT & ACCESS) != 0;
    }

    /** A misconfiguration is an exit of its own and has no qualification: nothing is being tried. */
    @Override
    boolean malformed(long faultInfo) {
        return (faultInfo & ACCESS) == 0;
    }
}
