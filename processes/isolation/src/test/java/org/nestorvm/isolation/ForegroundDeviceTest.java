package org.nestorvm.isolation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Processes;

/** {@code nestor device}, with a front end of the test's. */
@Timeout(60)
class ForegroundDeviceTest {
    private static final int POLL_MS = 20;

    /**
     * Some versions of it come to spin, and see neither packets nor the end of their socket any more; a stopped one
     * stands for them.
     */
    @Test
    void aPasstThatDoesNotLookIsGoneWithTheDevice(@TempDir Path directory) throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/passt")), "passt is not here: apt-get install passt");
        Path socket = directory.resolve("net");
        FutureTask<Integer> status =
                new FutureTask<>(() -> ForegroundDevice.run("net", "--socket", socket.toString(), "--net", "user"));
        Thread.ofPlatform().start(status);
        ProcessHandle passt;
        try (DescriptorChannel front = connect(socket, status)) {
            passt = ProcessHandle.current()
                    .descendants()
                    .filter(child -> name(child).startsWith("passt"))
                    .findAny()
                    .orElseThrow();
            Processes.tryKill((int) passt.pid(), Processes.SIGSTOP);
        }
        assertEquals(0, status.get(30, TimeUnit.SECONDS));
        assertThat(passt.isAlive()).isFalse();
    }

    /** Who looks after the command may start it again. */
    @Test
    void theDeviceIsGoneWithItsPasst(@TempDir Path directory) throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/passt")), "passt is not here: apt-get install passt");
        Path socket = directory.resolve("net");
        FutureTask<Integer> status =
                new FutureTask<>(() -> ForegroundDevice.run("net", "--socket", socket.toString(), "--net", "user"));
        Thread.ofPlatform().start(status);
        try (DescriptorChannel _ = connect(socket, status)) {
            ProcessHandle.current()
                    .descendants()
                    .filter(child -> name(child).startsWith("passt"))
                    .findAny()
                    .orElseThrow()
                    .destroyForcibly();
            assertEquals(128 + Processes.SIGKILL, status.get(30, TimeUnit.SECONDS));
        }
    }

    private static DescriptorChannel connect(Path socket, FutureTask<Integer> running) throws Exception {
        for (; ; ) {
            if (running.isDone()) throw new AssertionError("it has ended with " + running.get());
            try {
                return DescriptorChannel.connect(socket);
            } catch (ErrnoException e) {
                assertThat(e.errno())
                        .isIn(Errno.ENOENT, Errno.ECONNREFUSED); // not bound yet, or it does not listen yet
            }
            Thread.sleep(POLL_MS);
        }
    }

    static String name(ProcessHandle process) {
        try {
            return Files.readString(Path.of("/proc/" + process.pid() + "/comm"));
        } catch (IOException e) {
            return ""; // it has ended meanwhile
        }
    }
}
