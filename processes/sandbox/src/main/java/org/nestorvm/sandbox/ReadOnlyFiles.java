package org.nestorvm.sandbox;

import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.memory.sys.Seccomp;

/**
 * For a program that serves files and is to change none: a system call filter that refuses, with EROFS as on a file
 * system that is mounted read-only, each call that creates, changes or removes a file or what is said of it. It needs
 * no rights and no mount namespace. The numbers are those of arch/x86/entry/syscalls/syscall_64.tbl; the program's
 * other calls stay as they are, so this holds for a program that is honest, and is told to write by somebody who is
 * not.
 */
public final class ReadOnlyFiles {
    static final int OPEN = 2, IOCTL = 16, OPENAT = 257, OPEN_BY_HANDLE_AT = 304;
    /**
     * Their arguments lie in memory, where a filter cannot look, and there are older calls: openat2, io_uring_setup.
     */
    private static final int[] MISSING = {437, 425};
    /**
     * truncate; rename, mkdir, rmdir, creat, link, unlink, symlink; chmod to lchown; utime, mknod; the six of extended
     * attributes; utimes; mkdirat, mknodat, fchownat, futimesat; unlinkat to symlinkat; fchmodat, utimensat, fallocate,
     * renameat2, fchmodat2, setxattrat, removexattrat, file_setattr.
     */
    static final int[] REFUSED = {
        76, 82, 83, 84, 85, 86, 87, 88, 90, 91, 92, 93, 94, 132, 133, 188, 189, 190, 197, 198, 199, 235, 258, 259, 260,
        261, 263, 264, 265, 266, 268, 280, 285, 316, 452, 463, 466, 469
    };
    /** FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR, which take a descriptor that was opened for reading. */
    private static final int[] REFUSED_IOCTLS = {0x40086602, 0x401c5820};

    static final int O_ACCMODE = 3, O_CREAT = 0x40, O_TRUNC = 0x200, O_PATH = 0x200000;

    private ReadOnlyFiles() {}

    /**
     * The calling thread changes no files from now on, nor do the programs that it starts: for a platform thread that
     * ends when it has started one.
     */
    public static void enterThisThread() throws ErrnoException {
        Processes.prctl("PR_SET_NO_NEW_PRIVS", Processes.PR_SET_NO_NEW_PRIVS, 1, 0);
        Seccomp.filterThisThread("read-only files", program());
    }

    static long[] program() {
        long[] refuse = Bpf.give(Seccomp.SECCOMP_RET_ERRNO | Errno.EROFS), allow = Bpf.give(SyscallFilter.ALLOW);
        long[] rest = Bpf.ifOneOf(MISSING, Bpf.give(SyscallFilter.NOT_THERE), Bpf.ifOneOf(REFUSED, refuse, allow));
        long[] ioctl = Bpf.concat(Bpf.loadArgument(1), Bpf.ifOneOf(REFUSED_IOCTLS, refuse, allow));
        long[] calls = Bpf.ifEqual(
                OPEN,
                flags(1),
                Bpf.ifEqual(
                        OPENAT, flags(2), Bpf.ifEqual(OPEN_BY_HANDLE_AT, flags(2), Bpf.ifEqual(IOCTL, ioctl, rest))));
        long[] body =
                Bpf.concat(Bpf.load(Bpf.NR), Bpf.ifAnyBit(SyscallFilter.X32_BIT, Bpf.give(SyscallFilter.KILL), calls));
        return Bpf.concat(
                Bpf.load(Bpf.ARCH), Bpf.ifEqual(SyscallFilter.AUDIT_ARCH_X86_64, body, Bpf.give(SyscallFilter.KILL)));
    }

    /** A descriptor with O_PATH reads and writes nothing, whatever else it was opened with. */
    private static long[] flags(int argument) {
        long[] refuse = Bpf.give(Seccomp.SECCOMP_RET_ERRNO | Errno.EROFS), allow = Bpf.give(SyscallFilter.ALLOW);
        return Bpf.concat(
                Bpf.loadArgument(argument),
                Bpf.ifAnyBit(O_PATH, allow, Bpf.ifAnyBit(O_ACCMODE | O_CREAT | O_TRUNC, refuse, allow)));
    }
}
