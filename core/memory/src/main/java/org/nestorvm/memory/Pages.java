package org.nestorvm.memory;

import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.memory.sys.MemoryCalls;

/** The pages that a memory object consists of. */
public enum Pages {
    /** 4 KiB, allocated one by one. */
    SMALL(MemoryCalls.PAGE_BYTES, 0),
    /**
     * 4 KiB, with the advice to use huge ones; /sys/kernel/mm/transparent_hugepage/shmem_enabled must say advise,
     * within_size or always.
     */
    TRANSPARENT_HUGE(MemoryCalls.PAGE_BYTES, 0),
    /** 2 MiB of the host's reserved pool (vm.nr_hugepages). Mapping reserves them all, or fails with ENOMEM. */
    HUGE_2M(2L << 20, MemoryCalls.MFD_HUGETLB | MemoryCalls.MFD_HUGE_2MB),
    /** 1 GiB of the host's reserved pool. Mapping reserves them all, or fails with ENOMEM. */
    HUGE_1G(1L << 30, MemoryCalls.MFD_HUGETLB | MemoryCalls.MFD_HUGE_1GB);

    private final long bytes;
    private final int memfdFlags;

    Pages(long bytes, int memfdFlags) {
        this.bytes = bytes;
        this.memfdFlags = memfdFlags;
    }

    /** The unit in which memory is sized, allocated and given back. */
    public long bytes() {
        return bytes;
    }

    int memfdFlags() {
        return memfdFlags;
    }

    /** The pages of a memory file, or null if it has some of another size. */
    static Pages ofFile(FileStatus status) {
        if (status.fileSystem() != FileStatus.HUGETLBFS_MAGIC) return SMALL;
        if (status.blockBytes() == HUGE_2M.bytes) return HUGE_2M;
        return status.blockBytes() == HUGE_1G.bytes ? HUGE_1G : null;
    }
}
