package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;

import java.lang.foreign.Arena;

/**
 * Calls that take any descriptor: close(2), fcntl(2), ftruncate(2), fallocate(2), dup, read, write. Constants with the
 * names of the headers.
 *
 * <p>Buffers are absolute host addresses. The {@code try} forms answer with a negated errno and are meant for hot
 * paths.
 */
public final class Descriptors {
    public static final int F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_DUPFD_CLOEXEC = 1030;
    public static final int FD_CLOEXEC = 1;
    public static final int O_RDONLY = 0,
            O_WRONLY = 1,
            O_RDWR = 2,
            O_ACCMODE = 3,
            O_NONBLOCK = 0x800,
            O_CLOEXEC = 0x80000;
    public static final int F_ADD_SEALS = 1033, F_GET_SEALS = 1034;
    public static final int F_SEAL_SEAL = 0x1, F_SEAL_SHRINK = 0x2, F_SEAL_GROW = 0x4;
    public static final int F_SEAL_WRITE = 0x8, F_SEAL_FUTURE_WRITE = 0x10, F_SEAL_EXEC = 0x20;
    public static final int FALLOC_FL_KEEP_SIZE = 0x1, FALLOC_FL_PUNCH_HOLE = 0x2, FALLOC_FL_ZERO_RANGE = 0x10;
    public static final int SEEK_END = 2, SEEK_DATA = 3, SEEK_HOLE = 4;
    public static final int RWF_NOWAIT = 0x8;

    private static final LibcFunction OPEN = LibcFunction.variadic("open");
    private static final LibcFunction PIPE2 = LibcFunction.of("pipe2");
    private static final LibcFunction FCHMOD = LibcFunction.of("fchmod");
    private static final LibcFunction CLOSE = LibcFunction.of("close");
    private static final LibcFunction FCNTL = LibcFunction.variadic("fcntl");
    private static final LibcFunction FTRUNCATE = LibcFunction.of("ftruncate");
    private static final LibcFunction FALLOCATE = LibcFunction.of("fallocate");
    private static final LibcFunction LSEEK = LibcFunction.of("lseek");
    private static final LibcFunction FDATASYNC = LibcFunction.of("fdatasync");
    private static final LibcFunction READ = LibcFunction.of("read");
    private static final LibcFunction WRITE = LibcFunction.of("write");
    private static final LibcFunction PREAD = LibcFunction.of("pread");
    private static final LibcFunction PWRITE = LibcFunction.of("pwrite");
    private static final LibcFunction READV = LibcFunction.of("readv");
    private static final LibcFunction WRITEV = LibcFunction.of("writev");
    private static final LibcFunction PREADV = LibcFunction.of("preadv");
    private static final LibcFunction PREADV2 = LibcFunction.of("preadv2");
    private static final LibcFunction PWRITEV = LibcFunction.of("pwritev");

    private Descriptors() {}

    /** Opens a file or a device ({@code /dev/kvm}); never inherited by programs this process starts. */
    public static int open(String path, int flags) throws ErrnoException {
        FaultPoints.call("open", path);
        int result;
        try (Arena arena = Arena.ofConfined()) {
            result = OPEN.tryInt(Libc.string(arena, path), flags | O_CLOEXEC, 0);
        }
        return Libc.check("open", path, result);
    }

    /** @return the read end, then the write end; neither is inherited */
    public static int[] pipe(Object object) throws ErrnoException {
        FaultPoints.call("pipe2", object);
        CallState state = CallState.get();
        Libc.check("pipe2", object, PIPE2.tryInt(state.value.address(), O_CLOEXEC));
        return new int[] {state.value.get(INT, 0), state.value.get(INT, Integer.BYTES)};
    }

    public static void fchmod(Object object, int descriptor, int mode) throws ErrnoException {
        FaultPoints.call("fchmod", object);
        Libc.check("fchmod", object, FCHMOD.tryInt(descriptor, mode));
    }

    /**
     * Gives a descriptor back. Linux frees the number whatever close(2) answers, so an input/output error is no concern
     * of the caller.
     *
     * @throws IllegalStateException when it is not open: then somebody closes twice, and the second time could have hit
     *     a stranger's
     */
    public static void close(int descriptor) {
        int result = CLOSE.tryInt(descriptor);
        if (result == -Errno.EBADF)
            throw new IllegalStateException("closed twice, or never open: descriptor=" + descriptor);
    }

    public static int fcntl(Object object, int descriptor, int command, long argument) throws ErrnoException {
        FaultPoints.call("fcntl", object);
        return Libc.check("fcntl", object, tryFcntl(descriptor, command, argument));
    }

    static int tryFcntl(int descriptor, int command, long argument) {
        return FCNTL.tryInt(descriptor, command, argument);
    }

    /** A second descriptor of the same open file, not inherited by programs this process starts. */
    public static int duplicate(Object object, int descriptor) throws ErrnoException {
        return fcntl(object, descriptor, F_DUPFD_CLOEXEC, 0);
    }

    public static void nonBlocking(Object object, int descriptor, boolean on) throws ErrnoException {
        int flags = fcntl(object, descriptor, F_GETFL, 0);
        fcntl(object, descriptor, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
    }

    public static void ftruncate(Object object, int descriptor, long sizeBytes) throws ErrnoException {
        FaultPoints.call("ftruncate", object);
        Libc.check("ftruncate", object, FTRUNCATE.tryInt(descriptor, sizeBytes));
    }

    public static void fallocate(Object object, int descriptor, int mode, long offset, long sizeBytes)
            throws ErrnoException {
        FaultPoints.call("fallocate", object);
        Libc.check("fallocate", object, tryFallocate(descriptor, mode, offset, sizeBytes));
    }

    /** @return 0 or a negated errno */
    public static int tryFallocate(int descriptor, int mode, long offset, long sizeBytes) {
        return FALLOCATE.tryInt(descriptor, mode, offset, sizeBytes);
    }

    public static void fdatasync(Object object, int descriptor) throws ErrnoException {
        Libc.check("fdatasync", object, FDATASYNC.tryInt(descriptor));
    }

    /** @return where that is, counted from the start, or a negated errno: -{@link Errno#ENXIO} when no data follows */
    public static long tryLseek(int descriptor, long offset, int whence) {
        return LSEEK.tryLong(descriptor, offset, whence);
    }

    /** @return bytes read, 0 at the end, or a negated errno */
    public static long tryRead(int descriptor, long bufferAddress, long sizeBytes) {
        return READ.tryLong(descriptor, bufferAddress, sizeBytes);
    }

    /** @return bytes written or a negated errno */
    public static long tryWrite(int descriptor, long bufferAddress, long sizeBytes) {
        return WRITE.tryLong(descriptor, bufferAddress, sizeBytes);
    }

    /** @return bytes read, 0 at the end, or a negated errno */
    public static long tryPread(int descriptor, long bufferAddress, long sizeBytes, long offset) {
        return PREAD.tryLong(descriptor, bufferAddress, sizeBytes, offset);
    }

    /** @return bytes written or a negated errno */
    public static long tryPwrite(int descriptor, long bufferAddress, long sizeBytes, long offset) {
        return PWRITE.tryLong(descriptor, bufferAddress, sizeBytes, offset);
    }

    /**
     * Reads into {@code count} buffers: an array of struct iovec (address, size; 8 bytes each) at
     * {@code vectorAddress}. At most 1024.
     */
    public static long tryPreadv(int descriptor, long vectorAddress, int count, long offset) {
        return PREADV.tryLong(descriptor, vectorAddress, count, offset);
    }

    /**
     * {@link #tryPreadv} with flags of preadv2(2).
     *
     * @param flags {@link #RWF_NOWAIT}: only what is in memory. -{@link Errno#EAGAIN} when not even the first byte is,
     *     -{@link Errno#EOPNOTSUPP} where the file system cannot say
     */
    public static long tryPreadv2(int descriptor, long vectorAddress, int count, long offset, int flags) {
        return PREADV2.tryLong(descriptor, vectorAddress, count, offset, flags);
    }

    /** Writes from {@code count} buffers; see {@link #tryPreadv}. */
    public static long tryPwritev(int descriptor, long vectorAddress, int count, long offset) {
        return PWRITEV.tryLong(descriptor, vectorAddress, count, offset);
    }

    /** {@link #tryPreadv} for sockets, pipes and other files without positions. */
    public static long tryReadv(int descriptor, long vectorAddress, int count) {
        return READV.tryLong(descriptor, vectorAddress, count);
    }

    /** {@link #tryPwritev} for sockets, pipes and other files without positions. */
    public static long tryWritev(int descriptor, long vectorAddress, int count) {
        return WRITEV.tryLong(descriptor, vectorAddress, count);
    }

    /** read(2), again when a signal interrupts it. @return bytes read, 0 at the end */
    public static long read(Object object, int descriptor, long bufferAddress, long sizeBytes) throws ErrnoException {
        long result;
        do {
            result = tryRead(descriptor, bufferAddress, sizeBytes);
        } while (result == -Errno.EINTR);
        return Libc.check("read", object, result);
    }

    /** write(2), again when a signal interrupts it. @return bytes written, possibly fewer than asked */
    public static long write(Object object, int descriptor, long bufferAddress, long sizeBytes) throws ErrnoException {
        long result;
        do {
            result = tryWrite(descriptor, bufferAddress, sizeBytes);
        } while (result == -Errno.EINTR);
        return Libc.check("write", object, result);
    }
}
