package org.nestorvm.vmm;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** Which pages of a slot were written since the last collection: one bit for each 4 KiB, set without a lock. */
final class DirtyLog {
    private static final VarHandle WORD = MethodHandles.arrayElementVarHandle(long[].class);
    private final long[] words;
    private final long pages;

    DirtyLog(long sizeBytes) {
        pages = sizeBytes >>> 12;
        words = new long[(int) (pages + 63 >>> 6)];
    }

    /** Marks the pages of {@code sizeBytes > 0} bytes at {@code offset} into the slot. */
    void mark(long offset, long sizeBytes) {
        long last = offset + sizeBytes - 1 >>> 12;
        for (long page = offset >>> 12; page <= last; page++) {
            int word = (int) (page >>> 6);
            long bit = 1L << page;
            // The read first: pages are marked again and again, and a line that is only read stays shared between
            // processors.
            if (((long) WORD.getVolatile(words, word) & bit) == 0) WORD.getAndBitwiseOr(words, word, bit);
        }
    }

    boolean marked(long offset) {
        long page = offset >>> 12;
        return ((long) WORD.getVolatile(words, (int) (page >>> 6)) & 1L << page) != 0;
    }

    /**
     * Takes all marks, in the order of pages: bit n of word n/64 is page n. Synchronized with entering writable pages
     * by {@link NestedFaultHandler}.
     */
    synchronized long[] take() {
        long[] taken = new long[words.length];
        for (int i = 0; i < words.length; i++) if (words[i] != 0) taken[i] = (long) WORD.getAndSet(words, i, 0L);
        return taken;
    }
}
