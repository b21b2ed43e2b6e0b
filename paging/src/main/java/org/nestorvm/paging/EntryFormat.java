package org.nestorvm.paging;

/** SKELETON: what differs between EPT and NPT. */
public sealed abstract class EntryFormat permits EptFormat, NptFormat {
    public static final EntryFormat EPT = new EptFormat(), NPT = new NptFormat();

    /**
     * The exit information that the processor gives for a failed walk: the EPT exit qualification (SDM vol. 3C, table 28-7),
     * or EXITINFO1 of #NPF (APM vol. 2, 15.25.6).
     *
     * @param access what was tried, one or two bits of {@link Access} (a read-modify-write is both)
     * @param guestLinearValid the access came from a guest-linear address (always but for MOV to CR3 loading PDPTEs and the like)
     * @param finalTranslation true: the access to the translated address; false: the access to a guest paging-structure entry
     */
    public abstract long faultInfo(NestedWalk walk, int access, boolean guestLinearValid, boolean finalTranslation, boolean userAccess);
}
