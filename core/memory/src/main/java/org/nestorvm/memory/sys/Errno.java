package org.nestorvm.memory.sys;

/**
 * The errors of Linux: asm-generic/errno-base.h and asm-generic/errno.h, the numbers of x86-64 and of all newer
 * architectures.
 */
public final class Errno {
    public static final int EPERM = 1;
    public static final int ENOENT = 2;
    public static final int ESRCH = 3;
    public static final int EINTR = 4;
    public static final int EIO = 5;
    public static final int ENXIO = 6;
    public static final int EBADF = 9;
    public static final int EAGAIN = 11;
    public static final int ENOMEM = 12;
    public static final int EACCES = 13;
    public static final int EFAULT = 14;
    public static final int EBUSY = 16;
    public static final int EEXIST = 17;
    public static final int ENODEV = 19;
    public static final int EISDIR = 21;
    public static final int EINVAL = 22;
    public static final int ENFILE = 23;
    public static final int EMFILE = 24;
    public static final int ENOTTY = 25;
    public static final int EFBIG = 27;
    public static final int ENOSPC = 28;
    public static final int EROFS = 30;
    public static final int EPIPE = 32;
    public static final int ENOSYS = 38;
    public static final int EPROTO = 71;
    public static final int EOVERFLOW = 75;
    public static final int ENOTSOCK = 88;
    public static final int EMSGSIZE = 90;
    public static final int EOPNOTSUPP = 95;
    public static final int EADDRINUSE = 98;
    public static final int ECONNABORTED = 103;
    public static final int ECONNRESET = 104;
    public static final int EISCONN = 106;
    public static final int ENOTCONN = 107;
    public static final int ETIMEDOUT = 110;
    public static final int ECONNREFUSED = 111;
    public static final int EALREADY = 114;
    public static final int EINPROGRESS = 115;
    public static final int ECANCELED = 125;
    public static final int EHWPOISON = 133;

    private static final String[][] NAMES = new String[134][];

    static {
        for (String row : table().lines().toList()) {
            String[] columns = row.split(" ", 3);
            NAMES[Integer.parseInt(columns[0])] = columns;
        }
    }

    private Errno() {}

    /** The name of the header, {@code ENOMEM}; {@code errno 200} for a number that the headers do not have. */
    public static String name(int errno) {
        return known(errno) ? NAMES[errno][1] : "errno " + errno;
    }

    /** Name, number and a few words: {@code ENOMEM (12), out of memory}. */
    public static String describe(int errno) {
        return known(errno) ? NAMES[errno][1] + " (" + errno + "), " + NAMES[errno][2] : "errno " + errno;
    }

    private static boolean known(int errno) {
        return errno > 0 && errno < NAMES.length && NAMES[errno] != null;
    }

    private static String table() {
        return """
            1 EPERM not permitted
            2 ENOENT no such file or directory
            3 ESRCH no such process
            4 EINTR interrupted by a signal
            5 EIO input/output error
            6 ENXIO no such device or address
            7 E2BIG argument too long
            8 ENOEXEC not executable
            9 EBADF bad descriptor
            10 ECHILD no child process
            11 EAGAIN would block, try again
            12 ENOMEM out of memory
            13 EACCES access denied
            14 EFAULT bad address
            16 EBUSY busy
            17 EEXIST exists already
            18 EXDEV across file systems
            19 ENODEV no such device
            20 ENOTDIR not a directory
            21 EISDIR is a directory
            22 EINVAL invalid argument
            23 ENFILE too many open files in the system
            24 EMFILE too many open files in the process
            25 ENOTTY the device does not know this request
            26 ETXTBSY the program is running
            27 EFBIG file too large
            28 ENOSPC no space left
            29 ESPIPE cannot seek
            30 EROFS read-only file system
            31 EMLINK too many links
            32 EPIPE the peer has closed
            34 ERANGE result out of range
            35 EDEADLK would deadlock
            36 ENAMETOOLONG name too long
            37 ENOLCK no locks available
            38 ENOSYS the kernel does not have this call
            39 ENOTEMPTY directory not empty
            40 ELOOP too many symbolic links
            61 ENODATA no data
            71 EPROTO protocol error
            74 EBADMSG bad message
            75 EOVERFLOW value too large
            88 ENOTSOCK not a socket
            89 EDESTADDRREQ destination address required
            90 EMSGSIZE message too long
            91 EPROTOTYPE wrong socket type
            92 ENOPROTOOPT no such socket option
            93 EPROTONOSUPPORT protocol not supported
            95 EOPNOTSUPP operation not supported
            97 EAFNOSUPPORT address family not supported
            98 EADDRINUSE address in use
            99 EADDRNOTAVAIL address not available
            100 ENETDOWN network is down
            101 ENETUNREACH network unreachable
            103 ECONNABORTED connection aborted
            104 ECONNRESET connection reset by peer
            105 ENOBUFS no buffer space
            106 EISCONN connected already
            107 ENOTCONN not connected
            109 ETOOMANYREFS too many descriptors in flight
            110 ETIMEDOUT timed out
            111 ECONNREFUSED connection refused
            113 EHOSTUNREACH host unreachable
            114 EALREADY in progress already
            115 EINPROGRESS in progress
            116 ESTALE stale handle
            122 EDQUOT quota exceeded
            125 ECANCELED canceled
            130 EOWNERDEAD the owner died
            133 EHWPOISON page has a hardware error
            """;
    }
}
