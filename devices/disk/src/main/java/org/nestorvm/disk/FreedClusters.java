package org.nestorvm.disk;

import java.io.IOException;
import java.util.Arrays;

/**
 * Clusters that an image's tables name no more, on their way to being free. Two things must have happened before
 * another may have one: the table without it is durable, and every request that began while the table still named it
 * has ended, since such a request may be reading or writing there.
 *
 * <p>Requests belong to the generation in which they begin; a generation begins when the requests of the last but one
 * have all ended. Used under the image's lock.
 */
final class FreedClusters {
    /** Takes back a run of clusters. */
    @FunctionalInterface
    interface Releaser {
        void release(long first, long count) throws IOException;
    }

    private final Releaser releaser;
    private Runs unlinked = new Runs(), recent = new Runs(), old = new Runs();
    private final int[] active = new int[2];
    private long generation;
    private boolean releasing;

    FreedClusters(Releaser releaser) {
        this.releaser = releaser;
    }

    /** @return what {@link #end} wants to know */
    long begin() {
        active[(int) generation & 1]++;
        return generation;
    }

    void end(long began) {
        active[(int) began & 1]--;
    }

    boolean idle() {
        return active[0] + active[1] == 0;
    }

    /** No table in memory names it any more. */
    void add(long cluster) {
        unlinked.add(cluster);
    }

    /** Runs that wait for their table to become durable. */
    int waiting() {
        return unlinked.count;
    }

    boolean isEmpty() {
        return unlinked.count + recent.count + old.count == 0;
    }

    /** The tables in memory are the durable ones. */
    void tablesAreDurable() throws IOException {
        for (int i = 0; i < unlinked.count; i++) recent.add(unlinked.first[i], unlinked.length[i]);
        unlinked.count = 0;
        if (releasing) return; // a release needed room in a cache, and that made everything durable
        releasing = true;
        try {
            releaseSettled();
        } finally {
            releasing = false;
        }
    }

    private void releaseSettled() throws IOException {
        for (int round = 0; round < 2 && active[(int) (generation + 1) & 1] == 0; round++) {
            while (old.count > 0) {
                int last = --old.count;
                releaser.release(old.first[last], old.length[last]);
            }
            Runs empty = old;
            old = recent;
            recent = empty;
            generation++;
        }
    }

    private static final class Runs {
        private long[] first = new long[16], length = new long[16];
        private int count;

        void add(long cluster) {
            add(cluster, 1);
        }

        void add(long cluster, long clusters) {
            if (count > 0 && first[count - 1] + length[count - 1] == cluster) {
                length[count - 1] += clusters;
                return;
            }
            if (count == first.length) {
                first = Arrays.copyOf(first, 2 * count);
                length = Arrays.copyOf(length, 2 * count);
            }
            first[count] = cluster;
            length[count++] = clusters;
        }
    }
}
