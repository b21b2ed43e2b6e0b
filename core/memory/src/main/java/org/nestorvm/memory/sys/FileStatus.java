package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * What statx(2) and fstatfs(2) tell about a descriptor.
 *
 * @param mode file type and permissions, st_mode
 * @param sizeBytes length of the file
 * @param allocatedBytes memory or disk that the file holds now, st_blocks in bytes
 * @param fileSystem magic number of its file system, f_type
 * @param blockBytes unit of that file system, f_bsize: for hugetlbfs the size of a page
 */
public record FileStatus(
        int mode, long sizeBytes, long allocatedBytes, long device, long inode, long fileSystem, long blockBytes) {
    public static final long TMPFS_MAGIC = 0x01021994L, HUGETLBFS_MAGIC = 0x958458f6L;
    public static final int S_IFMT = 0xf000, S_IFREG = 0x8000, S_IFBLK = 0x6000, S_IFSOCK = 0xc000, S_IFIFO = 0x1000;
    private static final int AT_EMPTY_PATH = 0x1000, STATX_BASIC_STATS = 0x7ff;
    // struct statx is the same on every architecture, struct stat is not.
    private static final int STATX_BYTES = 256, STX_MODE = 0x1c, STX_INO = 0x20, STX_SIZE = 0x28, STX_BLOCKS = 0x30;
    private static final int STX_DEV_MAJOR = 0x88, STX_DEV_MINOR = 0x8c;
    private static final int STATFS_BYTES = 120, F_TYPE = 0, F_BSIZE = 8;
    private static final int STX_BLOCK_UNIT = 512;

    private static final LibcFunction STATX = LibcFunction.of("statx");
    private static final LibcFunction FSTATFS = LibcFunction.of("fstatfs");

    public static FileStatus of(Object object, int descriptor) throws ErrnoException {
        FaultPoints.call("statx", object);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment file = statx(arena, object, descriptor);
            MemorySegment system = fstatfs(arena, object, descriptor);
            long device =
                    (long) file.get(INT, STX_DEV_MAJOR) << 32 | Integer.toUnsignedLong(file.get(INT, STX_DEV_MINOR));
            return new FileStatus(
                    file.get(Libc.SHORT, STX_MODE) & 0xffff,
                    file.get(LONG, STX_SIZE),
                    file.get(LONG, STX_BLOCKS) * STX_BLOCK_UNIT,
                    device,
                    file.get(LONG, STX_INO),
                    system.get(LONG, F_TYPE),
                    system.get(LONG, F_BSIZE));
        }
    }

    private static MemorySegment statx(Arena arena, Object object, int descriptor) throws ErrnoException {
        MemorySegment buffer = arena.allocate(STATX_BYTES, Long.BYTES);
        long empty = Libc.string(arena, "");
        Libc.check(
                "statx", object, STATX.tryInt(descriptor, empty, AT_EMPTY_PATH, STATX_BASIC_STATS, buffer.address()));
        return buffer;
    }

    private static MemorySegment fstatfs(Arena arena, Object object, int descriptor) throws ErrnoException {
        MemorySegment buffer = arena.allocate(STATFS_BYTES, Long.BYTES);
        Libc.check("fstatfs", object, FSTATFS.tryInt(descriptor, buffer.address()));
        return buffer;
    }

    public boolean isMemoryFile() {
        return (mode & S_IFMT) == S_IFREG && (fileSystem == TMPFS_MAGIC || fileSystem == HUGETLBFS_MAGIC);
    }
}
