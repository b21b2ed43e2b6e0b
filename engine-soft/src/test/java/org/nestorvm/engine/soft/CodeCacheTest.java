package org.nestorvm.engine.soft;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.HostMemory;

/** What happens between the first look at a block's bytes and its place in the cache, which another processor may do at any moment. */
class CodeCacheTest {
    private static final int MODE = 3;

    private final Arena arena = Arena.ofConfined();
    private final long page = arena.allocate(2 * 4096, 4096).address(), next = page + 4096;
    private final CodeCache code = new CodeCache(1 << 20, 1 << 20);

    @AfterEach void free() {
        arena.close();
    }

    private Block block(long host, int length) {
        return new Block(null, new Op[0], host, host + length > next && host < next ? next : 0, MODE, length, false, 1);
    }

    private void store(long host) {
        HostMemory.putByte(host, (byte) 0x90);
        code.written(host, 1);
    }

    @Test void aBlockIsFoundUntilItsBytesAreWritten() {
        code.register(page);
        Block block = block(page + 100, 5);
        code.add(block, code.stores(page), 0);
        assertSame(block, code.find(page + 100, MODE, null));
        store(page + 2000);
        assertSame(block, code.find(page + 100, MODE, null), "another line");
        store(page + 102);
        assertFalse(block.valid);
        assertNull(code.find(page + 100, MODE, null));
    }

    /** The store hits nothing yet: no other block is in that line. */
    @Test void aBlockWhosePageWasWrittenWhileItWasDecodedIsInvalid() {
        code.register(page);
        int stores = code.stores(page);
        Block block = block(page + 100, 5);
        store(page + 102);
        code.add(block, stores, 0);
        assertFalse(block.valid);
        assertNull(code.find(page + 100, MODE, null));
        Block again = block(page + 100, 5);
        code.add(again, code.stores(page), 0);
        assertTrue(again.valid);
        assertSame(again, code.find(page + 100, MODE, null));
    }

    /** It is in the first page by then, and must not be found there. */
    @Test void aBlockWhoseSecondPageChangesIsNotFoundInTheFirst() {
        code.register(page);
        code.register(next);
        int stores = code.stores(page), nextStores = code.stores(next);
        Block crossing = block(next - 2, 5);
        store(next + 1);
        code.add(crossing, stores, nextStores);
        assertFalse(crossing.valid);
        assertNull(code.find(next - 2, MODE, null));
    }

    @Test void aBlockWhoseSecondPageIsDroppedIsNotFoundInTheFirst() {
        code.register(page);
        code.register(next);
        Block there = block(next, 1);
        code.add(there, code.stores(next), 0);
        int stores = code.stores(page), nextStores = code.stores(next);
        Block crossing = block(next - 2, 5);
        store(next);                                                  // the page holds data from now on
        code.add(crossing, stores, nextStores);
        assertFalse(crossing.valid || there.valid);
        assertNull(code.find(next - 2, MODE, null));
    }
}
