package org.nestorvm.sandbox;

import static org.nestorvm.sandbox.Syscall.*;

import java.util.Arrays;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.FileLocks;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.memory.sys.Processes;

/**
 * The lists, one for each kind of device. The base is what a JVM that has started needs to run (threads, memory that is
 * not executable, the garbage collector, a compiler whose code cache is committed already) and what the vhost-user back
 * end needs (its socket, descriptors that come over it, eventfds, memory files of the guest). Nothing here makes a
 * file, memory files included. SYSCALLS.md shows them.
 */
public final class SyscallLists {
    private static final int CLONE_VM = 0x100, CLONE_THREAD = 0x10000;
    private static final int O_LARGEFILE = 0x8000, MAP_TYPE = 0xf;
    /** linux/fs.h: BLKDISCARD, BLKGETSIZE64, BLKZEROOUT, BLKSSZGET, BLKPBSZGET. */
    private static final int[] DISK_IOCTLS = {0x1277, 0x80081272, 0x127f, 0x1268, 0x127b};
    /** linux/if_tun.h: TUNSETOFFLOAD, TUNSETVNETHDRSZ, TUNGETVNETHDRSZ, TUNSETQUEUE. */
    private static final int[] TAP_IOCTLS = {0x400454d0, 0x400454d8, 0x800454d7, 0x400454d9};

    private SyscallLists() {}

    private static SyscallFilter base(int pid) {
        SyscallFilter filter = new SyscallFilter();
        threads(filter, pid);
        memory(filter);
        backEnd(filter);
        return intruder(filter);
    }

    private static void threads(SyscallFilter filter, int pid) {
        filter.allow(
                        RT_SIGPROCMASK,
                        RT_SIGRETURN,
                        RT_SIGACTION,
                        SIGALTSTACK,
                        SCHED_YIELD,
                        NANOSLEEP,
                        GETPID,
                        GETTID,
                        EXIT,
                        EXIT_GROUP,
                        FUTEX,
                        SCHED_GETAFFINITY,
                        RESTART_SYSCALL,
                        CLOCK_GETTIME,
                        CLOCK_GETRES,
                        CLOCK_NANOSLEEP,
                        GETTIMEOFDAY,
                        SET_ROBUST_LIST,
                        RSEQ,
                        MEMBARRIER,
                        GETRUSAGE,
                        SYSINFO,
                        UNAME)
                .allowIf(
                        CLONE,
                        Check.with(0, "CLONE_VM and CLONE_THREAD: a thread, no process", CLONE_VM | CLONE_THREAD))
                .pretendMissing(CLONE3)
                .allowIf(TGKILL, Check.oneOf(0, "the process itself", pid))
                .allowIf(PRCTL, Check.oneOf(0, "PR_SET_NAME", Processes.PR_SET_NAME));
    }

    private static void memory(SyscallFilter filter) {
        filter.allow(MUNMAP, BRK, MREMAP, MADVISE, MINCORE, MSEAL)
                .allowIf(MMAP, Check.without(2, "no PROT_EXEC", MemoryCalls.PROT_EXEC), privateWhenAnonymous())
                .allowIf(MPROTECT, Check.without(2, "no PROT_EXEC", MemoryCalls.PROT_EXEC));
    }

    /** Memory that is in no file is counted by RLIMIT_DATA only when it is private. */
    private static Check privateWhenAnonymous() {
        return new Check(3, MAP_TYPE, "MAP_PRIVATE", null, MemoryCalls.MAP_PRIVATE)
                .onlyWhen(Check.with(3, "MAP_ANONYMOUS", MemoryCalls.MAP_ANONYMOUS));
    }

    private static void backEnd(SyscallFilter filter) {
        filter.allow(
                        READ,
                        WRITE,
                        CLOSE,
                        FSTAT,
                        LSEEK,
                        PREAD64,
                        RECVMSG,
                        SENDMSG,
                        SHUTDOWN,
                        GETSOCKOPT,
                        POLL,
                        PPOLL,
                        EPOLL_CREATE1,
                        EPOLL_CTL,
                        EPOLL_WAIT,
                        EPOLL_PWAIT,
                        EVENTFD2,
                        STATX,
                        FSTATFS,
                        FALLOCATE,
                        GETRANDOM)
                .allowIf(FCNTL, descriptorCommands(), nonBlocking());
    }

    /**
     * A file description is shared with others, who would wait where O_NONBLOCK is cleared, and be sent signals with
     * O_ASYNC. The access mode, and O_LARGEFILE, are ignored by the kernel.
     */
    private static Check nonBlocking() {
        return new Check(
                        2,
                        ~(Descriptors.O_ACCMODE | O_LARGEFILE),
                        "O_NONBLOCK and no other flag",
                        null,
                        Descriptors.O_NONBLOCK)
                .onlyWhen(Check.oneOf(1, "F_SETFL", Descriptors.F_SETFL));
    }

    private static Check descriptorCommands(int... more) {
        int[] commands = {
            Descriptors.F_DUPFD_CLOEXEC,
            Descriptors.F_GETFD,
            Descriptors.F_SETFD,
            Descriptors.F_GETFL,
            Descriptors.F_SETFL,
            Descriptors.F_ADD_SEALS,
            Descriptors.F_GET_SEALS
        };
        int[] all = Arrays.copyOf(commands, commands.length + more.length);
        System.arraycopy(more, 0, all, commands.length, more.length);
        return Check.oneOf(1, more.length == 0 ? "duplicates, flags, seals" : "duplicates, flags, seals, locks", all);
    }

    private static SyscallFilter intruder(SyscallFilter filter) {
        return filter.kill(
                EXECVE,
                EXECVEAT,
                FORK,
                VFORK,
                PTRACE,
                PROCESS_VM_READV,
                PROCESS_VM_WRITEV,
                PROCESS_MADVISE,
                PIDFD_GETFD,
                MOUNT,
                UMOUNT2,
                PIVOT_ROOT,
                CHROOT,
                UNSHARE,
                SETNS,
                OPEN_BY_HANDLE_AT,
                INIT_MODULE,
                FINIT_MODULE,
                DELETE_MODULE,
                KEXEC_LOAD,
                KEXEC_FILE_LOAD,
                BPF,
                PERF_EVENT_OPEN,
                USERFAULTFD,
                IO_URING_SETUP,
                IO_URING_ENTER,
                IO_URING_REGISTER,
                ADD_KEY,
                REQUEST_KEY,
                KEYCTL,
                SWAPON,
                SWAPOFF,
                REBOOT,
                ACCT,
                IOPL,
                IOPERM,
                PERSONALITY,
                CLOCK_SETTIME);
    }

    /**
     * A device that has nothing but its socket and the guest's memory: entropy, balloon, which gives pages back by
     * fallocate.
     */
    public static SyscallFilter plain(int pid) {
        return base(pid);
    }

    /** A disk: files and block devices that are open already. */
    public static SyscallFilter disk(int pid) {
        return base(pid)
                .allow(
                        FTRUNCATE,
                        PWRITE64,
                        PREADV,
                        PREADV2,
                        PWRITEV,
                        READV,
                        WRITEV,
                        FDATASYNC,
                        FSYNC,
                        COPY_FILE_RANGE,
                        FLOCK)
                .allowIf(FCNTL, descriptorCommands(FileLocks.F_OFD_GETLK, FileLocks.F_OFD_SETLK), nonBlocking())
                .allowIf(
                        IOCTL,
                        Check.oneOf(1, "BLKDISCARD, BLKGETSIZE64, BLKZEROOUT, BLKSSZGET, BLKPBSZGET", DISK_IOCTLS));
    }

    /** A CD-ROM drive: a file that is open already, and only read. */
    public static SyscallFilter cdrom(int pid) {
        return base(pid).allow(PREADV, PREADV2);
    }

    /** A console: takes connections to sockets that listen already. It makes none, and connects to nobody. */
    public static SyscallFilter streams(int pid) {
        return base(pid).allow(READV, WRITEV, ACCEPT4);
    }

    /**
     * A socket device: as a console, and tries again later what failed. Connections to programs come over a socket from
     * who makes them.
     */
    public static SyscallFilter sockets(int pid) {
        return streams(pid).allow(TIMERFD_SETTIME);
    }

    /** A network card: a tap device or a stream socket that is open already. */
    public static SyscallFilter net(int pid) {
        return base(pid)
                .allow(READV, WRITEV, TIMERFD_SETTIME)
                .allowIf(
                        IOCTL,
                        Check.oneOf(1, "TUNSETOFFLOAD, TUNSETVNETHDRSZ, TUNGETVNETHDRSZ, TUNSETQUEUE", TAP_IOCTLS));
    }
}
