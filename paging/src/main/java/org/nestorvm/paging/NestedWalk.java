package org.nestorvm.paging;

/** Where a walk puts what it found; one per walker, reused, so that a walk allocates nothing. */
public final class NestedWalk {
    /** The last entry read, as it stands in the table; 0 when nothing was there. */
    public long entry;
    /** The level of that entry: 4 is the root table's, 1 a 4 KiB leaf's. */
    public int level;
    /** Rights that all entries on the way agree on, bits of {@link Access}; 0 when not present. */
    public int rights;
    /** log2 of the size of the page found: 12, 21 or 30. */
    public int pageShift;
    /** A reserved bit or a forbidden combination was found on the way (EPT misconfiguration, #NPF with RSV). */
    public boolean misconfigured;
}
