package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Counts by cluster, for those that are counted at all: pages of 4,096, so that a file with large holes costs little.
 */
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

    /** The ranges of {@code 2^bits} clusters with a count, by their numbers. */
    TreeSet<Long> ranges(int bits) {
        TreeSet<Long> ranges = new TreeSet<>();
        for (Map.Entry<Long, int[]> page : pages.entrySet()) {
            for (int i = 0; i < page.getValue().length; i++) {
                if (page.getValue()[i] != 0) ranges.add(firstOf(page) + i >>> bits);
            }
        }
        return ranges;
    }

    /** Writes the refcount block that describes clusters from this one on. */
    void writeBlock(BlockFile file, long offset, long firstCluster, int order, int clusterBits) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            long block = arena.allocate(1L << clusterBits, 8).address(), max = RefcountEntry.max(order);
            for (int i = 0; i < 1 << clusterBits + 3 - order; i++) {
                int count = get(firstCluster + i);
                if (count != 0) RefcountEntry.put(block, i, order, Long.compareUnsigned(count, max) > 0 ? max : count);
            }
            file.write(offset, block, 1L << clusterBits);
        }
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
