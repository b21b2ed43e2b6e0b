package org.nestorvm.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.Processes;

/** A program in passt's place that does not end when its socket is closed, as versions of 2023 sometimes do not. */
@Timeout(60)
class PasstEndTest {
    private static final List<String> STAYS = List.of("sh", "-c", "echo ready >&4; exec sleep 1000"),
            SPINS = List.of("sh", "-c", "echo ready >&4; while :; do :; done");
    private static final PasstProgram.Pace LIMITED = new PasstProgram.Pace(100, 20, 10, 10, 2);
    private static final int POLL_MS = 50;
    private static final long GRACE_NS = 200_000_000;

    private static boolean runs(long pid) throws IOException {
        try {
            return !Files.readString(Path.of("/proc/" + pid + "/cmdline"))
                    .isEmpty(); // nothing for one that is only waited for
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void closingEndsIt() throws Exception {
        PasstBackend passt = PasstBackend.start("/bin/sh", STAYS);
        assertTrue(runs(passt.pid()));
        passt.release();
        assertFalse(runs(passt.pid()));
    }

    @Test
    void theEndOfTheMonitorEndsIt() throws Exception {
        Process monitor = monitor("stays");
        try {
            long pid = Long.parseLong(monitor.inputReader().readLine());
            assertTrue(runs(pid));
            monitor.destroy();
            assertTrue(monitor.waitFor(20, TimeUnit.SECONDS));
            assertEquals(128 + 15, monitor.exitValue(), "SIGTERM");
            awaitEnd(pid);
        } finally {
            monitor.destroyForcibly();
        }
    }

    /** It has its signal by now, but perhaps not a processor to die on. */
    private static void awaitEnd(long pid) throws Exception {
        while (runs(pid)) Thread.sleep(POLL_MS);
    }

    /** Nobody is left then who could end it, but for the kernel. */
    @Timeout(180) // seconds of a processor, which others may want too
    @Test
    void oneThatSpinsDoesNotSurviveAMonitorThatIsKilled() throws Exception {
        Process monitor = monitor("spins");
        int pid = 0;
        try {
            pid = Integer.parseInt(monitor.inputReader().readLine());
            while (Processes.tryCpuTimeNs(pid) < TimeUnit.SECONDS.toNanos(LIMITED.processorSeconds()) + GRACE_NS) {
                assertTrue(runs(pid), "as long as the monitor lives it may go on");
                Thread.sleep(POLL_MS);
            }
            monitor.destroyForcibly().waitFor();
            awaitEnd(pid);
        } finally {
            monitor.destroyForcibly();
            if (pid > 0 && runs(pid)) Processes.tryKill(pid, Processes.SIGKILL);
        }
    }

    private static Process monitor(String program) throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Monitor.class.getName(),
                        program)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    /** The other process. */
    static final class Monitor {
        public static void main(String[] arguments) throws Exception {
            System.out.println(
                    PasstBackend.start("/bin/sh", arguments[0].equals("spins") ? SPINS : STAYS, LIMITED, null)
                            .pid());
            new CountDownLatch(1).await();
        }
    }
}
