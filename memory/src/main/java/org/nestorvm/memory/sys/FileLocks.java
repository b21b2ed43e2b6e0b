package org.nestorvm.memory.sys;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Byte-range locks that belong to the open file (F_OFD_SETLK, fcntl(2)): they end with its last descriptor, also when the process is killed. */
public final class FileLocks {
    static final short F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2;
    private static final int F_OFD_SETLK = 37;
    // struct flock of 64-bit Linux
    private static final int FLOCK_BYTES = 32, L_TYPE = 0, L_START = 8, L_LEN = 16;

    private FileLocks() {
    }

    /** Takes a shared or exclusive lock without waiting; {@code sizeBytes} 0 means to the end. @return false when another open file has it */
    public static boolean lock(Object object, int descriptor, boolean exclusive, long start, long sizeBytes) throws ErrnoException {
        int result = tryLock(descriptor, exclusive ? F_WRLCK : F_RDLCK, start, sizeBytes);
        if (result == -Errno.EAGAIN || result == -Errno.EACCES) return false;
        Libc.check("fcntl(F_OFD_SETLK)", object, result);
        return true;
    }

    public static void unlock(Object object, int descriptor, long start, long sizeBytes) throws ErrnoException {
        Libc.check("fcntl(F_OFD_SETLK)", object, tryLock(descriptor, F_UNLCK, start, sizeBytes));
    }

    static int tryLock(int descriptor, short type, long start, long sizeBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment flock = arena.allocate(FLOCK_BYTES, Long.BYTES);
            flock.set(Libc.SHORT, L_TYPE, type);                     // l_whence stays 0, SEEK_SET
            flock.set(Libc.LONG, L_START, start);
            flock.set(Libc.LONG, L_LEN, sizeBytes);
            return Descriptors.tryFcntl(descriptor, F_OFD_SETLK, flock.address());
        }
    }
}
