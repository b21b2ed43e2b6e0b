package org.nestorvm.disk;

import java.util.Map;
import java.util.TreeMap;

/** Counts by cluster, for those that are counted at all: pages of 4,096, so that a file with large holes costs little. */
final class CountMap {
    private static final int PAGE_BITS = 12;
    private final TreeMap<Long, int[]> pages = new TreeMap<>();
    private long lastPage = -1;
    private int[] last;

    private int[] page(long number, boolean make) {
        if (number == lastPage && last != null) return last;
        int[] page = make ? pages.computeIfAbsent(number, _ -> new int[1 << PAGE_BITS]) : pages.get(number);
        if (page != null) {
            lastPage = number;
            last = page;
        }
        return page;
    }

    void add(long cluster, int count) {
        int[] page = page(cluster >>> PAGE_BITS, true);
        int index = (int) cluster & (1 << PAGE_BITS) - 1;
        page[index] = (int) Math.min(Integer.MAX_VALUE, (long) page[index] + count);
    }

    int get(long cluster) {
        int[] page = page(cluster >>> PAGE_BITS, false);
        return page == null ? 0 : page[(int) cluster & (1 << PAGE_BITS) - 1];
    }

    /** A page's first cluster and its counts. */
    Iterable<Map.Entry<Long, int[]>> pages() {
        return pages.entrySet();
    }

    static long firstOf(Map.Entry<Long, int[]> page) {
        return page.getKey() << PAGE_BITS;
    }

    /** The cluster behind the last with a count. */
    long end() {
        for (Map.Entry<Long, int[]> page : pages.descendingMap().entrySet()) {
            for (int i = (1 << PAGE_BITS) - 1; i >= 0; i--) {
                if (page.getValue()[i] != 0) return firstOf(page) + i + 1;
            }
        }
        return 0;
    }
}
