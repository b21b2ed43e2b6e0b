package org.nestorvm.paging;

/** The page sizes of a four-level table. */
public enum PageSize {
    SIZE_4K(12),
    SIZE_2M(21),
    SIZE_1G(30);

    public final int shift;

    PageSize(int shift) {
        this.shift = shift;
    }

    public long bytes() {
        return 1L << shift;
    }

    /** The level of the table whose entry maps such a page: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB. */
    int level() {
        return (shift - 3) / 9;
    }

    /** The size that an entry at {@code level} maps, 1 to 3. */
    static PageSize ofLevel(int level) {
        return switch (level) {
            case 1 -> SIZE_4K;
            case 2 -> SIZE_2M;
            case 3 -> SIZE_1G;
            default -> throw new IllegalArgumentException("no page is mapped at level " + level);
        };
    }
}
