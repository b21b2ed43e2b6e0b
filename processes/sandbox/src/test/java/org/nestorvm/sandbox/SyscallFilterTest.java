package org.nestorvm.sandbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.sys.Seccomp;

/** The programs against the rules that they are made from, in an interpreter of the kernel's instructions. */
class SyscallFilterTest {
    private static final int PID = 4711, I386 = 0x40000003, HIGHEST = 600;

    static List<SyscallFilter> lists() {
        return List.of(
                SyscallLists.plain(PID),
                SyscallLists.disk(PID),
                SyscallLists.net(PID),
                SyscallLists.cdrom(PID),
                SyscallLists.streams(PID),
                SyscallLists.sockets(PID));
    }

    @ParameterizedTest
    @MethodSource("lists")
    void programAnswersAsTheRulesDo(SyscallFilter filter) {
        BpfMachine machine = new BpfMachine(filter.program());
        for (int number = -2; number < HIGHEST; number++) {
            for (long[] arguments : interesting(filter, number)) {
                assertEquals(
                        filter.answer(SyscallFilter.AUDIT_ARCH_X86_64, number, arguments),
                        machine.run(SyscallFilter.AUDIT_ARCH_X86_64, number, arguments),
                        () -> Arrays.toString(arguments));
                assertThat(machine.executed())
                        .as("instructions of system call " + number)
                        .isLessThan(40);
            }
            assertEquals(
                    SyscallFilter.KILL,
                    machine.run(SyscallFilter.AUDIT_ARCH_X86_64, number | SyscallFilter.X32_BIT, 0, 0, 0, 0, 0, 0),
                    "x32");
            assertEquals(
                    SyscallFilter.KILL,
                    machine.run(I386, number, 0, 0, 0, 0, 0, 0),
                    "i386, whose numbers mean other things");
        }
    }

    private static List<long[]> interesting(SyscallFilter filter, int number) {
        Random random = new Random(number);
        List<long[]> all =
                new java.util.ArrayList<>(List.of(new long[6], random.longs(6).toArray()));
        filter.rules().forEach((call, rule) -> {
            if (call.number() != number) return;
            for (Check check : rule.checks().stream()
                    .flatMap(each -> Stream.of(each, each.when() == null ? each : each.when()))
                    .toList()) {
                for (int value : check.values()) {
                    for (long near : new long[] {
                        value, value + 1, value - 1, ~value, value | 1L << 40, Integer.toUnsignedLong(value)
                    }) {
                        long[] arguments = new long[6];
                        arguments[check.argument()] = near;
                        all.add(arguments);
                    }
                }
            }
        });
        return all;
    }

    @Property(tries = 300)
    void anySetOfRulesIsCompiledRight(@ForAll Random random) {
        SyscallFilter filter = new SyscallFilter();
        for (Syscall call : Syscall.values()) {
            switch (random.nextInt(6)) {
                case 0 -> filter.allow(call);
                case 1 -> filter.kill(call);
                case 2 -> filter.pretendMissing(call);
                case 3 ->
                    filter.allowIf(
                            call,
                            new Check(
                                    random.nextInt(6),
                                    random.nextInt(),
                                    "any",
                                    anyCondition(random),
                                    random.ints(1 + random.nextInt(60)).toArray()),
                            Check.without(random.nextInt(6), "any", 1 << random.nextInt(32)));
                default -> {}
            }
        }
        BpfMachine machine = new BpfMachine(filter.program());
        for (int number = 0; number < HIGHEST; number++) {
            for (long[] arguments :
                    interesting(filter, number).stream().limit(30).toList()) {
                assertEquals(
                        filter.answer(SyscallFilter.AUDIT_ARCH_X86_64, number, arguments),
                        machine.run(SyscallFilter.AUDIT_ARCH_X86_64, number, arguments));
            }
        }
    }

    private static Check anyCondition(Random random) {
        return random.nextBoolean()
                ? null
                : Check.oneOf(
                        random.nextInt(6),
                        "any",
                        random.ints(1 + random.nextInt(3)).toArray());
    }

    /**
     * A file description is shared with the monitor: O_NONBLOCK, 0x800, stays, and O_ASYNC, 0x2000, is not set. 4 is
     * F_SETFL, 3 is F_GETFL.
     */
    @ParameterizedTest
    @MethodSource("lists")
    void oNonblockCannotBeCleared(SyscallFilter filter) {
        for (int flags : new int[] {0, 2, 0x400, 0x2000, 0x2802, 0x4800, 0x40800})
            assertEquals(SyscallFilter.REFUSE, fcntl(filter, 4, flags), "F_SETFL 0x" + Integer.toHexString(flags));
        for (int flags : new int[] {0x800, 0x801, 0x802, 0x8802})
            assertEquals(SyscallFilter.ALLOW, fcntl(filter, 4, flags), "F_SETFL 0x" + Integer.toHexString(flags));
        assertEquals(SyscallFilter.ALLOW, fcntl(filter, 3, 0), "F_GETFL has no such argument");
        assertEquals(
                SyscallFilter.REFUSE,
                filter.answer(SyscallFilter.AUDIT_ARCH_X86_64, Syscall.IOCTL.number(), 5, 0x5421, 0, 0, 0, 0),
                "FIONBIO");
    }

    /**
     * A process makes no file in memory, and no shared memory, since neither is counted as its own; the disk's files
     * are open already. 319 is memfd_create, 9 mmap, 0x20 MAP_ANONYMOUS, 77 ftruncate.
     */
    @ParameterizedTest
    @MethodSource("lists")
    void memoryThatIsNotCountedIsNotHad(SyscallFilter filter) {
        assertEquals(SyscallFilter.REFUSE, filter.answer(SyscallFilter.AUDIT_ARCH_X86_64, 319, 0, 0, 0, 0, 0, 0));
        for (int flags : new int[] {0x21, 0x23, 0x4021})
            assertEquals(
                    SyscallFilter.REFUSE,
                    filter.answer(SyscallFilter.AUDIT_ARCH_X86_64, 9, 0, 4096, 3, flags, -1, 0),
                    "anonymous and shared");
        for (int flags : new int[] {0x22, 0x4022, 0x01, 0x11})
            assertEquals(
                    SyscallFilter.ALLOW,
                    filter.answer(SyscallFilter.AUDIT_ARCH_X86_64, 9, 0, 4096, 3, flags, 5, 0),
                    "private, or of a file");
    }

    private static int fcntl(SyscallFilter filter, int command, int argument) {
        return filter.answer(SyscallFilter.AUDIT_ARCH_X86_64, Syscall.FCNTL.number(), 5, command, argument, 0, 0, 0);
    }

    @ParameterizedTest
    @MethodSource("lists")
    void nothingThatOpensConnectsOrStartsIsAllowed(SyscallFilter filter) {
        // open, openat, openat2, creat, socket, socketpair, connect, bind, accept, listen, fork, execve, ptrace, kill,
        // unlink, rename, mkdir, link, symlink, chmod, chown, setuid, prlimit64, pidfd_open, io_uring_setup
        for (int number : new int[] {
            2, 257, 437, 85, 41, 53, 42, 49, 43, 50, 57, 59, 101, 62, 87, 82, 83, 86, 88, 90, 92, 105, 302, 434, 425
        }) {
            assertThat(filter.answer(SyscallFilter.AUDIT_ARCH_X86_64, number, 0, 0, 0, 0, 0, 0))
                    .as("system call " + number)
                    .isNotEqualTo(Seccomp.SECCOMP_RET_ALLOW);
        }
    }

    /** Connections come in; a process makes none, by no list. */
    @Test
    void onlyDevicesWithSocketsOfTheirOwnAccept() {
        assertThat(lists().stream()
                        .map(filter -> filter.answer(
                                        SyscallFilter.AUDIT_ARCH_X86_64, Syscall.ACCEPT4.number(), 0, 0, 0, 0, 0, 0)
                                == SyscallFilter.ALLOW))
                .containsExactly(false, false, false, false, true, true);
    }

    @Test
    void listsFitTheKernel() {
        for (SyscallFilter filter : lists()) assertThat(filter.program().length).isLessThan(Seccomp.BPF_MAXINSNS);
    }

    @Test
    void numbersAreTheHeaders(@TempDir Path directory) throws Exception {
        assumeTrue(
                Files.isExecutable(Path.of("/usr/bin/gcc")) && Files.exists(Path.of("/usr/include/linux/seccomp.h")),
                "skipped: no C compiler here (gcc, libc6-dev)");
        StringBuilder source = new StringBuilder("#include <stdio.h>\n#include <sys/syscall.h>\nint main(void) {\n");
        for (Syscall call : Syscall.values()) {
            if (call == Syscall.MSEAL) continue; // younger than the headers of Debian 12
            source.append("printf(\"")
                    .append(call.name())
                    .append(" %d\\n\", SYS_")
                    .append(call.label())
                    .append(");\n");
        }
        Path file = Files.writeString(directory.resolve("numbers.c"), source.append("return 0; }\n"));
        assertEquals(
                0,
                new ProcessBuilder(
                                "/usr/bin/gcc",
                                "-o",
                                directory.resolve("numbers").toString(),
                                file.toString())
                        .inheritIO()
                        .start()
                        .waitFor());
        Process run = new ProcessBuilder(directory.resolve("numbers").toString()).start();
        List<String> lines = run.inputReader().lines().toList();
        assertThat(lines).hasSize(Syscall.values().length - 1);
        for (String line : lines)
            assertEquals(
                    Integer.parseInt(line.split(" ")[1]),
                    Syscall.valueOf(line.split(" ")[0]).number(),
                    line);
        assertThat(Arrays.stream(Syscall.values()).map(Syscall::number))
                .isSorted()
                .doesNotHaveDuplicates();
    }
}
