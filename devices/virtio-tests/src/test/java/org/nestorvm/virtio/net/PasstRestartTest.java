package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.DriverMemory;

/**
 * Programs in passt's place: a first one that fails in some way, and then ones that say hello and send back what they
 * are sent.
 */
@Timeout(60)
class PasstRestartTest {
    static final PasstProgram.Pace QUICK = new PasstProgram.Pace(100, 20, 10, 10, 30);
    private static final long FEATURES = Features.VERSION_1 | NetFeatures.STATUS | NetFeatures.MRG_RXBUF;
    /** A frame of 60 bytes, all zero. */
    private static final String ECHOES =
            "printf '\\000\\000\\000\\074' >&3; head -c 60 /dev/zero >&3; echo >&4; exec cat <&3 >&3";
    /** The beginning of a frame of 100 bytes. */
    private static final String PART = "printf '\\000\\000\\000\\144' >&3; head -c 10 /dev/zero >&3; ";

    private static final byte[] HELLO = new byte[60];

    @TempDir
    Path directory;

    private PasstBackend start(String first, Runnable lost) throws IOException {
        String program =
                "if mkdir " + directory.resolve("first") + " 2>/dev/null; then " + first + "; else " + ECHOES + "; fi";
        return PasstBackend.start("/bin/sh", List.of("passt", "-c", program), QUICK, lost);
    }

    private static NetDevice device(PasstBackend passt) throws IOException {
        return new NetDevice("net0", passt, MacAddress.parse("52:54:00:00:00:01"), 0, null);
    }

    private static void awaitHello(NetDriver driver) throws InterruptedException {
        assertArrayEquals(HELLO, Packets.without(driver.receive()));
    }

    private static void talk(NetDriver driver) throws InterruptedException {
        for (int i = 0; i < 50; i++) {
            driver.send(Packets.plain(Packets.frame(60 + i, i)));
            assertArrayEquals(Packets.frame(60 + i, i), Packets.without(driver.receive()));
        }
    }

    @Test
    void oneThatReadsNothingIsReplacedThoughPacketsWereUnderWay() throws Exception {
        PasstBackend passt = start(PART + "echo >&4; exec sleep 1000", null);
        ProcessHandle hanging = ProcessHandle.of(passt.pid()).orElseThrow();
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = device(passt);
                NetDriver driver = new NetDriver(device, memory, FEATURES)) {
            driver.post(32, 1600);
            for (int sent = 0; sent < 3000; sent++) { // more than the socket takes: one goes in part
                if (sent % 200 == 0) driver.awaitSent();
                driver.send(Packets.plain(Packets.frame(1514, sent)));
            }
            awaitHello(driver);
            driver.send(Packets.plain(Packets.frame(100, 0)));
            byte[] echo; // of what was sent after the hello came, and was not looked at
            while ((echo = Packets.without(driver.receive())).length != 100) assertEquals(1514, echo.length);
            assertArrayEquals(Packets.frame(100, 0), echo);
            talk(driver);
            assertThat(hanging.isAlive()).isFalse();
            assertNotEquals(hanging.pid(), passt.pid());
            assertEquals(1, device.config().get(6, 2), "the link stays up");
        }
        assertThat(ProcessHandle.of(passt.pid())).isEmpty();
    }

    /** As versions of 2023 do. */
    @Test
    void oneThatSpinsIsReplaced() throws Exception {
        isReplaced("echo >&4; while :; do :; done");
    }

    @Test
    void oneThatEndsIsReplaced() throws Exception {
        isReplaced(PART + "echo >&4; head -c 1 <&3 >/dev/null; exit 3");
    }

    @Test
    void oneThatClosesItsSocketIsReplaced() throws Exception {
        isReplaced("echo >&4; head -c 1 <&3 >/dev/null; exec 3>&-; exec sleep 1000");
    }

    private void isReplaced(String first) throws Exception {
        PasstBackend passt = start(first, null);
        ProcessHandle replaced = ProcessHandle.of(passt.pid()).orElseThrow();
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = device(passt);
                NetDriver driver = new NetDriver(device, memory, FEATURES)) {
            driver.post(32, 1600);
            driver.send(Packets.plain(Packets.frame(60, 1)));
            awaitHello(driver);
            talk(driver);
            assertThat(replaced.isAlive()).isFalse();
            assertEquals(1, device.config().get(6, 2), "the link stays up");
        }
    }

    @Test
    void oneThatEndsBeforeTheDriverComesIsReplaced() throws Exception {
        PasstBackend passt = start("echo >&4; exec sleep 1000", null);
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = device(passt)) {
            ProcessHandle first = ProcessHandle.of(passt.pid()).orElseThrow();
            first.destroyForcibly();
            first.onExit().get(20, TimeUnit.SECONDS);
            try (NetDriver driver = new NetDriver(device, memory, FEATURES)) {
                driver.post(32, 1600);
                awaitHello(driver);
                talk(driver);
                assertEquals(1, device.config().get(6, 2));
            }
        }
    }

    @Test
    void theLinkGoesDownWhenTooManyEnd() throws Exception {
        PasstBackend passt = start(ECHOES, null);
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = device(passt);
                NetDriver driver = new NetDriver(device, memory, FEATURES)) {
            driver.post(32, 1600);
            for (int i = 0; i <= PasstBackend.RESTARTS; i++) {
                awaitHello(driver);
                talk(driver);
                assertEquals(1, device.config().get(6, 2));
                ProcessHandle.of(passt.pid()).orElseThrow().destroyForcibly();
            }
            driver.driver.awaitConfigChange();
            assertEquals(0, device.config().get(6, 2));
            driver.send(Packets.plain(Packets.frame(60, 1)));
            driver.awaitSent();
        }
    }

    @Test
    void theLinkGoesDownWhenNoneStarts() throws Exception {
        String first = "echo >&4; head -c 1 <&3 >/dev/null; exit 3";
        PasstBackend passt = PasstBackend.start(
                "/bin/sh",
                List.of("passt", "-c", "mkdir " + directory.resolve("first") + " 2>/dev/null || exit 4; " + first),
                QUICK,
                null);
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = device(passt);
                NetDriver driver = new NetDriver(device, memory, FEATURES)) {
            driver.send(Packets.plain(Packets.frame(60, 1)));
            driver.driver.awaitConfigChange();
            assertEquals(0, device.config().get(6, 2));
        }
    }

    /** The program waits for us, and is not to blame. */
    @Test
    void oneWhoseFramesNobodyTakesIsLeftAlone() throws Exception {
        PasstBackend passt = start("echo >&4; exec cat /dev/zero >&3", null);
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = device(passt)) {
            int socket = passt.duplicate();
            ProcessHandle program = ProcessHandle.of(passt.pid()).orElseThrow();
            try (Peer ours = new Peer(socket, true)) {
                ours.send(Packets.frame(60, 1));
                Thread.sleep(2
                        * (QUICK.restMs()
                                + QUICK.looks() * QUICK.suspectMs())); // nothing happens, which no event tells
                assertThat(program.isAlive()).isTrue();
            }
        }
    }

    /** Where the stream is another process's there is nothing to put a successor's into. */
    @Test
    void theKeeperOfAStreamIsTold() throws Exception {
        Semaphore told = new Semaphore(0);
        PasstBackend passt = start("echo >&4; exec sleep 1000", told::release);
        ProcessHandle hanging = ProcessHandle.of(passt.pid()).orElseThrow();
        try (Peer device = new Peer(passt.duplicate(), true)) {
            device.send(Packets.frame(60, 1));
            assertThat(told.tryAcquire(20, TimeUnit.SECONDS)).isTrue();
            hanging.onExit().get(20, TimeUnit.SECONDS);
            assertEquals(hanging.pid(), passt.pid());
        }
        passt.release();
    }
}
