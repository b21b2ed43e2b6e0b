package org.nestorvm.paging;

import static org.nestorvm.paging.Access.READ;
import static org.nestorvm.paging.Access.WRITE;

/**
 * Intel's extended page tables, SDM vol. 3C, 29.3.2, tables 29-1 to 29-7, with accessed and dirty flags enabled
 * (29.3.5). Mode-based execute control, sub-page write permissions, paging-write control, shadow-stack control and #VE
 * are off, so that their bits are ignored.
 */
public final class EptFormat extends EntryFormat {
    static final Bits READABLE = Bits.at(0, 1);
    static final Bits WRITABLE_BIT = READABLE.then(1);
    static final Bits EXECUTABLE = WRITABLE_BIT.then(1);
    static final Bits MEMORY_TYPE = EXECUTABLE.then(3); // leaves; reserved in other entries
    static final Bits IGNORE_PAT = MEMORY_TYPE.then(1); // leaves; reserved in other entries
    static final Bits LARGE = IGNORE_PAT.then(1); // levels 3 and 2; reserved at 4, ignored at 1
    static final Bits ACCESSED = LARGE.then(1);
    static final Bits DIRTY = ACCESSED.then(1); // leaves; ignored in other entries
    static final Bits USER_EXECUTE = DIRTY.then(1);
    static final Bits IGNORED_11 = USER_EXECUTE.then(1);
    static final Bits ADDRESS = IGNORED_11.then(40);
    static final Bits IGNORED_56_52 = ADDRESS.then(5);
    static final Bits VERIFY_GUEST_PAGING = IGNORED_56_52.then(1);
    static final Bits PAGING_WRITE = VERIFY_GUEST_PAGING.then(1);
    static final Bits IGNORED_59 = PAGING_WRITE.then(1);
    static final Bits SUPERVISOR_SHADOW_STACK = IGNORED_59.then(1);
    static final Bits SUB_PAGE_WRITE = SUPERVISOR_SHADOW_STACK.then(1);
    static final Bits IGNORED_62 = SUB_PAGE_WRITE.then(1);
    static final Bits SUPPRESS_VE = IGNORED_62.then(1);

    static final int UNCACHEABLE = 0, WRITE_COMBINING = 1, WRITE_THROUGH = 4, WRITE_PROTECTED = 5, WRITE_BACK = 6;

    static final Bits EPTP_MEMORY_TYPE = Bits.at(0, 3);
    static final Bits EPTP_WALK_LENGTH = EPTP_MEMORY_TYPE.then(3); // minus one
    static final Bits EPTP_ACCESSED_DIRTY = EPTP_WALK_LENGTH.then(1);
    static final Bits EPTP_SHADOW_STACK = EPTP_ACCESSED_DIRTY.then(1);
    static final Bits EPTP_RESERVED = EPTP_SHADOW_STACK.then(4);
    static final Bits EPTP_ADDRESS = EPTP_RESERVED.then(40);

    static final Bits QUALIFICATION_ACCESS = Bits.at(0, 3);
    static final Bits QUALIFICATION_RIGHTS = QUALIFICATION_ACCESS.then(3);
    static final Bits QUALIFICATION_USER_EXECUTE = QUALIFICATION_RIGHTS.then(1);
    static final Bits QUALIFICATION_LINEAR_VALID = QUALIFICATION_USER_EXECUTE.then(1);
    static final Bits QUALIFICATION_FINAL = QUALIFICATION_LINEAR_VALID.then(1);
    static final Bits QUALIFICATION_ADVANCED = QUALIFICATION_FINAL.then(3);
    static final Bits QUALIFICATION_NMI_UNBLOCKING = QUALIFICATION_ADVANCED.then(1);

    public static final int EXIT_REASON_EPT_VIOLATION = 48, EXIT_REASON_EPT_MISCONFIGURATION = 49;
    /** Bit 12 of the qualification: the violation interrupted an IRET that had begun to unblock NMIs. */
    public static final long NMI_UNBLOCKING = QUALIFICATION_NMI_UNBLOCKING.mask();

    private final boolean executeOnly;

    /** @param executeOnly whether the processor allows entries with X and without R: IA32_VMX_EPT_VPID_CAP bit 0 */
    public EptFormat(boolean executeOnly) {
        super(
                Access.ALL,
                ACCESSED.mask(),
                DIRTY.mask(),
                forbiddenCombinations(executeOnly),
                Access.ALL,
                Access.ALL,
                reservedBits());
        this.executeOnly = executeOnly;
    }

    private static long[] reservedBits() {
        long[] reserved = new long[10];
        long typeAndPat = MEMORY_TYPE.mask() | IGNORE_PAT.mask();
        reserved[reservedIndex(4, false)] = BEYOND_HOST | typeAndPat | LARGE.mask();
        reserved[reservedIndex(4, true)] = BEYOND_HOST | typeAndPat | LARGE.mask();
        reserved[reservedIndex(3, false)] = BEYOND_HOST | typeAndPat;
        reserved[reservedIndex(3, true)] = BEYOND_HOST | Bits.at(12, 18).mask();
        reserved[reservedIndex(2, false)] = BEYOND_HOST | typeAndPat;
        reserved[reservedIndex(2, true)] = BEYOND_HOST | Bits.at(12, 9).mask();
        reserved[reservedIndex(1, true)] = BEYOND_HOST;
        return reserved;
    }

    /**
     * SDM vol. 3C, 29.3.3.1. In an entry that is not a leaf the memory type is reserved, so that here it is 0, which
     * every rule below allows.
     */
    private static long forbiddenCombinations(boolean executeOnly) {
        long forbidden = 0;
        for (int low = 0; low < 64; low++) {
            boolean r = READABLE.get(low) != 0, w = WRITABLE_BIT.get(low) != 0, x = EXECUTABLE.get(low) != 0;
            int type = (int) MEMORY_TYPE.get(low);
            boolean present = r || w || x;
            boolean bad = w && !r || x && !r && !executeOnly || present && (type == 2 || type == 3 || type == 7);
            if (bad) forbidden |= 1L << low;
        }
        return forbidden;
    }

    @Override
    public long rootPointer(long rootAddress) {
        return rootAddress | EPTP_MEMORY_TYPE.of(WRITE_BACK) | EPTP_WALK_LENGTH.of(4 - 1) | EPTP_ACCESSED_DIRTY.mask();
    }

    @Override
    long leaf(long hostPage, PageSize size, int rights) {
        return hostPage | rights | MEMORY_TYPE.of(WRITE_BACK) | (size == PageSize.SIZE_4K ? 0 : LARGE.mask());
    }

    @Override
    int rights(long all, long any) {
        return (int) all & Access.ALL;
    }

    @Override
    long firstOfSplit(long entry, int level) {
        return level == 2 ? entry & ~LARGE.mask() : entry;
    }

    @Override
    long merged(long first, int level) {
        return first | LARGE.mask();
    }

    @Override
    void checkRights(int rights) {
        if (rights <= 0 || rights > Access.ALL) throw badRights(rights, "one to three bits of Access");
        if ((rights & READ) != 0) return;
        if ((rights & WRITE) != 0) throw badRights(rights, "readable if they are writable");
        if (!executeOnly) throw badRights(rights, "readable, since this processor has no execute-only pages");
    }

    /**
     * {@inheritDoc}
     *
     * <p>With accessed and dirty flags enabled, accesses to guest paging-structure entries count as writes, and set
     * bits 0 and 1 both, but for the loads of PDPTEs by MOV to CR, which are reads.
     */
    @Override
    public long faultInfo(
            NestedWalk walk, int access, boolean guestLinearValid, boolean finalTranslation, boolean userAccess) {
        if (walk.misconfigured) return 0;
        boolean guestTableWalk = guestLinearValid && !finalTranslation;
        return QUALIFICATION_ACCESS.of(guestTableWalk ? READ | WRITE : access & Access.ALL)
                | QUALIFICATION_RIGHTS.of(walk.rights)
                | (guestLinearValid ? QUALIFICATION_LINEAR_VALID.mask() : 0)
                | (guestLinearValid && finalTranslation ? QUALIFICATION_FINAL.mask() : 0);
    }

    @Override
    public int exitReason(NestedWalk walk) {
        return walk.misconfigured ? EXIT_REASON_EPT_MISCONFIGURATION : EXIT_REASON_EPT_VIOLATION;
    }

    @Override
    public int faultAccess(long faultInfo) {
        return (int) QUALIFICATION_ACCESS.get(faultInfo);
    }

    @Override
    public boolean faultIsProtection(long faultInfo) {
        return QUALIFICATION_RIGHTS.get(faultInfo) != 0;
    }

    @Override
    public boolean faultIsMisconfiguration(long faultInfo) {
        return QUALIFICATION_ACCESS.get(faultInfo) == 0; // a violation always has an access
    }

    @Override
    public boolean faultIsGuestTableWalk(long faultInfo) {
        return (faultInfo & (QUALIFICATION_LINEAR_VALID.mask() | QUALIFICATION_FINAL.mask()))
                == QUALIFICATION_LINEAR_VALID.mask();
    }
}
