package org.nestorvm.engine.soft.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.nestorvm.engine.soft.ops.Op;
import org.nestorvm.memory.sys.HostMemory;

/**
 * What happens between the first look at a block's bytes and its place in the cache, which another processor may do at
 * any moment.
 */
class CodeCacheTest {
    private static final int MODE = 3;

    private final Arena arena = Arena.ofConfined();
    private final long page = arena.allocate(2 * 4096, 4096).address(), next = page + 4096;
    private final CodeCache code = new CodeCache(1 << 20, 1 << 20);

    @AfterEach
    void free() {
        arena.close();
    }

    private Block block(long host, int length) {
        return new Block(null, new Op[0], host, host + length > next && host < next ? next : 0, MODE, length, false, 1);
    }

    private void store(long host) {
        HostMemory.putByte(host, (byte) 0x90);
        code.written(host, 1);
    }

    @Test
    void aBlockIsFoundUntilItsBytesAreWritten() {
        CodePage first = code.page(page);
        Block block = block(page + 100, 5);
        code.add(block, first, code.stores(first), null, 0);
        assertSame(block, code.find(page + 100, MODE, null));
        store(page + 2000);
        assertSame(block, code.find(page + 100, MODE, null), "another line");
        store(page + 102);
        assertFalse(block.valid);
        assertNull(code.find(page + 100, MODE, null));
    }

    /** Data beside code, in its line. */
    @Test
    void aStoreBesideABlockLeavesItAlone() {
        CodePage first = code.page(page);
        Block block = block(page + 100, 5), crossing = block(next - 2, 5);
        code.add(block, first, code.stores(first), null, 0);
        CodePage second = code.page(next);
        code.add(crossing, first, code.stores(first), second, code.stores(second));
        for (long at : new long[] {page + 99, page + 105, next - 3, next + 3}) store(at);
        code.verify(page);
        code.verify(next);
        assertTrue(block.valid && crossing.valid);
        store(page + 104);
        assertFalse(block.valid || crossing.valid);
    }

    @Test
    void aStoreBesideABlockThatIsBeingDecodedLeavesItAlone() {
        CodePage first = code.page(page);
        int stores = code.stores(first);
        Block block = block(page + 100, 5), hit = block(page + 200, 5);
        for (int i = 0; i < 15; i++) store(page + 99);
        store(page + 200);
        code.add(block, first, stores, null, 0);
        code.add(hit, first, stores, null, 0);
        assertTrue(block.valid);
        assertFalse(hit.valid);
        store(page + 99);
        Block late = block(page + 300, 5);
        code.add(late, first, stores, null, 0);
        assertFalse(late.valid, "more stores than are remembered");
    }

    /** The store hits nothing yet: no other block is in that line. */
    @Test
    void aBlockWhosePageWasWrittenWhileItWasDecodedIsInvalid() {
        CodePage first = code.page(page);
        int stores = code.stores(first);
        Block block = block(page + 100, 5);
        store(page + 102);
        code.add(block, first, stores, null, 0);
        assertFalse(block.valid);
        assertNull(code.find(page + 100, MODE, null));
        Block again = block(page + 100, 5);
        code.add(again, first, code.stores(first), null, 0);
        assertTrue(again.valid);
        assertSame(again, code.find(page + 100, MODE, null));
    }

    /**
     * Another processor's store makes data of the page, and a third one runs it again: as often written as the page was
     * then, but not the same.
     */
    @Test
    void aBlockOfAPageThatWentAndCameBackWhileItWasDecodedIsInvalid() {
        CodePage first = code.page(page);
        Block there = block(page, 1);
        code.add(there, first, code.stores(first), null, 0);
        int stores = code.stores(first);
        Block block = block(page, 5);
        store(page);
        CodePage again = code.page(page);
        assertNotSame(first, again);
        assertEquals(stores, code.stores(again));
        code.add(block, first, stores, null, 0);
        assertFalse(block.valid);
        assertNull(code.find(page, MODE, null));
    }

    /** Until the first of them has taken all write tags away, others must not decode there either. */
    @Test
    void aPageThatComesBackIsNotSettledYet() {
        CodePage first = code.page(page);
        assertFalse(first.settled);
        first.settled = true;
        assertSame(first, code.page(page));
        code.add(block(page, 1), first, code.stores(first), null, 0);
        store(page);
        assertFalse(code.page(page).settled);
        code.page(page).settled = true;
        code.clear();
        assertFalse(code.page(page).settled);
    }

    /** It is in the first page by then, and must not be found there. */
    @Test
    void aBlockWhoseSecondPageChangesIsNotFoundInTheFirst() {
        CodePage first = code.page(page), second = code.page(next);
        int stores = code.stores(first), nextStores = code.stores(second);
        Block crossing = block(next - 2, 5);
        store(next + 1);
        code.add(crossing, first, stores, second, nextStores);
        assertFalse(crossing.valid);
        assertNull(code.find(next - 2, MODE, null));
    }

    @Test
    void aBlockWhoseSecondPageIsDroppedIsNotFoundInTheFirst() {
        CodePage first = code.page(page), second = code.page(next);
        Block there = block(next, 1);
        code.add(there, second, code.stores(second), null, 0);
        int stores = code.stores(first), nextStores = code.stores(second);
        Block crossing = block(next - 2, 5);
        store(next); // the page holds data from now on
        code.add(crossing, first, stores, second, nextStores);
        assertFalse(crossing.valid || there.valid);
        assertNull(code.find(next - 2, MODE, null));
    }

    /** Whatever became of pages and blocks, what they took is given back. */
    @Test
    void anEmptyCacheTakesNothing() {
        CodeCache small = new CodeCache(0, 0);
        CodePage first = small.page(page), second = small.page(next);
        small.add(block(next - 2, 5), first, 0, second, 0);
        small.add(block(page, 5), first, 0, null, 0);
        small.add(block(page + 64, 5), first, 7, null, 0); // written meanwhile
        assertTrue(small.full());
        small.written(next, 1);
        assertTrue(small.full());
        small.written(page, 1);
        assertFalse(small.full());
        CodePage again = small.page(page);
        small.add(block(page, 5), again, 0, null, 0);
        small.clear();
        assertFalse(small.full());
        assertEquals(0, small.pageCount());
    }
}
