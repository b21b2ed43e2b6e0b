package org.nestorvm.engine.soft.mmu;

/**
 * What the MMU asks of the decoded code: a page that holds some has no write tag, so that each store to it comes here.
 */
public interface CodeWatch {
    /** Does this host page hold decoded code? */
    boolean hasCode(long hostPage);

    /** A store, already done. @return true when code was hit: the running block must end with this instruction */
    boolean written(long host, int size);

    /** Drops the page's blocks if its bytes are not the decoded ones any more. */
    void verify(long hostPage);
}
