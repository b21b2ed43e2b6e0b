package org.nestorvm.vmm;

/** SKELETON: answers a nested fault (EPT violation or #NPF), one implementation a format. */
public abstract class NestedFaultHandler {
    /** Outcomes. RESIDENT: the page is entered, retry. MMIO: the monitor emulates the access. HOLE: nothing is there, reads all ones. PROTECTION: an entry forbids it. */
    public static final int RESIDENT = 0, MMIO = 1, HOLE = 2, PROTECTION = 3;

    /** @param faultInfo exit qualification or EXITINFO1, see {@link org.nestorvm.paging.EntryFormat#faultInfo} */
    public abstract int handle(long gpa, long faultInfo);
}
