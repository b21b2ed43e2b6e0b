package org.nestorvm.engine.soft.state;

/**
 * The half of memory accesses that {@link Cpu} does not do itself: misses of the TLB, accesses that cross a page,
 * devices, the processor's own accesses to its tables, and the TLB's flushes. Addresses are linear; all accesses fault
 * as the processor does, with {@link GuestFault}.
 */
public interface SlowMemory {
    /** @return {@code size} bytes (1, 2, 4, 8), zero-extended */
    long loadSlow(long linear, int size);

    void storeSlow(long linear, int size, long value);

    /** Faults as a read of {@code size} bytes would. */
    void probeRead(long linear, int size);

    /** Faults as a write of {@code size} bytes would. */
    void probeWrite(long linear, int size);

    /** The host address of {@code size} bytes that are memory in one page; 0 when they are something else. */
    long hostForRead(long linear, int size);

    /**
     * The host address of {@code size} bytes that are memory in one page without code; 0 when they are something else.
     */
    long hostForWrite(long linear, int size);

    /** Reads a descriptor table or a TSS: always as a supervisor, and subject to SMAP whatever AC is. */
    long systemLoad(long linear, int size);

    void systemStore(long linear, int size, long value);

    /** @return what the port gives, {@code size} bytes (1, 2, 4) */
    int portRead(int port, int size);

    void portWrite(int port, int size, int value);

    /** Chooses the tags for the present privilege: after a change of CPL, CR0, CR4, RFLAGS.AC, DR7. */
    void selectTags();

    void flushAll();

    /** What MOV to CR3 does: global pages stay when CR4.PGE is set. */
    void flushNonGlobal();

    /** INVLPG: the page that holds {@code linear}, of whatever size it is. */
    void flushPage(long linear);

    /** Loads the four PDPTEs of PAE paging (SDM vol. 3A, 4.4.1); a reserved bit in one that is present is #GP. */
    void loadPdptes(long cr3);

    /** The same when a state is loaded from outside: bad entries are not present. */
    void loadPdptesQuietly(long cr3);
}
