package org.nestorvm.sandbox;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** SYSCALLS.md is written from the lists: {@code -Dnestor.write=SYSCALLS.md} writes it. */
class SyscallListsTest {
    private static final Path DOCUMENT = Path.of("SYSCALLS.md");
    private static final int PID = 1;

    @Test
    void documentShowsTheLists() throws Exception {
        String text = document();
        if ("SYSCALLS.md".equals(System.getProperty("nestor.write"))) Files.writeString(DOCUMENT, text);
        assertEquals(
                text,
                Files.readString(DOCUMENT),
                "write it with ./mvnw -pl :nestor-sandbox -am test -Dtest=SyscallListsTest "
                        + "-Dsurefire.failIfNoSpecifiedTests=false -Dnestor.write=SYSCALLS.md");
    }

    private static String document() {
        SyscallFilter plain = SyscallLists.plain(PID);
        Map<String, SyscallFilter> kinds = new LinkedHashMap<>();
        kinds.put("plain (rng, balloon)", plain);
        kinds.put("disk (blk)", SyscallLists.disk(PID));
        kinds.put("net", SyscallLists.net(PID));
        kinds.put("cdrom", SyscallLists.cdrom(PID));
        kinds.put("streams (console)", SyscallLists.streams(PID));
        kinds.put("sockets (vsock)", SyscallLists.sockets(PID));
        StringBuilder text = new StringBuilder("""
            # System calls of device processes

            What a device process can call once it is confined. Everything else is refused with EPERM; what only an
            intruder calls ends the process, and so do system calls of other architectures and of the x32 ABI.
            `clone3`, whose flags a filter cannot see, is answered with ENOSYS, upon which the C library takes
            `clone`. Written from `SyscallLists` by `SyscallListsTest`.

            | kind | allowed | of these with checked arguments | instructions of the filter |
            |---|---|---|---|
            """);
        kinds.forEach((name, filter) -> text.append("| ")
                .append(name)
                .append(" | ")
                .append(filter.allowedCount())
                .append(" | ")
                .append(checked(filter))
                .append(" | ")
                .append(filter.program().length)
                .append(" |\n"));
        text.append("\n## All kinds\n\n").append(list(plain, new SyscallFilter()));
        kinds.forEach((name, filter) -> {
            if (filter != plain)
                text.append("\n## Besides: ").append(name).append("\n\n").append(list(filter, plain));
        });
        text.append("\n## These end the process\n\n")
                .append(plain.rules().entrySet().stream()
                        .filter(entry -> entry.getValue().answer() == SyscallFilter.KILL)
                        .map(entry -> "`" + entry.getKey().label() + "`")
                        .collect(Collectors.joining(", ")))
                .append("\n")
                .append(LEFT);
        return text.toString();
    }

    private static final String LEFT = """

        ## What is left to a device that was taken over

        The worst first. A device process that was taken over can:

        1. read and change all of the guest's memory, as a device does by its nature: such a guest must be taken for
           lost.
        2. read and change the files of its disk, and read the files that this one is based on; not the files of
           another device. A `readonly` disk's descriptors are open for reading only.
        3. send packets of its choice through its tap or passt, and connect to the programs that listen at
           `PATH_port` (vsock).
        4. attack the host's kernel by the calls above. No call that makes a file, a socket or a program is among
           them; namespaces and capabilities (below) take away more of the kernel.
        5. use processor time without a bound, and memory up to one: private memory is what it had when it was
           confined, its heap and 128 or 256 MiB (RLIMIT_DATA); memory files and shared memory cannot be
           made; address space is bounded (RLIMIT_AS), and with it page tables. A disk can fill its file system, a
           console that prints to a file too.
        6. make its own guest's device wait or fail. It cannot make the monitor wait: eventfds are signalled in a
           way that never does, every answer has a time, and what it prints is cut after 1000 lines.
        7. learn metadata of files by `statx`, which takes a path: nothing as root, whose processes have an empty
           root directory.
        8. set O_NONBLOCK for file descriptions that it shares, such as the terminal of `nestor device`.

        Besides the filter, where the host allows: no new privileges and no capability (root: the bounding set is
        empty from the start, and `setuid`, `setgid`, `chroot` and access to files go with the user id); a user of
        its own (root); namespaces of its own without a network, for System V objects and message queues, and for the
        host name (root, or where unshare(1) can make user namespaces; not `nestor device net`, which finds its tap
        itself); Landlock without a file. There is no pid namespace: signals to others, ptrace(2) and process_vm_readv(2) are
        not on the lists, and the parent-death signal, which ends the process with its machine, needs a parent that
        it can see.
        Without seccomp 4 is the whole of the kernel's interface, and 6 does not hold on kernels without CONFIG_AIO.
        """;

    private static long checked(SyscallFilter filter) {
        return filter.rules().values().stream()
                .filter(rule ->
                        rule.answer() == SyscallFilter.ALLOW && !rule.checks().isEmpty())
                .count();
    }

    private static String list(SyscallFilter filter, SyscallFilter without) {
        Map<String, String> rows = new TreeMap<>();
        filter.rules().forEach((call, rule) -> {
            if (rule.answer() != SyscallFilter.ALLOW
                    || rule.checks()
                            .toString()
                            .equals(
                                    without.rules().containsKey(call)
                                            ? without.rules().get(call).checks().toString()
                                            : "")) return;
            rows.put(call.label(), rule.checks().stream().map(Check::toString).collect(Collectors.joining("; ")));
        });
        String plain = rows.entrySet().stream()
                .filter(row -> row.getValue().isEmpty())
                .map(row -> "`" + row.getKey() + "`")
                .collect(Collectors.joining(", "));
        String checked = rows.entrySet().stream()
                .filter(row -> !row.getValue().isEmpty())
                .map(row -> "- `" + row.getKey() + "`: " + row.getValue())
                .collect(Collectors.joining("\n"));
        return plain + "\n" + (checked.isEmpty() ? "" : "\n" + checked + "\n");
    }
}
