package org.nestorvm.paging;

import static org.nestorvm.paging.Access.EXECUTE;
import static org.nestorvm.paging.Access.READ;
import static org.nestorvm.paging.Access.WRITE;

/**
 * What differs between EPT and NPT: where the bits of an entry are, which are reserved, and how a failed walk is
 * reported.
 *
 * <p>Both formats keep the address of the next table, or of the page, in bits 51:12, and mark a large page with bit 7.
 * The "physical" addresses of this table are host-virtual addresses of this process, below 2^47; so
 * {@value #HOST_ADDRESS_WIDTH} stands where the manuals say MAXPHYADDR, and bits 51:{@value #HOST_ADDRESS_WIDTH} of an
 * entry are reserved.
 *
 * <p>The walk is driven by the masks below and not by virtual methods, since it is the one hot path here.
 */
public abstract sealed class EntryFormat permits EptFormat, NptFormat {
    /** Bits of a host address: user space of x86-64 Linux with four-level paging. */
    public static final int HOST_ADDRESS_WIDTH = 47;

    public static final EntryFormat EPT = new EptFormat(true), NPT = new NptFormat(true);

    static final long TABLE_ADDRESS = -1L >>> 64 - 40 << 12;
    static final long BEYOND_HOST = -1L >>> 64 - (52 - HOST_ADDRESS_WIDTH) << HOST_ADDRESS_WIDTH;
    /** Bit 7: the entry of a level 2 or 3 table maps a page. In an EPT PTE it is ignored, in an NPT PTE it is PAT. */
    static final long LARGE_PAGE = 1L << 7;
    /** Bit 1 in both formats. */
    static final long WRITABLE = 1L << 1;

    /** An entry with none of these bits is not present. */
    final long present;

    final long accessed;
    /** In leaves only. */
    final long dirty;
    /** Bit n is set: an entry whose bits 5:0 are n is misconfigured. */
    final long forbidden;
    /** Bits of a leaf that give or withhold rights. */
    final long rightsMask;
    /**
     * What an entry that refers to another table holds beside the address: every right, so that the leaf alone decides.
     */
    final long tableBits;
    /** Bits that must be 0, by {@link #reservedIndex}. */
    private final long[] reserved;

    EntryFormat(
            long present, long accessed, long dirty, long forbidden, long rightsMask, long tableBits, long[] reserved) {
        this.present = present;
        this.accessed = accessed;
        this.dirty = dirty;
        this.forbidden = forbidden;
        this.rightsMask = rightsMask;
        this.tableBits = tableBits;
        this.reserved = reserved;
    }

    /** The value that makes a processor use the table: EPTP (SDM vol. 3C, 25.6.11) or nCR3 (APM vol. 2, 15.25.3). */
    public abstract long rootPointer(long rootAddress);

    /** A leaf with A and D clear and memory type write-back. */
    abstract long leaf(long hostPage, PageSize size, int rights);

    /** The rights of a walk, from the conjunction and the disjunction of its entries. All of them are present. */
    abstract int rights(long all, long any);

    /**
     * The first of the 512 leaves, one level down, that together say what the large leaf {@code entry} at {@code level}
     * says.
     */
    abstract long firstOfSplit(long entry, int level);

    /**
     * The large leaf at {@code level} that says what {@code first} and its 511 neighbours one level down say. The
     * reverse of {@link #firstOfSplit}.
     */
    abstract long merged(long first, int level);

    /** @throws IllegalArgumentException the format cannot express these rights */
    abstract void checkRights(int rights);

    /**
     * The exit information that the processor gives for a failed walk: the EPT exit qualification (SDM vol. 3C, table
     * 28-7), or EXITINFO1 of #NPF (APM vol. 2, 15.25.6). Bit 12 of the qualification (NMI unblocking by IRET) is the
     * caller's to add.
     *
     * @param access what was tried, one or two bits of {@link Access} (a read-modify-write is both)
     * @param guestLinearValid the access came from a guest-linear address (always but for MOV to CR3 loading PDPTEs and
     *     the like)
     * @param finalTranslation true: the access to the translated address; false: the access to a guest paging-structure
     *     entry
     * @param userAccess the guest's access was a user access. Neither format reports it today: EPT does so only with
     *     advanced VM-exit information, NPT only with guest mode execute trap, and this processor has neither
     * @return EPT: 0 for a misconfiguration, which has an exit reason of its own and no qualification
     */
    public abstract long faultInfo(
            NestedWalk walk, int access, boolean guestLinearValid, boolean finalTranslation, boolean userAccess);

    /**
     * The basic exit reason (SDM vol. 3D, appendix C) or exit code (APM vol. 2, appendix C) that goes with
     * {@link #faultInfo}.
     */
    public abstract int exitReason(NestedWalk walk);

    /** What was tried, bits of {@link Access}; 0 for an EPT misconfiguration. */
    public abstract int faultAccess(long faultInfo);

    /** A page was found and its rights forbid the access. */
    public abstract boolean faultIsProtection(long faultInfo);

    /** An entry had a reserved bit or a forbidden combination: the table is damaged. */
    public abstract boolean faultIsMisconfiguration(long faultInfo);

    /** The access was to an entry of the guest's own page tables, on the way to the address that the guest meant. */
    public abstract boolean faultIsGuestTableWalk(long faultInfo);

    /** No page was found: neither protection nor misconfiguration. */
    public final boolean faultIsNotPresent(long faultInfo) {
        return !faultIsProtection(faultInfo) && !faultIsMisconfiguration(faultInfo);
    }

    /** For a log: {@code write, final translation: not present (0x182)}. */
    public final String describeFault(long faultInfo) {
        int access = faultAccess(faultInfo);
        String what = (access & EXECUTE) != 0
                ? "execute"
                : (access & WRITE) != 0 ? "write" : (access & READ) != 0 ? "read" : "access";
        String where = faultIsGuestTableWalk(faultInfo) ? "guest table walk" : "final translation";
        String why = faultIsMisconfiguration(faultInfo)
                ? "misconfigured"
                : faultIsProtection(faultInfo) ? "protection" : "not present";
        return what + ", " + where + ": " + why + " (0x" + Long.toHexString(faultInfo) + ")";
    }

    final boolean isPresent(long entry) {
        return (entry & present) != 0;
    }

    /** @param level of the table that holds the entry; a root entry with bit 7 counts as a leaf, a misconfigured one */
    static boolean isLeaf(long entry, int level) {
        return level == 1 || (entry & LARGE_PAGE) != 0;
    }

    final boolean isMisconfigured(long entry, int level, boolean leaf) {
        return (entry & reserved[reservedIndex(level, leaf)]) != 0
                || (forbidden >>> entry & 1) != 0; // the shift takes bits 5:0 of entry
    }

    final int rights(long entry) {
        return rights(entry, entry);
    }

    final long table(long tableAddress) {
        return tableAddress | tableBits;
    }

    /** Address bits of a leaf at {@code level}. In a large leaf, bits below the page's size mean other things. */
    static long pageAddress(long entry, int level) {
        return entry & TABLE_ADDRESS & -1L << 3 + 9 * level;
    }

    static int reservedIndex(int level, boolean leaf) {
        return level * 2 + (leaf ? 1 : 0);
    }

    static IllegalArgumentException badRights(int rights, String rule) {
        return new IllegalArgumentException("rights must be " + rule + ": rights=0x" + Integer.toHexString(rights));
    }
}
