package org.nestorvm.disk;

import java.util.Arrays;

/**
 * The clusters in which an image keeps tables, so that neither a guest's data nor a new table is ever put over one of
 * them, whatever the image's own tables claim.
 */
final class ClusterSet {
    private static final long EMPTY = -1, GONE = -2;
    private long[] slots = filled(64);
    private int used, size;

    private static long[] filled(int length) {
        long[] slots = new long[length];
        Arrays.fill(slots, EMPTY);
        return slots;
    }

    private static int hash(long cluster, int mask) {
        return (int) (cluster * 0x9e3779b97f4a7c15L >>> 32) & mask;
    }

    /** @return false when it is there already */
    boolean add(long cluster) {
        if (contains(cluster)) return false;
        if (used >= slots.length / 2) rehash();
        insert(cluster);
        return true;
    }

    private void insert(long cluster) {
        int mask = slots.length - 1, at = hash(cluster, mask);
        while (slots[at] != EMPTY) at = at + 1 & mask;
        slots[at] = cluster;
        used++;
        size++;
    }

    private void rehash() {
        long[] old = slots;
        slots = filled(Integer.highestOneBit(Math.max(16, size)) * 8);
        used = size = 0;
        for (long cluster : old) {
            if (cluster >= 0) insert(cluster);
        }
    }

    boolean contains(long cluster) {
        return find(cluster) >= 0;
    }

    private int find(long cluster) {
        int mask = slots.length - 1, at = hash(cluster, mask);
        for (; slots[at] != EMPTY; at = at + 1 & mask) {
            if (slots[at] == cluster) return at;
        }
        return -1;
    }

    void remove(long cluster) {
        int at = find(cluster);
        if (at < 0) return;
        slots[at] = GONE;
        size--;
    }
}
