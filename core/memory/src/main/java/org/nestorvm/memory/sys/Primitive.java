package org.nestorvm.memory.sys;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/**
 * What the memory core would like from the kernel and can do without. Each is probed once, at the first question;
 * {@code -Dnestor.without=mseal,noexec-seal} on the command line of java makes some count as absent, as on an older
 * kernel.
 */
public enum Primitive {
    MSEAL(
            "mseal(2), Linux 6.10: mappings that nobody can unmap or re-protect",
            "a mapping asked to be sealed is made without the seal, and says so",
            () -> MemoryCalls.tryMseal(0, 0) == 0),
    NOEXEC_SEAL(
            "MFD_NOEXEC_SEAL, Linux 6.3: memory files that can never be executed",
            "memory files carry the execute permission, as all did before; nothing of Nestor executes them",
            () -> memfdTakes(MemoryCalls.MFD_CLOEXEC | MemoryCalls.MFD_NOEXEC_SEAL)),
    POPULATE_WRITE(
            "MADV_POPULATE_WRITE, Linux 5.14: pages made resident with an errno instead of a signal",
            "fallocate(2) of the memory file, then one read of each page",
            () -> MemoryCalls.tryMadvise(0, 0, MemoryCalls.MADV_POPULATE_WRITE) == 0),
    DONTDUMP(
            "MADV_DONTDUMP, Linux 3.4: guest memory stays out of core dumps",
            "guest memory is dumped with the process; bound core dumps with ulimit -c",
            () -> MemoryCalls.tryMadvise(0, 0, MemoryCalls.MADV_DONTDUMP) == 0),
    DONTFORK(
            "MADV_DONTFORK, Linux 2.6.16: guest memory is not inherited by forked processes",
            "a child sees guest memory until it executes another program; java starts programs only",
            () -> MemoryCalls.tryMadvise(0, 0, MemoryCalls.MADV_DONTFORK) == 0),
    HUGEPAGE_ADVICE(
            "MADV_HUGEPAGE, a kernel with transparent huge pages; for memory files shmem_enabled decides besides",
            "pages of 4 KiB",
            () -> MemoryCalls.tryMadvise(0, 0, MemoryCalls.MADV_HUGEPAGE) == 0),
    OFD_LOCKS(
            "F_OFD_SETLK, Linux 3.15: file locks that belong to the open file, not to the process",
            "flock(2), which covers whole files only",
            Primitive::memfdTakesOfdLock),
    SECCOMP(
            "seccomp filters that kill the process, Linux 4.14: system calls a device process does not need are "
                    + "refused",
            "a device process can make every system call; the other means confine it, and it says so",
            Seccomp::isThere),
    LANDLOCK(
            "Landlock, Linux 5.13: a device process gives up files, and sockets and signals where the kernel's "
                    + "version has them",
            "the filter of system calls refuses opening and connecting by itself",
            () -> Landlock.tryAbi() > 0),
    PIDFD(
            "pidfd_open(2), Linux 5.3: the end of a device process is an event like others",
            "its end is noticed when its standard error is closed",
            Processes::hasPidfd),
    KERNEL_SIGNAL(
            "io_submit(2) with IOCB_FLAG_RESFD, Linux 2.6.22 with CONFIG_AIO: an eventfd that another process "
                    + "shares is signalled without waiting",
            "poll(2) before write(2): a process that has cleared O_NONBLOCK and fills the eventfd just between "
                    + "the two makes the writer wait",
            KernelSignal::isThere),
    CLOSE_FROM(
            "posix_spawn_file_actions_addclosefrom_np, glibc 2.34 with Linux 5.9: a device process inherits "
                    + "what it is given",
            "what is open and not close-on-exec is closed one by one; what another thread opens meanwhile is inherited",
            Spawn::hasCloseFrom);

    private final String description;
    private final String fallback;
    private final BooleanSupplier probe;
    // null until probed. Two threads may probe at once; they find the same.
    private volatile Boolean present;

    Primitive(String description, String fallback, BooleanSupplier probe) {
        this.description = description;
        this.fallback = fallback;
        this.probe = probe;
    }

    public boolean present() {
        Boolean known = present;
        if (known == null) present = known = !switchedOff() && probe.getAsBoolean();
        return known;
    }

    /** The name in {@code nestor.without} and in the report: {@code noexec-seal}. */
    public String label() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** What it is and since when Linux has it. */
    public String description() {
        return description;
    }

    /** What happens where it is missing. */
    public String fallback() {
        return fallback;
    }

    private boolean switchedOff() {
        List<String> without =
                Arrays.asList(System.getProperty("nestor.without", "").split("[,\\s]+"));
        return without.contains(label());
    }

    /** Makes it count as absent until closed, for tests of the fallback. Concerns the whole process. */
    public Absence assumeAbsent() {
        Boolean before = present();
        present = false;
        return () -> present = before;
    }

    /** Ends an assumption. */
    @FunctionalInterface
    public interface Absence extends AutoCloseable {
        @Override
        void close();
    }

    /** One line for each: name, yes or no, and what happens instead. */
    public static String report() {
        return Arrays.stream(values()).map(Primitive::reportLine).collect(Collectors.joining("\n"));
    }

    private String reportLine() {
        String instead = present() ? "" : "; instead: " + fallback;
        return String.format(Locale.ROOT, "%-16s %-3s  %s%s", label(), present() ? "yes" : "no", description, instead);
    }

    private static boolean memfdTakes(int flags) {
        int descriptor = MemoryCalls.tryMemfdCreate("nestor-probe", flags);
        if (descriptor >= 0) Descriptors.close(descriptor);
        return descriptor >= 0;
    }

    private static boolean memfdTakesOfdLock() {
        int descriptor = MemoryCalls.tryMemfdCreate("nestor-probe", MemoryCalls.MFD_CLOEXEC);
        if (descriptor < 0) return false;
        try {
            return FileLocks.tryLock(descriptor, FileLocks.F_WRLCK, 0, 0) == 0;
        } finally {
            Descriptors.close(descriptor);
        }
    }
}
