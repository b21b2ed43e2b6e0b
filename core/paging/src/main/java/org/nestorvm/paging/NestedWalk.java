package org.nestorvm.paging;

/** Where a walk puts what it found; one per walker, reused, so that a walk allocates nothing. */
public final class NestedWalk {
    /** The last entry read, as it stood in the table before this walk set A or D in it; 0 when nothing was there. */
    public long entry;
    /** The level of that entry: 4 is the root table's, 1 a 4 KiB leaf's. */
    public int level;
    /** Rights that all entries on the way agree on, bits of {@link Access}; 0 when not present. */
    public int rights;
    /** log2 of the size of the page found: 12, 21 or 30; 0 when the walk found no page. */
    public int pageShift;
    /** A reserved bit or a forbidden combination was found on the way (EPT misconfiguration, #NPF with RSV). */
    public boolean misconfigured;
    /** Every entry on the way had A set already. */
    boolean accessedThroughout;

    /** A page was found, whether or not its rights allow the access. */
    public boolean present() {
        return pageShift != 0;
    }

    boolean foundPage(long leaf, int leafLevel, int agreedRights, int shift, boolean accessed) {
        entry = leaf;
        level = leafLevel;
        rights = agreedRights;
        pageShift = shift;
        misconfigured = false;
        accessedThroughout = accessed;
        return true;
    }

    boolean foundNothing(long lastEntry, int lastLevel, boolean bad) {
        entry = lastEntry;
        level = lastLevel;
        rights = 0;
        pageShift = 0;
        misconfigured = bad;
        accessedThroughout = false;
        return false;
    }
}
