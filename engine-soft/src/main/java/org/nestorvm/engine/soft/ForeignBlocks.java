package org.nestorvm.engine.soft;

import java.util.Arrays;

/** One processor's table of blocks that others have decoded, by linear address and mode, with the epoch of its own execution TLB in which each was last found right. Empty on a machine with one processor. */
final class ForeignBlocks {
    private static final int SIZE = 1 << 15;

    private long[] keys;
    private Block[] blocks;
    private int[] epochs;

    private static int slot(long key) {
        return (int) (key >>> 5 ^ key >>> 20) & SIZE - 1;
    }

    /** Null when it is not known in this epoch. */
    Block get(long key, int epoch) {
        if (keys == null) return null;
        int slot = slot(key);
        return keys[slot] == key && epochs[slot] == epoch && blocks[slot].valid ? blocks[slot] : null;
    }

    void put(long key, int epoch, Block block) {
        if (keys == null) {
            keys = new long[SIZE];
            blocks = new Block[SIZE];
            epochs = new int[SIZE];
            Arrays.fill(keys, Block.NO_KEY);
        }
        int slot = slot(key);
        keys[slot] = key;
        blocks[slot] = block;
        epochs[slot] = epoch;
    }

    void clear() {
        if (keys == null) return;
        Arrays.fill(keys, Block.NO_KEY);
        Arrays.fill(blocks, null);
    }
}
