package org.nestorvm.engine.soft.run;

import java.util.Arrays;
import java.util.function.Consumer;
import org.nestorvm.memory.sys.HostMemory;

/**
 * The blocks whose first byte, or whose tail, lies in one host page, and which bytes of it they cover. Guarded by its
 * {@link CodeCache}.
 */
final class CodePage {
    /** What a page costs of the heap beside its blocks. */
    static final int EMPTY_BYTES = 4096 + 512 + 256;

    /** A power of two. */
    private static final int RECENT = 16;

    final long hostPage;
    private Block[] blocks = new Block[16];
    private int count;
    /** Lines of 64 bytes of which a block covers a byte, and for each line which bytes. */
    private long lines;

    private final long[] covered = new long[64];
    /** The page as it was when its blocks were decoded; lines that no block covers do not matter. */
    private final byte[] copy = new byte[4096];
    /** Stores to the page since it has code, also those that hit none, and changes found by {@link #unchanged}. */
    int stores;
    /** The last stores: first byte << 13 | size. */
    private final int[] recent = new int[RECENT];
    /** Out of the cache: the page holds data now, or code under another object of this class. */
    boolean dropped;
    /** No processor has a write tag for the page: from then on it can be decoded without missing a store. */
    volatile boolean settled;

    CodePage(long hostPage) {
        this.hostPage = hostPage;
    }

    private static int hash(long host, int mode) {
        return (int) (host * 0x9e3779b1L >>> 12) + mode * 31;
    }

    /** The owner's block, or another processor's if it has none. */
    Block find(long host, int mode, Interpreter owner) {
        int mask = blocks.length - 1;
        Block found = null;
        for (int i = hash(host, mode) & mask; blocks[i] != null; i = i + 1 & mask) {
            if (blocks[i].host != host || blocks[i].mode != mode || !blocks[i].valid) continue;
            found = blocks[i];
            if (found.owner == owner) return found;
        }
        return found;
    }

    /** The class that another processor's copy of this block has, or null. */
    CompiledBlock compiledTwin(Block block) {
        int mask = blocks.length - 1;
        for (int i = hash(block.host, block.mode) & mask; blocks[i] != null; i = i + 1 & mask)
            if (blocks[i].ops == block.ops && blocks[i].compiled != null) return blocks[i].compiled;
        return null;
    }

    /** Adds a block that covers bytes {@code from} (inclusive) to {@code to} (exclusive) of this page. */
    void add(Block block, int from, int to) {
        if (2 * ++count > blocks.length) {
            Block[] old = blocks;
            blocks = new Block[2 * old.length];
            for (Block b : old) if (b != null) put(b);
        }
        put(block);
        for (int line = from >>> 6; line <= to - 1 >>> 6; line++) {
            if ((lines >>> line & 1) == 0) HostMemory.copyOut(hostPage + 64L * line, copy, 64 * line, 64);
            lines |= 1L << line;
            covered[line] |= bytesOf(line, from, to);
        }
    }

    /** The bytes of a line that are in a range, as bits. */
    private static long bytesOf(int line, int from, int to) {
        int first = Math.max(from - 64 * line, 0), last = Math.min(to - 64 * line, 64) - 1;
        return -1L << first & -1L >>> 63 - last;
    }

    private void put(Block block) {
        int mask = blocks.length - 1;
        int i = hash(block.host, block.mode) & mask;
        while (blocks[i] != null) i = i + 1 & mask;
        blocks[i] = block;
    }

    void noteStore(int from, int size) {
        recent[stores++ & RECENT - 1] = from << 13 | size;
    }

    /** Whether a byte of the range was written, or may have been, since there were {@code before} stores. */
    boolean written(int before, int from, int to) {
        if (Integer.compareUnsigned(stores - before, RECENT) > 0) return true;
        for (int n = before; n != stores; n++) {
            int first = recent[n & RECENT - 1] >>> 13, size = recent[n & RECENT - 1] & 0x1fff;
            if (first < to && from < first + size) return true;
        }
        return false;
    }

    /**
     * A store that is done. @return true when no block has a byte of it: then what is new in lines with code is
     * remembered as it is now
     */
    boolean misses(int from, int size) {
        int first = from >>> 6, last = from + size - 1 >>> 6;
        if ((lines >>> first & ~(-2L << last - first)) == 0) return true;
        for (int line = first; line <= last; line++)
            if ((covered[line] & bytesOf(line, from, from + size)) != 0) return false;
        HostMemory.copyOut(hostPage + from, copy, from, size);
        return true;
    }

    /** The bytes under the blocks are what they were: a device may have written them unseen. */
    boolean unchanged() {
        for (long rest = lines; rest != 0; rest &= rest - 1) {
            int line = Long.numberOfTrailingZeros(rest);
            for (int i = 64 * line; i < 64 * line + 64; i += 8)
                if (HostMemory.getLong(hostPage + i) != (long) LONG.get(copy, i)) return false;
        }
        return true;
    }

    private static final java.lang.invoke.VarHandle LONG =
            java.lang.invoke.MethodHandles.byteArrayViewVarHandle(long[].class, java.nio.ByteOrder.LITTLE_ENDIAN);

    void forEach(Consumer<Block> action) {
        for (Block b : blocks) if (b != null) action.accept(b);
    }

    void invalidate(CodeCache cache) {
        for (Block b : blocks) {
            if (b == null) continue;
            b.invalidate();
            cache.dropped(b);
        }
        Arrays.fill(blocks, null);
        count = 0;
        lines = 0;
        Arrays.fill(covered, 0);
    }
}
