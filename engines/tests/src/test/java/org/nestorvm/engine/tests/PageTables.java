package org.nestorvm.engine.tests;

import org.nestorvm.vmm.GuestMemory;

/** Guest page tables of each kind (SDM vol. 3A, chapter 4), built where {@link Layout#PAGE_TABLES} says. */
public final class PageTables {
    public static final long P = 1,
            W = 2,
            U = 4,
            PWT = 8,
            PCD = 0x10,
            A = 0x20,
            D = 0x40,
            PS = 0x80,
            G = 0x100,
            NX = 1L << 63;
    private static final long ADDRESS = 0x000f_ffff_ffff_f000L;

    public enum Kind {
        BITS32(2, 10, 4),
        PAE(3, 9, 8),
        LONG(4, 9, 8);
        final int levels, indexBits, entryBytes;

        Kind(int levels, int indexBits, int entryBytes) {
            this.levels = levels;
            this.indexBits = indexBits;
            this.entryBytes = entryBytes;
        }
    }

    private final GuestMemory memory;
    private final Kind kind;
    private final long root;
    private long next;

    public static PageTables at(GuestMemory memory, Kind kind, long gpa) {
        return new PageTables(memory, kind, gpa);
    }

    PageTables(GuestMemory memory, Kind kind, long at) {
        this.memory = memory;
        this.kind = kind;
        root = at;
        next = at + 0x1000;
    }

    /** What CR3 holds. */
    public long root() {
        return root;
    }

    /**
     * Maps {@code bytes} bytes with pages of {@code 1 << pageShift} bytes: 12, 21 (PAE, long), 22 (32-bit) or 30.
     * Tables above allow everything, unless {@link #set} changes them.
     */
    public PageTables map(long gva, long gpa, long bytes, int pageShift, long flags) {
        for (long at = 0; at < bytes; at += 1L << pageShift) {
            int level = levelOf(pageShift);
            long entry = entryAddress(gva + at, level);
            put(entry, gpa + at | flags | (level > 1 ? PS : 0));
        }
        return this;
    }

    public PageTables map(long gva, long gpa, long flags) {
        return map(gva, gpa, 0x1000, 12, flags);
    }

    private int levelOf(int pageShift) {
        for (int level = 1; level <= kind.levels; level++) if (shift(level) == pageShift) return level;
        throw new IllegalArgumentException("no pages of 1 << " + pageShift + " here");
    }

    private int shift(int level) {
        return 12 + kind.indexBits * (level - 1);
    }

    /** Where the entry of that level for {@code gva} stands: 1 is the page table's. Makes the tables above it. */
    public long entryAddress(long gva, int level) {
        long table = root;
        for (int l = kind.levels; ; l--) {
            long index = gva >>> shift(l) & (1L << kind.indexBits) - 1;
            if (kind == Kind.PAE && l == 3) index &= 3;
            long at = table + index * kind.entryBytes;
            if (l == level) return at;
            long entry = get(at);
            if ((entry & P) == 0) {
                if (next >= Layout.PAGE_TABLES_END) throw new IllegalStateException("no room for page tables");
                entry = next | (kind == Kind.PAE && l == 3 ? P : P | W | U);
                next += 0x1000;
                put(at, entry);
            }
            table = entry & ADDRESS;
        }
    }

    public long get(long entryAddress) {
        return kind.entryBytes == 4 ? memory.getInt(entryAddress) & 0xffffffffL : memory.getLong(entryAddress);
    }

    public long get(long gva, int level) {
        return get(entryAddress(gva, level));
    }

    public void put(long entryAddress, long value) {
        if (kind.entryBytes == 4) memory.putInt(entryAddress, (int) value);
        else memory.putLong(entryAddress, value);
    }

    /** Changes the entry of that level for {@code gva}. */
    public PageTables set(long gva, int level, long value) {
        put(entryAddress(gva, level), value);
        return this;
    }
}
