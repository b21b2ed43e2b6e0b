package org.nestorvm.boot;

/**
 * Four-level tables that map the first 4 GiB onto themselves in pages of 2 MiB: PML4, PDPT and four page directories,
 * six pages.
 */
final class PageTables {
    private static final int PRESENT_WRITE = 3, LARGE = 1 << 7, PAGE = 0x1000, DIRECTORIES = 4;

    static byte[] identity(long gpa) {
        Bytes tables = new Bytes();
        tables.u64(gpa + PAGE | PRESENT_WRITE).align(PAGE);
        for (int i = 0; i < DIRECTORIES; i++) tables.u64(gpa + (2L + i) * PAGE | PRESENT_WRITE);
        tables.align(PAGE);
        for (long page = 0; page < DIRECTORIES * 512L; page++) tables.u64(page << 21 | LARGE | PRESENT_WRITE);
        return tables.toArray();
    }

    private PageTables() {}
}
