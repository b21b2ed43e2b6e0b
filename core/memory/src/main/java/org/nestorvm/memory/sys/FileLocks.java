package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Byte-range locks that belong to the open file (F_OFD_SETLK, fcntl(2)): they end with its last descriptor, also when
 * the process is killed. Where the kernel lacks them (before 3.15) every range stands for the whole file, flock(2).
 */
public final class FileLocks {
    static final short F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2;
    public static final int F_OFD_GETLK = 36, F_OFD_SETLK = 37;
    // struct flock of 64-bit Linux
    private static final int FLOCK_BYTES = 32, L_TYPE = 0, L_START = 8, L_LEN = 16;
    private static final int LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8;
    private static final LibcFunction FLOCK = LibcFunction.of("flock");

    private FileLocks() {}

    /**
     * Takes a shared or exclusive lock without waiting; {@code sizeBytes} 0 means to the end. @return false when
     * another open file has it
     */
    public static boolean lock(Object object, int descriptor, boolean exclusive, long start, long sizeBytes)
            throws ErrnoException {
        boolean ranges = Primitive.OFD_LOCKS.present();
        int result = ranges
                ? tryLock(descriptor, exclusive ? F_WRLCK : F_RDLCK, start, sizeBytes)
                : flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
        if (result == -Errno.EAGAIN || result == -Errno.EACCES) return false;
        Libc.check(ranges ? "fcntl(F_OFD_SETLK)" : "flock", object, result);
        return true;
    }

    public static void unlock(Object object, int descriptor, long start, long sizeBytes) throws ErrnoException {
        boolean ranges = Primitive.OFD_LOCKS.present();
        Libc.check(
                ranges ? "fcntl(F_OFD_SETLK)" : "flock",
                object,
                ranges ? tryLock(descriptor, F_UNLCK, start, sizeBytes) : flock(descriptor, LOCK_UN));
    }

    /**
     * Whether another open file has a lock in the range, shared or exclusive. Where ranges are not to be had: false,
     * since {@link #lock} has told already.
     */
    public static boolean lockedByOther(Object object, int descriptor, long start, long sizeBytes)
            throws ErrnoException {
        if (!Primitive.OFD_LOCKS.present()) return false;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment flock = structFlock(arena, F_WRLCK, start, sizeBytes);
            Libc.check("fcntl(F_OFD_GETLK)", object, Descriptors.tryFcntl(descriptor, F_OFD_GETLK, flock.address()));
            return flock.get(Libc.SHORT, L_TYPE) != F_UNLCK;
        }
    }

    private static int flock(int descriptor, int operation) {
        return FLOCK.tryInt(descriptor, operation);
    }

    static int tryLock(int descriptor, short type, long start, long sizeBytes) {
        try (Arena arena = Arena.ofConfined()) {
            return Descriptors.tryFcntl(
                    descriptor,
                    F_OFD_SETLK,
                    structFlock(arena, type, start, sizeBytes).address());
        }
    }

    private static MemorySegment structFlock(Arena arena, short type, long start, long sizeBytes) {
        MemorySegment flock = arena.allocate(FLOCK_BYTES, Long.BYTES);
        flock.set(Libc.SHORT, L_TYPE, type); // l_whence stays 0, SEEK_SET
        flock.set(Libc.LONG, L_START, start);
        flock.set(Libc.LONG, L_LEN, sizeBytes);
        return flock;
    }
}
