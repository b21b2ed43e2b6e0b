package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandle;

/**
 * Calls that take any descriptor: close(2), fcntl(2), ftruncate(2), fallocate(2), dup, read, write. Constants with the names of the headers.
 *
 * <p>Buffers are absolute host addresses. The {@code try} forms answer with a negated errno and are meant for hot paths.
 */
public final class Descriptors {
    public static final int F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_DUPFD_CLOEXEC = 1030;
    public static final int FD_CLOEXEC = 1;
    public static final int O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_ACCMODE = 3, O_NONBLOCK = 0x800, O_CLOEXEC = 0x80000;

    public static final int F_ADD_SEALS = 1033, F_GET_SEALS = 1034;
    public static final int F_SEAL_SEAL = 0x1, F_SEAL_SHRINK = 0x2, F_SEAL_GROW = 0x4;
    public static final int F_SEAL_WRITE = 0x8, F_SEAL_FUTURE_WRITE = 0x10, F_SEAL_EXEC = 0x20;

    public static final int FALLOC_FL_KEEP_SIZE = 0x1, FALLOC_FL_PUNCH_HOLE = 0x2, FALLOC_FL_ZERO_RANGE = 0x10;
    public static final int SEEK_END = 2, SEEK_DATA = 3, SEEK_HOLE = 4;

    private static final MethodHandle OPEN = Libc.bindVariadic("open", 2, INT, LONG, INT, INT);
    private static final MethodHandle PIPE2 = Libc.bind("pipe2", INT, LONG, INT);
    private static final MethodHandle FCHMOD = Libc.bind("fchmod", INT, INT, INT);
    private static final MethodHandle CLOSE = Libc.bind("close", INT, INT);
    private static final MethodHandle FCNTL = Libc.bindVariadic("fcntl", 2, INT, INT, INT, LONG);
    private static final MethodHandle FTRUNCATE = Libc.bind("ftruncate", INT, INT, LONG);
    private static final MethodHandle FALLOCATE = Libc.bind("fallocate", INT, INT, INT, LONG, LONG);
    private static final MethodHandle LSEEK = Libc.bind("lseek", LONG, INT, LONG, INT);
    private static final MethodHandle FDATASYNC = Libc.bind("fdatasync", INT, INT);
    private static final MethodHandle READ = Libc.bind("read", LONG, INT, LONG, LONG);
    private static final MethodHandle WRITE = Libc.bind("write", LONG, INT, LONG, LONG);
    private static final MethodHandle PREAD = Libc.bind("pread", LONG, INT, LONG, LONG, LONG);
    private static final MethodHandle PWRITE = Libc.bind("pwrite", LONG, INT, LONG, LONG, LONG);
    private static final MethodHandle READV = Libc.bind("readv", LONG, INT, LONG, INT);
    private static final MethodHandle WRITEV = Libc.bind("writev", LONG, INT, LONG, INT);
    private static final MethodHandle PREADV = Libc.bind("preadv", LONG, INT, LONG, INT, LONG);
    private static final MethodHandle PWRITEV = Libc.bind("pwritev", LONG, INT, LONG, INT, LONG);

    private Descriptors() {
    }

    /** Opens a file or a device ({@code /dev/kvm}); never inherited by programs this process starts. */
    public static int open(String path, int flags) throws ErrnoException {
        FaultPoints.call("open", path);
        CallState state = CallState.get();
        int result;
        try (Arena arena = Arena.ofConfined()) {
            result = state.result((int) OPEN.invokeExact(state.errno, Libc.string(arena, path), flags | O_CLOEXEC, 0));
        } catch (Throwable t) {
            throw Libc.broken("open", t);
        }
        return Libc.check("open", path, result);
    }

    /** @return the read end, then the write end; neither is inherited */
    public static int[] pipe(Object object) throws ErrnoException {
        FaultPoints.call("pipe2", object);
        CallState state = CallState.get();
        int result;
        try {
            result = state.result((int) PIPE2.invokeExact(state.errno, state.value.address(), O_CLOEXEC));
        } catch (Throwable t) {
            throw Libc.broken("pipe2", t);
        }
        Libc.check("pipe2", object, result);
        return new int[] {state.value.get(INT, 0), state.value.get(INT, Integer.BYTES)};
    }

    public static void fchmod(Object object, int descriptor, int mode) throws ErrnoException {
        FaultPoints.call("fchmod", object);
        CallState state = CallState.get();
        int result;
        try {
            result = state.result((int) FCHMOD.invokeExact(state.errno, descriptor, mode));
        } catch (Throwable t) {
            throw Libc.broken("fchmod", t);
        }
        Libc.check("fchmod", object, result);
    }

    /**
     * Gives a descriptor back. Linux frees the number whatever close(2) answers, so an input/output error is no concern of the caller.
     *
     * @throws IllegalStateException when it is not open: then somebody closes twice, and the second time could have hit a stranger's
     */
    public static void close(int descriptor) {
        CallState state = CallState.get();
        int result;
        try {
            result = state.result((int) CLOSE.invokeExact(state.errno, descriptor));
        } catch (Throwable t) {
            throw Libc.broken("close", t);
        }
        if (result == -Errno.EBADF) throw new IllegalStateException("closed twice, or never open: descriptor=" + descriptor);
    }

    public static int fcntl(Object object, int descriptor, int command, long argument) throws ErrnoException {
        FaultPoints.call("fcntl", object);
        return Libc.check("fcntl", object, tryFcntl(descriptor, command, argument));
    }

    static int tryFcntl(int descriptor, int command, long argument) {
        CallState state = CallState.get();
        try {
            return state.result((int) FCNTL.invokeExact(state.errno, descriptor, command, argument));
        } catch (Throwable t) {
            throw Libc.broken("fcntl", t);
        }
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
        CallState state = CallState.get();
        int result;
        try {
            result = state.result((int) FTRUNCATE.invokeExact(state.errno, descriptor, sizeBytes));
        } catch (Throwable t) {
            throw Libc.broken("ftruncate", t);
        }
        Libc.check("ftruncate", object, result);
    }

    public static void fallocate(Object object, int descriptor, int mode, long offset, long sizeBytes) throws ErrnoException {
        FaultPoints.call("fallocate", object);
        Libc.check("fallocate", object, tryFallocate(descriptor, mode, offset, sizeBytes));
    }

    /** @return 0 or a negated errno */
    public static int tryFallocate(int descriptor, int mode, long offset, long sizeBytes) {
        CallState state = CallState.get();
        try {
            return state.result((int) FALLOCATE.invokeExact(state.errno, descriptor, mode, offset, sizeBytes));
        } catch (Throwable t) {
            throw Libc.broken("fallocate", t);
        }
    }

    public static void fdatasync(Object object, int descriptor) throws ErrnoException {
        CallState state = CallState.get();
        int result;
        try {
            result = state.result((int) FDATASYNC.invokeExact(state.errno, descriptor));
        } catch (Throwable t) {
            throw Libc.broken("fdatasync", t);
        }
        Libc.check("fdatasync", object, result);
    }

    /** @return where that is, counted from the start, or a negated errno: -{@link Errno#ENXIO} when no data follows */
    public static long tryLseek(int descriptor, long offset, int whence) {
        CallState state = CallState.get();
        try {
            return state.result((long) LSEEK.invokeExact(state.errno, descriptor, offset, whence));
        } catch (Throwable t) {
            throw Libc.broken("lseek", t);
        }
    }

    /** @return bytes read, 0 at the end, or a negated errno */
    public static long tryRead(int descriptor, long bufferAddress, long sizeBytes) {
        CallState state = CallState.get();
        try {
            return state.result((long) READ.invokeExact(state.errno, descriptor, bufferAddress, sizeBytes));
        } catch (Throwable t) {
            throw Libc.broken("read", t);
        }
    }

    /** @return bytes written or a negated errno */
    public static long tryWrite(int descriptor, long bufferAddress, long sizeBytes) {
        CallState state = CallState.get();
        try {
            return state.result((long) WRITE.invokeExact(state.errno, descriptor, bufferAddress, sizeBytes));
        } catch (Throwable t) {
            throw Libc.broken("write", t);
        }
    }

    /** @return bytes read, 0 at the end, or a negated errno */
    public static long tryPread(int descriptor, long bufferAddress, long sizeBytes, long offset) {
        CallState state = CallState.get();
        try {
            return state.result((long) PREAD.invokeExact(state.errno, descriptor, bufferAddress, sizeBytes, offset));
        } catch (Throwable t) {
            throw Libc.broken("pread", t);
        }
    }

    /** @return bytes written or a negated errno */
    public static long tryPwrite(int descriptor, long bufferAddress, long sizeBytes, long offset) {
        CallState state = CallState.get();
        try {
            return state.result((long) PWRITE.invokeExact(state.errno, descriptor, bufferAddress, sizeBytes, offset));
        } catch (Throwable t) {
            throw Libc.broken("pwrite", t);
        }
    }

    /** Reads into {@code count} buffers: an array of struct iovec (address, size; 8 bytes each) at {@code vectorAddress}. At most 1024. */
    public static long tryPreadv(int descriptor, long vectorAddress, int count, long offset) {
        CallState state = CallState.get();
        try {
            return state.result((long) PREADV.invokeExact(state.errno, descriptor, vectorAddress, count, offset));
        } catch (Throwable t) {
            throw Libc.broken("preadv", t);
        }
    }

    /** Writes from {@code count} buffers; see {@link #tryPreadv}. */
    public static long tryPwritev(int descriptor, long vectorAddress, int count, long offset) {
        CallState state = CallState.get();
        try {
            return state.result((long) PWRITEV.invokeExact(state.errno, descriptor, vectorAddress, count, offset));
        } catch (Throwable t) {
            throw Libc.broken("pwritev", t);
        }
    }

    /** {@link #tryPreadv} for sockets, pipes and other files without positions. */
    public static long tryReadv(int descriptor, long vectorAddress, int count) {
        CallState state = CallState.get();
        try {
            return state.result((long) READV.invokeExact(state.errno, descriptor, vectorAddress, count));
        } catch (Throwable t) {
            throw Libc.broken("readv", t);
        }
    }

    /** {@link #tryPwritev} for sockets, pipes and other files without positions. */
    public static long tryWritev(int descriptor, long vectorAddress, int count) {
        CallState state = CallState.get();
        try {
            return state.result((long) WRITEV.invokeExact(state.errno, descriptor, vectorAddress, count));
        } catch (Throwable t) {
            throw Libc.broken("writev", t);
        }
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
