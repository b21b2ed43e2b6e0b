package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.virtio.balloon.BalloonDevice;
import org.nestorvm.virtio.balloon.BalloonOptions;
import org.nestorvm.virtio.balloon.BalloonStatistics;
import org.nestorvm.virtio.console.ConsoleDevice;
import org.nestorvm.virtio.console.ConsoleOptions;

/**
 * Linux's drivers for two devices: a terminal of the right size, a named port, and memory that comes and goes. Beside
 * them devices that {@code nestor device} serves.
 */
class ConsoleAndBalloonGuestTest {
    private static final long MIB = 1 << 20;
    private static final String CHECKS = """
        exec 3<>/dev/hvc0
        say size $(stty size <&3)
        for port in /sys/class/virtio-ports/*; do case "$(cat $port/name 2>/dev/null)" in agent) \
        agent=/dev/${port##*/} ;; esac; done
        exec 4<>$agent
        echo from the guest >&4
        read line <&4
        say agent $line
        echo ready >&3
        read line <&3
        say typed $line
        read line <&3
        say last $line
        """ + DiscAndSockets.SCRIPT;

    @TempDir
    Path folder;

    @Test
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    void linuxUsesThem() throws Exception {
        DiscAndSockets others = new DiscAndSockets(folder);
        CheckedGuest guest = CheckedGuest.with(folder, CHECKS, others.files());
        ByteArrayOutputStream serial = new ByteArrayOutputStream(), terminal = new ByteArrayOutputStream();
        AtomicReference<Machine> machine = new AtomicReference<>();
        BalloonDevice balloon = new BalloonDevice(
                "balloon",
                BalloonOptions.parse("on"),
                (gpa, sizeBytes) -> machine.get().vm().discardWithin(gpa, sizeBytes));
        ConsoleDevice console = new ConsoleDevice(
                "console", ConsoleOptions.parse("cols=90,rows=30,port=agent:" + folder.resolve("agent")), terminal);
        try (SocketChannel agent = SocketChannel.open(StandardProtocolFamily.UNIX);
                Machine made = Machine.create(guest.config()
                        .withDevice(onCallersThread -> console)
                        .withDevice(onCallersThread -> balloon)
                        .withDevice(Devices.vhostUser("cd", 8, others.drive.socket, 3, 128))
                        .withDevice(Devices.vhostUser("vsock", 19, others.sockets.socket, 3, 128))
                        .withConsole(serial))) {
            machine.set(made);
            agent.connect(UnixDomainSocketAddress.of(folder.resolve("agent")));
            agent.write(ByteBuffer.wrap("from the host\n".getBytes(StandardCharsets.UTF_8)));
            made.start();
            ByteBuffer heard = ByteBuffer.allocate("from the guest\n".length());
            while (heard.hasRemaining() && agent.read(heard) >= 0) {}
            assertEquals("from the guest\n", new String(heard.array(), StandardCharsets.UTF_8), serial::toString);
            await(() -> terminal.toString().contains("ready"));

            balloon.setTarget(64 * MIB);
            await(() -> balloon.actualBytes() == 64 * MIB);
            assertThat(balloon.releasedBytes()).isGreaterThanOrEqualTo(64 * MIB);
            BalloonStatistics statistics = balloon.requestStatistics().get(60, TimeUnit.SECONDS);
            assertThat(statistics.get(BalloonStatistics.Tag.TOTAL_BYTES).orElseThrow())
                    .isBetween(64 * MIB, made.config().memoryBytes());
            type(console, "all is well\n");

            balloon.setTarget(0);
            await(() -> balloon.actualBytes() == 0);
            long released = balloon.releasedBytes();
            await(() -> balloon.releasedBytes() > released); // what was in the balloon is free, and Linux reports it
            type(console, "good night\n");
            assertEquals(Outcome.Kind.POWERED_OFF, made.await().kind(), serial::toString);
        }
        assertThat(serial.toString())
                .contains("@@ size 30 90", "@@ agent from the host", "@@ typed all is well", "@@ last good night");
        others.check(CheckedGuest.said(serial.toString()));
    }

    private static void type(ConsoleDevice console, String text) {
        assertEquals(text.length(), console.offer(text.getBytes(StandardCharsets.UTF_8), 0, text.length()));
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(90); !condition.getAsBoolean(); Thread.sleep(20))
            assertThat(System.nanoTime()).isLessThan(end);
    }
}
