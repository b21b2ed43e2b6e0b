package org.nestorvm.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.sys.Landlock;
import org.nestorvm.memory.sys.Primitive;
import org.nestorvm.memory.sys.Privileges;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.memory.sys.Processes.Limit;
import org.nestorvm.memory.sys.Seccomp;

/**
 * Gives up, for ever, what the process does not need. From the outside in, so that each step can still do what it must:
 * limits; no new privileges; for root an empty root directory and a user that nobody else has; the parent's death
 * signal, which a change of user forgets; no core dumps, no tracer; Landlock; last the filter of system calls, on every
 * thread.
 *
 * <p>The process must have opened before whatever it needs, its own classes and libraries included. What the kernel
 * lacks is left out and told; what it has and refuses is an error.
 */
public final class Sandbox {
    /**
     * Root becomes this plus the process id: a user that is in no file, above the ranges that containers are given
     * (systemd's UIDS-GIDS.md), and no other process's while this one lives.
     */
    static final int OWN_USER = 1_900_000_000;
    /** {@code nobody}, where the own one is not mapped, as in a container with few users. */
    static final int NOBODY = 65534;

    private static final int ROOT = 0, OWNER_ONLY = 077;
    private static final long ADDRESS_SPACE_BYTES = 256L << 30, HOST_MEMORIES = 8;

    /**
     * What {@link #enter} did.
     *
     * @param done one entry for each means
     * @param missing what could not be had, and what that leaves open
     */
    public record Report(List<String> done, List<String> missing) {
        @Override
        public String toString() {
            return String.join("; ", done)
                    + (missing.isEmpty() ? "" : "; without " + String.join("; without ", missing));
        }
    }

    private final SandboxPolicy policy;
    private final int pid = Processes.getpid();
    private final List<String> done = new ArrayList<>(), missing = new ArrayList<>();

    private Sandbox(SandboxPolicy policy) {
        this.policy = policy;
    }

    /** To be called once, before the threads are started that the device runs on. */
    public static Report enter(SandboxPolicy policy) throws IOException {
        Sandbox sandbox = new Sandbox(policy);
        sandbox.limits();
        sandbox.memory();
        Processes.prctl("PR_SET_NO_NEW_PRIVS", Processes.PR_SET_NO_NEW_PRIVS, 1, 0);
        if (Privileges.geteuid() == ROOT) sandbox.leaveRoot();
        dieWithParent();
        Processes.prctl("PR_SET_DUMPABLE", Processes.PR_SET_DUMPABLE, 0, 0);
        sandbox.done.add("no new privileges, no dumps, dies with its parent");
        sandbox.landlock();
        sandbox.filter();
        return new Report(List.copyOf(sandbox.done), List.copyOf(sandbox.missing));
    }

    /**
     * The kernel kills this process when the thread that has started it ends; module isolation keeps one for that. Part
     * of {@link #enter}, and sooner for a process that waits for something before.
     */
    public static void dieWithParent() throws IOException {
        Processes.prctl("PR_SET_PDEATHSIG", Processes.PR_SET_PDEATHSIG, Processes.SIGKILL, 0);
    }

    /** Loads what {@link #enter} needs and does none of it: for the recording of a JVM's cache. */
    public static void rehearse(SandboxPolicy policy) throws IOException {
        Sandbox sandbox = new Sandbox(policy);
        Processes.limit(Processes.RLIMIT_NOFILE);
        Processes.prctl("PR_GET_NO_NEW_PRIVS", Processes.PR_GET_NO_NEW_PRIVS, 0, 0);
        LandlockRules.files(Privileges.geteuid() == ROOT && Primitive.LANDLOCK.present() ? Landlock.tryAbi() : 1);
        if (Primitive.SECCOMP.present()) policy.syscalls().apply(sandbox.pid).program();
    }

    private void limits() throws IOException {
        Privileges.umask(OWNER_ONLY);
        lower(Processes.RLIMIT_CORE, 0);
        lower(Processes.RLIMIT_NOFILE, policy.openFiles());
        if (policy.fileBytes() != Processes.UNLIMITED) lower(Processes.RLIMIT_FSIZE, policy.fileBytes());
        done.add(policy.openFiles() + " descriptors"
                + (policy.fileBytes() == Processes.UNLIMITED
                        ? ""
                        : ", files up to " + (policy.fileBytes() >> 20) + " MiB"));
    }

    /**
     * RLIMIT_DATA counts what is private and can be written, so heap, stacks and classes, and not the guest's memory,
     * which is shared. RLIMIT_AS bounds the page tables of memory that is mapped again and again; it leaves room for
     * any guest, since how large that is comes with the first messages.
     */
    private void memory() throws IOException {
        long grows = Runtime.getRuntime().maxMemory() + policy.memoryBytes();
        lower(Processes.RLIMIT_DATA, kibibytes("/proc/self/status", "VmData") + grows);
        lower(
                Processes.RLIMIT_AS,
                kibibytes("/proc/self/status", "VmSize")
                        + Math.max(ADDRESS_SPACE_BYTES, HOST_MEMORIES * kibibytes("/proc/meminfo", "MemTotal")));
        done.add((grows >> 20) + " MiB more memory");
    }

    /** A line of a file of proc(5), in bytes. */
    private static long kibibytes(String file, String field) throws IOException {
        for (String line : Files.readAllLines(Path.of(file))) {
            if (line.startsWith(field + ":")) return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
        }
        throw new IOException(file + " has no " + field);
    }

    private static void lower(int resource, long limit) throws IOException {
        long before = Processes.limit(resource).hard();
        long lowered = before == Processes.UNLIMITED ? limit : Math.min(before, limit);
        Processes.setLimit(resource, new Limit(lowered, lowered));
    }

    /** In this order: only root can change the root directory, and only root can leave groups. */
    private void leaveRoot() throws IOException {
        emptyRoot();
        try {
            Privileges.clearGroups();
            int id = takeGroup();
            Privileges.setresuid(id);
            done.add("user " + id);
            // Counted by user: only where no other process is of the same.
            if (id != NOBODY) lower(Processes.RLIMIT_NPROC, policy.threads());
        } catch (IOException e) {
            missing.add("a user of its own (" + e.getMessage()
                    + "): it stays root, with the rights that the other means leave");
        }
    }

    private int takeGroup() throws IOException {
        try {
            Privileges.setresgid(OWN_USER + pid);
            return OWN_USER + pid;
        } catch (IOException e) {
            Privileges.setresgid(NOBODY);
            return NOBODY;
        }
    }

    /** A directory that is removed while it is entered: nothing is in it, and nothing can be made in it. */
    private void emptyRoot() {
        String path = "/tmp/nestor-device-" + pid;
        try {
            Privileges.mkdir(path, 0);
            try {
                Privileges.chdir(path);
            } finally {
                Privileges.rmdir(path);
            }
            Privileges.chroot(".");
            done.add("empty root directory");
        } catch (IOException e) {
            missing.add(
                    "an empty root directory (" + e.getMessage() + "): files keep their names, which it cannot open");
        }
    }

    private void landlock() throws IOException {
        if (Primitive.LANDLOCK.present())
            done.add(LandlockRules.apply(policy.name(), Landlock.tryAbi(), policy.readable()));
        else missing.add("Landlock: " + Primitive.LANDLOCK.fallback());
    }

    private void filter() throws IOException {
        if (!Primitive.SECCOMP.present()) {
            missing.add("seccomp: " + Primitive.SECCOMP.fallback());
            return;
        }
        SyscallFilter filter = policy.syscalls().apply(pid);
        long[] program = filter.program();
        done.add(filter.allowedCount() + " system calls");
        Seccomp.filterAllThreads(policy.name(), program);
    }
}
