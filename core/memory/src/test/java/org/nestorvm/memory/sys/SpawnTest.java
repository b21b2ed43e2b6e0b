package org.nestorvm.memory.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Programs of the system stand for a device process. */
class SpawnTest {
    private static final String SHELL = "/bin/sh";

    @BeforeEach
    void thereIsAShell() {
        assumeTrue(Files.isExecutable(Path.of(SHELL)), "skipped: no " + SHELL);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theProgramHasTheDescriptorsItIsGivenAndNoOthers(boolean closeFrom) throws IOException {
        int inheritable = Events.eventfd("not close-on-exec", 0, 0);
        Descriptors.fcntl("eventfd", inheritable, Descriptors.F_SETFD, 0);
        try (Primitive.Absence _ = closeFrom ? () -> {} : Primitive.CLOSE_FROM.assumeAbsent()) {
            String open =
                    outputOf("for f in /proc/self/fd/*; do echo ${f##*/}; done; readlink /proc/self/fd/3", List.of());
            // The shell's own descriptor for the pattern is open while it expands.
            assertThat(open.lines().filter(line -> line.matches("\\d+")).map(Integer::valueOf))
                    .contains(0, 1, 2, 3)
                    .allMatch(number -> number <= 4 || number == 10);
            assertThat(open).contains("eventfd");
        } finally {
            Descriptors.close(inheritable);
        }
    }

    @Test
    void theEnvironmentIsTheOneGivenAndTheSessionItsOwn() throws IOException {
        String told = outputOf(
                "tr '\\0' '\\n' </proc/self/environ; cut -d' ' -f6 /proc/$$/stat; echo $$", List.of("NESTOR=here"));
        List<String> lines = told.lines()
                .filter(line -> !line.startsWith("PWD=") && !line.startsWith("_=") && !line.startsWith("OLDPWD="))
                .toList();
        assertThat(lines).startsWith("NESTOR=here").hasSize(3);
        assertEquals(lines.get(2), lines.get(1), "the session's leader is the program");
    }

    @Test
    void crossedDescriptorsDoNotOverwriteEachOther() throws IOException {
        int[] first = Descriptors.pipe("first"), second = Descriptors.pipe("second");
        int[] sources = Stream.of(first[1], second[1])
                .mapToInt(Integer::intValue)
                .sorted()
                .toArray();
        // Numbers that the new program uses are sources at the same time: 0 to 3 are given in reverse order of what
        // they become.
        int pid = Spawn.start(
                SHELL, List.of("sh", "-c", "echo a >&3; echo b >&4"), List.of(), 0, 1, 2, sources[1], sources[0]);
        assertEquals(0, Processes.reap(pid, true));
        assertEquals("a\n", readAll(sources[1] == first[1] ? first : second));
        assertEquals("b\n", readAll(sources[0] == first[1] ? first : second));
    }

    @Test
    void theTimeOfAnotherProcessIsCountedAndBounded() throws IOException {
        int pid = Spawn.start(SHELL, List.of("sh", "-c", "while :; do :; done"), List.of(), 0, 1, 2);
        assertThat(Processes.tryCpuTimeNs(pid)).isNotNegative();
        assertEquals(0, Processes.trySetSoftLimit(pid, Processes.RLIMIT_CPU, 1));
        assertEquals(128 + Processes.SIGXCPU, Processes.reap(pid, true));
        assertEquals(-Errno.ESRCH, Processes.tryCpuTimeNs(pid));
        assertEquals(-Errno.ESRCH, Processes.trySetSoftLimit(pid, Processes.RLIMIT_CPU, 1));
    }

    @Test
    void statusIsTheShells() throws IOException {
        assertEquals(7, Processes.reap(Spawn.start(SHELL, List.of("sh", "-c", "exit 7"), List.of(), 0, 1, 2), true));
        assertEquals(
                128 + Processes.SIGKILL,
                Processes.reap(Spawn.start(SHELL, List.of("sh", "-c", "kill -9 $$"), List.of(), 0, 1, 2), true));
        assertThatThrownBy(() -> Processes.reap(1, false))
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining("process 1")
                .hasMessageContaining("ECHILD");
    }

    @Test
    void pidfdIsReadableWhenTheProcessHasEnded() throws IOException {
        assumeTrue(Primitive.PIDFD.present(), "skipped: no pidfd_open");
        int[] input = Descriptors.pipe("input");
        int pid = Spawn.start(SHELL, List.of("sh", "-c", "read line"), List.of(), input[0], 1, 2);
        int pidfd = Processes.pidfdOpen("shell", pid);
        assertEquals(0, Events.tryPoll(pidfd, Events.POLLIN, 0));
        assertEquals(Processes.STILL_RUNNING, Processes.reap(pid, false));
        Descriptors.close(input[1]);
        assertEquals(Events.POLLIN, Events.tryPoll(pidfd, Events.POLLIN, 10_000));
        assertEquals(1, Processes.reap(pid, false));
        Descriptors.close(pidfd);
        Descriptors.close(input[0]);
    }

    @Test
    void whatIsNotThereIsNamed() {
        assertThatThrownBy(() -> Spawn.start("/no/such/java", List.of("java"), List.of(), 0, 1, 2))
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining("posix_spawn of /no/such/java: ENOENT");
        assertThatThrownBy(() -> Spawn.start(SHELL, List.of("sh"), List.of(), 0, 1, 4711))
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining("EBADF");
    }

    @Test
    void randomBytesFillTheLengthAskedFor() {
        byte[] bytes = new byte[5000];
        Entropy.fill(bytes, 4000);
        int zeros = 0;
        for (int i = 0; i < 4000; i++) zeros += bytes[i] == 0 ? 1 : 0;
        assertThat(zeros).isLessThan(100);
        for (int i = 4000; i < bytes.length; i++) assertEquals(0, bytes[i]);
    }

    /** Standard output of a script that also has an eventfd as number 3. */
    private static String outputOf(String script, List<String> environment) throws IOException {
        int[] output = Descriptors.pipe("output");
        int eventfd = Events.eventfd("given", 0, 0);
        int pid = Spawn.start(SHELL, List.of("sh", "-c", script), environment, 0, output[1], 2, eventfd);
        Descriptors.close(eventfd);
        String text = readAll(output);
        assertEquals(0, Processes.reap(pid, true));
        return text;
    }

    private static String readAll(int[] pipe) throws IOException {
        Descriptors.close(pipe[1]);
        StringBuilder text = new StringBuilder();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(4096);
            for (; ; ) {
                int count = (int) Descriptors.read("pipe", pipe[0], buffer.address(), buffer.byteSize());
                if (count == 0) break;
                byte[] bytes = new byte[count];
                HostMemory.copyOut(buffer.address(), bytes, 0, count);
                text.append(new String(bytes, StandardCharsets.UTF_8));
            }
        }
        Descriptors.close(pipe[0]);
        return text.toString();
    }
}
