package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;

/**
 * Memory files and mappings: memfd_create(2), mmap(2), madvise(2), mseal(2) and their like. Constants with the names of
 * the headers.
 */
public final class MemoryCalls {
    public static final int MFD_CLOEXEC = 0x1, MFD_ALLOW_SEALING = 0x2, MFD_HUGETLB = 0x4, MFD_NOEXEC_SEAL = 0x8;
    public static final int MFD_HUGE_2MB = 21 << 26, MFD_HUGE_1GB = 30 << 26;
    /** Longest name that memfd_create takes, in bytes. */
    public static final int MFD_NAME_MAX = 249;

    public static final int PROT_NONE = 0x0, PROT_READ = 0x1, PROT_WRITE = 0x2, PROT_EXEC = 0x4;
    public static final int MAP_SHARED = 0x01,
            MAP_PRIVATE = 0x02,
            MAP_FIXED = 0x10,
            MAP_ANONYMOUS = 0x20,
            MAP_NORESERVE = 0x4000;
    public static final int MADV_RANDOM = 1,
            MADV_DONTNEED = 4,
            MADV_REMOVE = 9,
            MADV_DONTFORK = 10,
            MADV_HUGEPAGE = 14,
            MADV_DONTDUMP = 16;
    public static final int MADV_POPULATE_READ = 22, MADV_POPULATE_WRITE = 23;

    /** The same number on every architecture; glibc has a wrapper only since 2.41. */
    private static final long SYS_MSEAL = 462;

    private static final int SC_PAGESIZE = 30;

    private static final LibcFunction MEMFD_CREATE = LibcFunction.of("memfd_create");
    private static final LibcFunction MMAP = LibcFunction.of("mmap");
    private static final LibcFunction MUNMAP = LibcFunction.of("munmap");
    private static final LibcFunction MPROTECT = LibcFunction.of("mprotect");
    private static final LibcFunction MADVISE = LibcFunction.of("madvise");
    private static final LibcFunction MINCORE = LibcFunction.of("mincore");
    private static final LibcFunction MLOCK = LibcFunction.of("mlock");
    private static final LibcFunction MUNLOCK = LibcFunction.of("munlock");
    private static final LibcFunction SYSCONF = LibcFunction.of("sysconf");

    /** Bytes of the host's smallest page: 4096 on x86-64. */
    public static final int PAGE_BYTES = (int) sysconf(SC_PAGESIZE);

    private MemoryCalls() {}

    /** @return the descriptor of a new memory file of size 0 */
    public static int memfdCreate(String name, int flags) throws ErrnoException {
        FaultPoints.call("memfd_create", quoted(name));
        return Libc.check("memfd_create", quoted(name), tryMemfdCreate(name, flags));
    }

    static int tryMemfdCreate(String name, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            return MEMFD_CREATE.tryInt(Libc.string(arena, name), flags);
        }
    }

    private static Object quoted(String name) {
        return new Object() {
            @Override
            public String toString() {
                return '"' + name + '"';
            }
        };
    }

    /** Maps where the kernel chooses. @return the host address */
    public static long mmap(Object object, long sizeBytes, int protection, int flags, int descriptor, long offset)
            throws ErrnoException {
        FaultPoints.call("mmap", object);
        return Libc.check("mmap", object, tryMmap(0, sizeBytes, protection, flags, descriptor, offset));
    }

    /**
     * mmap with an address, for {@link #MAP_FIXED}. @return the host address or a negated errno; addresses of processes
     * are positive
     */
    public static long tryMmap(
            long hostAddress, long sizeBytes, int protection, int flags, int descriptor, long offset) {
        return MMAP.tryLong(hostAddress, sizeBytes, protection, flags, descriptor, offset);
    }

    public static void munmap(Object object, long hostAddress, long sizeBytes) throws ErrnoException {
        Libc.check("munmap", object, tryMunmap(hostAddress, sizeBytes));
    }

    /** @return 0 or a negated errno */
    public static int tryMunmap(long hostAddress, long sizeBytes) {
        return MUNMAP.tryInt(hostAddress, sizeBytes);
    }

    public static void mprotect(Object object, long hostAddress, long sizeBytes, int protection) throws ErrnoException {
        FaultPoints.call("mprotect", object);
        Libc.check("mprotect", object, MPROTECT.tryInt(hostAddress, sizeBytes, protection));
    }

    public static void madvise(Object object, long hostAddress, long sizeBytes, int advice) throws ErrnoException {
        FaultPoints.call("madvise", object);
        Libc.check("madvise", object, tryMadvise(hostAddress, sizeBytes, advice));
    }

    /** madvise without exception or fault point, for hot paths. @return 0 or a negated errno */
    public static int tryMadvise(long hostAddress, long sizeBytes, int advice) {
        return MADVISE.tryInt(hostAddress, sizeBytes, advice);
    }

    /**
     * Makes a range immutable until the process ends: no munmap, mremap, mprotect, nor a mapping over it. mseal(2),
     * Linux 6.10.
     */
    public static void mseal(Object object, long hostAddress, long sizeBytes) throws ErrnoException {
        FaultPoints.call("mseal", object);
        Libc.check("mseal", object, tryMseal(hostAddress, sizeBytes));
    }

    static long tryMseal(long hostAddress, long sizeBytes) {
        return SystemCall.call(SYS_MSEAL, hostAddress, sizeBytes, 0);
    }

    /**
     * Bit 0 of the byte at {@code vectorAddress + n} tells whether page n of the range is resident in the page cache.
     */
    public static void mincore(Object object, long hostAddress, long sizeBytes, long vectorAddress)
            throws ErrnoException {
        Libc.check("mincore", object, MINCORE.tryInt(hostAddress, sizeBytes, vectorAddress));
    }

    public static void mlock(Object object, long hostAddress, long sizeBytes) throws ErrnoException {
        FaultPoints.call("mlock", object);
        Libc.check("mlock", object, MLOCK.tryInt(hostAddress, sizeBytes));
    }

    public static void munlock(Object object, long hostAddress, long sizeBytes) throws ErrnoException {
        Libc.check("munlock", object, MUNLOCK.tryInt(hostAddress, sizeBytes));
    }

    private static long sysconf(int name) {
        return SYSCONF.plain(name);
    }
}
