package org.nestorvm.engine.soft.run;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.nestorvm.engine.soft.mmu.CodeWatch;

/**
 * The decoded code of one machine, by host page; shared by its processors. A page with code has no write tag in any
 * processor's TLB, so a store to it comes here and the blocks that it hits become invalid; bytes of the page that no
 * block covers are written without loss. Stores by devices of this process come here too
 * ({@code SoftVm.memoryWritten}). Those of devices in processes of their own are not seen: a page's bytes are compared
 * with the ones that were decoded whenever a processor loads its translation for execution anew.
 */
public final class CodeCache implements CodeWatch {
    private final ConcurrentHashMap<Long, CodePage> pages = new ConcurrentHashMap<>();
    private final long limitBytes, compiledLimitBytes;
    private final LongAdder bytes = new LongAdder(), compiledBytes = new LongAdder(), givenUp = new LongAdder();
    private volatile int generation;

    /**
     * @param limitBytes of the Java heap, for decoded blocks
     * @param compiledLimitBytes outside of it, for the classes made of hot blocks and for what HotSpot makes of them
     */
    public CodeCache(long limitBytes, long compiledLimitBytes) {
        this.limitBytes = limitBytes;
        this.compiledLimitBytes = compiledLimitBytes;
    }

    /** The page's number: the map would put neighbours into one bucket if it were asked by their addresses. */
    private static Long key(long host) {
        return host >>> 12;
    }

    /**
     * A guest that jumps to every byte of its memory has more code than the host has heap: then the caller has
     * everything forgotten.
     */
    boolean full() {
        return bytes.sum() > limitBytes;
    }

    /** Counts up with every {@link #clear}: what processors remember for themselves must go too. */
    public int generation() {
        return generation;
    }

    /**
     * Does this page hold code? Called when a write tag is about to be set; a processor that adds the first code of a
     * page takes away the tags afterwards.
     */
    @Override
    public boolean hasCode(long hostPage) {
        return pages.containsKey(key(hostPage));
    }

    /**
     * A block of the owner's: if only another processor has decoded it, a copy is made. One that crosses pages is not
     * copied, since the copy would have to appear in both at once.
     */
    Block find(long host, int mode, Interpreter owner) {
        CodePage page = pages.get(key(host));
        if (page == null) return null;
        synchronized (page) {
            Block found = page.find(host, mode, owner);
            if (found == null || found.owner == owner) return found;
            if (found.nextHostPage != 0) return null;
            Block copy = new Block(owner, found);
            file(page, copy, (int) (host & 0xfff), (int) (host & 0xfff) + copy.length);
            return copy;
        }
    }

    /**
     * The page's place here, from now on if it had none. Unless it is {@link CodePage#settled} the caller sees to it
     * that no processor keeps a write tag for it, and says so, before decoding.
     */
    CodePage page(long hostPage) {
        CodePage page = pages.get(key(hostPage));
        if (page != null) return page;
        CodePage fresh = new CodePage(hostPage);
        page = pages.putIfAbsent(key(hostPage), fresh);
        if (page != null) return page;
        bytes.add(CodePage.EMPTY_BYTES);
        return fresh;
    }

    /** How often the page was written since it has code: asked before it is decoded, for {@link #add}. */
    int stores(CodePage page) {
        synchronized (page) {
            return page.stores;
        }
    }

    /**
     * Files a block under the page of its first byte and, when it crosses, under the next as well. One whose bytes were
     * written while it was decoded may be of the old ones, and is invalid at once.
     *
     * @param stores what {@link #stores} said of its page
     * @param next the page that it goes on in, or null
     * @param nextStores and what it said of that
     */
    void add(Block block, CodePage page, int stores, CodePage next, int nextStores) {
        int from = (int) (block.host & 0xfff);
        int to = from + block.length;
        add(page, block, from, Math.min(to, 4096), stores);
        if (next != null) add(next, block, 0, to - 4096, nextStores);
    }

    private void add(CodePage page, Block block, int from, int to, int stores) {
        synchronized (page) {
            if (page.dropped || page.written(stores, from, to)) block.invalidate();
            else file(page, block, from, to);
        }
    }

    private void file(CodePage page, Block block, int from, int to) {
        page.add(block, from, to);
        bytes.add(block.heapBytes());
    }

    /**
     * A store of a processor's or a device's, already done. @return true when code was hit: the running block must end
     * with this instruction
     */
    @Override
    public boolean written(long host, int size) {
        CodePage page = pages.get(key(host));
        if (page == null) return false;
        synchronized (page) {
            page.noteStore((int) (host & 0xfff), size);
            if (page.misses((int) (host & 0xfff), size)) return false;
            page.invalidate(this);
            drop(page); // data from now on, until somebody runs it again
            return true;
        }
    }

    /** Drops the page's blocks if its bytes are not the decoded ones any more. */
    @Override
    public void verify(long hostPage) {
        CodePage page = pages.get(key(hostPage));
        if (page == null) return;
        synchronized (page) {
            if (page.unchanged()) return;
            page.noteStore(0, 4096);
            page.invalidate(this);
        }
    }

    private void drop(CodePage page) {
        page.dropped = true;
        if (pages.remove(key(page.hostPage), page)) bytes.add(-CodePage.EMPTY_BYTES);
    }

    /** A page has dropped a block, under its lock. */
    void dropped(Block block) {
        bytes.add(-block.heapBytes());
        coolDown(block);
    }

    // ---- classes of hot blocks ----

    /**
     * Makes a class of a block that lies in one page. A guest can have any number of hot blocks, and neither HotSpot's
     * code cache nor its metaspace has room for all: then every compiled block of the machine starts again as a cold
     * one. The host unloads the classes when it runs short of room.
     */
    void compile(Block block) {
        CodePage page = pages.get(key(block.host));
        if (page == null) return;
        if (compiledBytes.sum() + block.compiledBytes() > compiledLimitBytes) coolDown();
        CompiledBlock compiled;
        synchronized (page) {
            compiled = page.compiledTwin(block);
        }
        try {
            if (compiled == null) compiled = BlockCompiler.compile(block);
        } catch (OutOfMemoryError e) {
            coolDown();
            block.heat = 0; // interpreted it goes on, and may be tried again
            return;
        }
        synchronized (page) {
            if (!block.valid || block.compiled != null) return;
            block.compiled = compiled;
            compiledBytes.add(block.compiledBytes());
        }
    }

    private void coolDown() {
        for (CodePage page : pages.values()) {
            synchronized (page) {
                page.forEach(this::coolDown);
            }
        }
        givenUp.increment();
    }

    private void coolDown(Block block) {
        if (block.compiled == null) return;
        block.compiled = null;
        block.heat = 0;
        compiledBytes.add(-block.compiledBytes());
    }

    /** What the classes there are take, in about. */
    public long compiledBytes() {
        return compiledBytes.sum();
    }

    /** How often the classes had outgrown their room. */
    public long givenUp() {
        return givenUp.sum();
    }

    int pageCount() {
        return pages.size();
    }

    /** Forgets everything. Processors that run go on to the end of their block. */
    public void clear() {
        for (CodePage page : pages.values()) {
            synchronized (page) {
                page.invalidate(this);
                drop(page);
            }
        }
        generation++;
    }
}
