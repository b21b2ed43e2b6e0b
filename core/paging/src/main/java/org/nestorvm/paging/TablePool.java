package org.nestorvm.paging;

import java.io.IOException;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import org.nestorvm.memory.sys.HostMemory;

/**
 * The 4 KiB table pages of one page table. They come from chunks that double in size from {@value #FIRST_CHUNK_PAGES}
 * to {@value #LAST_CHUNK_PAGES} pages, and stay table pages of this table until {@link #close}, which gives all chunks
 * back: a reader that still looks into a page that was put back sees zeros, or entries of the same table, or a link of
 * the free list, which is no present entry in either format since its low bits are 0.
 *
 * <p>Thread-safe. A page is zero when taken.
 */
final class TablePool implements AutoCloseable {
    static final int PAGE = 4096;
    static final int FIRST_CHUNK_PAGES = 16, LAST_CHUNK_PAGES = 512;
    private static final AtomicLong LIVE_PAGES = new AtomicLong(), LIVE_BYTES = new AtomicLong();

    private final TableMemory memory;
    private long[] chunks = new long[4];
    private int chunkCount;
    private int chunkPages = FIRST_CHUNK_PAGES / 2;
    /** Untouched rest of the last chunk. */
    private long fresh, freshEnd;

    private long firstFree;
    private int freePages;
    private int usedPages;

    TablePool(TableMemory memory) {
        this.memory = memory;
    }

    /** @throws TableMemoryException the host has no memory; nothing was taken */
    synchronized long take() {
        reserve(1);
        usedPages++;
        LIVE_PAGES.incrementAndGet();
        if (firstFree == 0) {
            long page = fresh;
            fresh += PAGE;
            return page;
        }
        long page = firstFree;
        firstFree = HostMemory.getLong(page);
        freePages--;
        HostMemory.putLongRelease(page, 0);
        return page;
    }

    /** Makes sure that the next {@code count} pages can be taken without asking the host, if nobody else takes any. */
    synchronized void reserve(int count) {
        while (freePages + (freshEnd - fresh) / PAGE < count) grow();
    }

    /** Puts a page back; its contents no longer matter. */
    synchronized void give(long page) {
        HostMemory.fill(page, PAGE, (byte) 0);
        HostMemory.putLongRelease(page, firstFree);
        firstFree = page;
        freePages++;
        usedPages--;
        LIVE_PAGES.decrementAndGet();
    }

    private void grow() {
        while (fresh < freshEnd) { // a rest too small for a reservation is not lost
            HostMemory.putLongRelease(fresh, firstFree);
            firstFree = fresh;
            freePages++;
            fresh += PAGE;
        }
        int pages = Math.min(chunkPages * 2, LAST_CHUNK_PAGES);
        if (chunkCount == chunks.length) chunks = Arrays.copyOf(chunks, chunkCount * 2);
        try {
            fresh = memory.map((long) pages * PAGE);
        } catch (IOException e) {
            fresh = freshEnd;
            throw new TableMemoryException(
                    "no memory for table pages: have " + mappedBytes() + " bytes, asked for " + (long) pages * PAGE
                            + " more",
                    e);
        }
        freshEnd = fresh + (long) pages * PAGE;
        chunkPages = pages;
        chunks[chunkCount++] = fresh;
        LIVE_BYTES.addAndGet((long) pages * PAGE);
    }

    synchronized int usedPages() {
        return usedPages;
    }

    synchronized long mappedBytes() {
        long bytes = 0;
        for (int i = 0; i < chunkCount; i++) bytes += chunkBytes(i);
        return bytes;
    }

    /** Chunks double, so that the position says the size. */
    private static long chunkBytes(int index) {
        return (long) PAGE * Math.min((long) FIRST_CHUNK_PAGES << Math.min(index, 30), LAST_CHUNK_PAGES);
    }

    /** Gives every chunk back, whatever its pages hold. Nobody looks at them any more. */
    @Override
    public synchronized void close() {
        LIVE_PAGES.addAndGet(-usedPages);
        LIVE_BYTES.addAndGet(-mappedBytes());
        for (int i = 0; i < chunkCount; i++) memory.unmap(chunks[i], chunkBytes(i));
        chunkCount = 0;
        usedPages = freePages = 0;
        fresh = freshEnd = firstFree = 0;
    }

    /** Pages taken and not put back, of all pools of the process. */
    static long livePages() {
        return LIVE_PAGES.get();
    }

    /** Bytes that all pools of the process hold. */
    static long liveBytes() {
        return LIVE_BYTES.get();
    }
}
