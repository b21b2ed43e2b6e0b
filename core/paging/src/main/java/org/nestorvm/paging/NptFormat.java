package org.nestorvm.paging;

import static org.nestorvm.paging.Access.EXECUTE;
import static org.nestorvm.paging.Access.READ;
import static org.nestorvm.paging.Access.WRITE;

/**
 * AMD's nested page tables: the long-mode page tables of the host, APM vol. 2, 5.3.3 and 15.25.5. Every access counts
 * as a user access, so that U/S must be set all the way. Guest mode execute trap, supervisor shadow stacks and
 * protection keys are off.
 */
public final class NptFormat extends EntryFormat {
    static final Bits P = Bits.at(0, 1);
    static final Bits RW = P.then(1);
    static final Bits US = RW.then(1);
    static final Bits PWT = US.then(1);
    static final Bits PCD = PWT.then(1);
    static final Bits A = PCD.then(1);
    static final Bits D = A.then(1); // leaves; ignored in other entries
    static final Bits PS = D.then(1); // levels 3 and 2; MBZ at 4, PAT at 1
    static final Bits G = PS.then(1); // leaves; MBZ at 4, ignored in other tables' references
    static final Bits AVL_11_9 = G.then(3);
    static final Bits ADDRESS = AVL_11_9.then(40);
    static final Bits AVL_58_52 = ADDRESS.then(7);
    static final Bits MPK = AVL_58_52.then(4); // available to software without protection keys
    static final Bits NX = MPK.then(1);

    static final Bits PAT_4K = Bits.at(7, 1);
    static final Bits PAT_LARGE = Bits.at(12, 1);

    static final Bits INFO_P = Bits.at(0, 1);
    static final Bits INFO_RW = INFO_P.then(1);
    static final Bits INFO_US = INFO_RW.then(1);
    static final Bits INFO_RSV = INFO_US.then(1);
    static final Bits INFO_ID = INFO_RSV.then(1);
    static final Bits INFO_FINAL = Bits.at(32, 1);
    static final Bits INFO_TABLE_WALK = INFO_FINAL.then(1);

    public static final int VMEXIT_NPF = 0x400;

    private final boolean noExecute;

    /**
     * @param noExecute whether the host runs with EFER.NXE; without it bit 63 is reserved and every page is executable
     */
    public NptFormat(boolean noExecute) {
        super(
                P.mask(),
                A.mask(),
                D.mask(),
                0,
                P.mask() | RW.mask() | US.mask() | NX.mask(),
                P.mask() | RW.mask() | US.mask(),
                reservedBits(noExecute));
        this.noExecute = noExecute;
    }

    private static long[] reservedBits(boolean noExecute) {
        long[] reserved = new long[10];
        long everywhere = BEYOND_HOST | (noExecute ? 0 : NX.mask());
        reserved[reservedIndex(4, false)] = everywhere | PS.mask() | G.mask();
        reserved[reservedIndex(4, true)] = everywhere | PS.mask() | G.mask();
        reserved[reservedIndex(3, false)] = everywhere;
        reserved[reservedIndex(3, true)] = everywhere | Bits.at(13, 17).mask();
        reserved[reservedIndex(2, false)] = everywhere;
        reserved[reservedIndex(2, true)] = everywhere | Bits.at(13, 8).mask();
        reserved[reservedIndex(1, true)] = everywhere;
        return reserved;
    }

    /** PWT and PCD 0: the nested tables themselves are read write-back. */
    @Override
    public long rootPointer(long rootAddress) {
        return rootAddress;
    }

    @Override
    long leaf(long hostPage, PageSize size, int rights) {
        return hostPage
                | P.mask()
                | US.mask()
                | ((rights & WRITE) != 0 ? RW.mask() : 0)
                | ((rights & EXECUTE) != 0 ? 0 : NX.mask())
                | (size == PageSize.SIZE_4K ? 0 : PS.mask());
    }

    @Override
    int rights(long all, long any) {
        if ((all & US.mask()) == 0) return 0;
        return READ | (int) (all & RW.mask()) | (int) (~any >>> NX.shift()) << 2;
    }

    @Override
    long firstOfSplit(long entry, int level) {
        if (level == 3) return entry;
        long small = entry & ~(PS.mask() | PAT_LARGE.mask());
        return small | PAT_4K.of(PAT_LARGE.get(entry));
    }

    @Override
    long merged(long first, int level) {
        if (level == 3) return first;
        return first & ~PAT_4K.mask() | PAT_LARGE.of(PAT_4K.get(first)) | PS.mask();
    }

    @Override
    void checkRights(int rights) {
        if (rights <= 0 || rights > Access.ALL) throw badRights(rights, "one to three bits of Access");
        if ((rights & READ) == 0) throw badRights(rights, "readable, since a present page always is");
        if (!noExecute && (rights & EXECUTE) == 0) throw badRights(rights, "executable, since EFER.NXE is off");
    }

    /**
     * {@inheritDoc}
     *
     * <p>US is always set: nested accesses are user accesses. An access to the guest's page tables counts as a data
     * write.
     */
    @Override
    public long faultInfo(
            NestedWalk walk, int access, boolean guestLinearValid, boolean finalTranslation, boolean userAccess) {
        boolean write = !finalTranslation || (access & WRITE) != 0;
        boolean fetch = finalTranslation && (access & EXECUTE) != 0 && noExecute;
        return (isPresent(walk.entry) ? INFO_P.mask() : 0)
                | (write ? INFO_RW.mask() : 0)
                | INFO_US.mask()
                | (walk.misconfigured ? INFO_RSV.mask() : 0)
                | (fetch ? INFO_ID.mask() : 0)
                | (finalTranslation ? INFO_FINAL.mask() : INFO_TABLE_WALK.mask());
    }

    @Override
    public int exitReason(NestedWalk walk) {
        return VMEXIT_NPF;
    }

    @Override
    public int faultAccess(long faultInfo) {
        if ((faultInfo & INFO_ID.mask()) != 0) return EXECUTE;
        return (faultInfo & INFO_RW.mask()) != 0 ? WRITE : READ;
    }

    @Override
    public boolean faultIsProtection(long faultInfo) {
        return (faultInfo & (INFO_P.mask() | INFO_RSV.mask())) == INFO_P.mask();
    }

    @Override
    public boolean faultIsMisconfiguration(long faultInfo) {
        return (faultInfo & INFO_RSV.mask()) != 0;
    }

    @Override
    public boolean faultIsGuestTableWalk(long faultInfo) {
        return (faultInfo & INFO_TABLE_WALK.mask()) != 0;
    }
}
