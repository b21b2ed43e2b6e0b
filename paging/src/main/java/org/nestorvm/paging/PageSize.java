package org.nestorvm.paging;

/** The page sizes of a four-level table. */
public enum PageSize {
    SIZE_4K(12), SIZE_2M(21), SIZE_1G(30);

    public final int shift;

    PageSize(int shift) {
        this.shift = shift;
    }

    public long bytes() {
        return 1L << shift;
    }
}
