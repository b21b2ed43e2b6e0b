package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.DriverMemory;

/**
 * A conversation with the real passt: an address by DHCP, its router by ARP, and a TCP connection to a server on this
 * host's loopback.
 */
@Timeout(60)
class PasstTest {
    private static final byte[] BROADCAST = {-1, -1, -1, -1, -1, -1};
    private static final long FEATURES = Features.VERSION_1
            | NetFeatures.HOST_OFFLOADS
            | NetFeatures.GUEST_CSUM
            | NetFeatures.MRG_RXBUF
            | NetFeatures.STATUS;
    private static final Path PASST = Path.of("/usr/bin/passt");
    private static final int SYN = 2, PSH = 8, ACK = 16;

    private static NetDevice open(String options) throws IOException {
        try {
            return NetOptions.parse(options + ",mac=52:54:00:00:00:01").open("net0");
        } catch (IOException e) {
            return abort(e.getMessage());
        }
    }

    private static byte[] ethernet(byte[] to, int type, byte[] payload) {
        return ByteBuffer.allocate(14 + payload.length)
                .put(to)
                .put(Packets.GUEST_MAC)
                .putShort((short) type)
                .put(payload)
                .array();
    }

    private static byte[] ipv4(byte[] from, byte[] to, int protocol, byte[] payload) {
        ByteBuffer ip = ByteBuffer.allocate(20 + payload.length)
                .put((byte) 0x45)
                .put((byte) 0)
                .putShort((short) (20 + payload.length))
                .putInt(0x00010000)
                .put((byte) 64)
                .put((byte) protocol)
                .putShort((short) 0)
                .put(from)
                .put(to);
        ip.putShort(10, (short) ~Packets.sum(ip.array(), 0, 20, 0));
        return ip.put(payload).array();
    }

    /** Leaves the checksum to the device. */
    private static byte[] partial(byte[] frame, int checksumOffset) {
        ByteBuffer buffer = ByteBuffer.wrap(frame);
        int length = frame.length - 34;
        int pseudo = Packets.sum(
                new byte[] {0, frame[23], (byte) (length >>> 8), (byte) length}, 0, 4, Packets.sum(frame, 26, 8, 0));
        buffer.putShort(34 + checksumOffset, (short) pseudo);
        return Packets.join(Packets.header(NetHeader.F_NEEDS_CSUM, 0, 0, 34, checksumOffset), frame);
    }

    private static byte[] discover() {
        ByteBuffer dhcp = ByteBuffer.allocate(8 + 300);
        dhcp.putShort((short) 68).putShort((short) 67).putShort((short) 308).putShort((short) 0);
        dhcp.putInt(0x01010600)
                .putInt(0x12345678)
                .position(8 + 28)
                .put(Packets.GUEST_MAC)
                .position(8 + 236)
                .putInt(0x63825363)
                .put(new byte[] {53, 1, 1, (byte) 255});
        return partial(
                ethernet(BROADCAST, 0x0800, ipv4(new byte[4], new byte[] {-1, -1, -1, -1}, Packets.UDP, dhcp.array())),
                6);
    }

    private static byte[] tcp(
            byte[] router, byte[] from, byte[] to, int port, int flags, int sequence, int acknowledged, byte[] data) {
        ByteBuffer tcp = ByteBuffer.allocate(20 + data.length)
                .putShort((short) 40_000)
                .putShort((short) port)
                .putInt(sequence)
                .putInt(acknowledged)
                .put((byte) 0x50)
                .put((byte) flags)
                .putShort((short) 32_000)
                .putInt(0)
                .put(data);
        return partial(ethernet(router, 0x0800, ipv4(from, to, Packets.TCP, tcp.array())), 16);
    }

    private static byte[] await(NetDriver driver, Predicate<ByteBuffer> wanted) throws InterruptedException {
        for (; ; ) {
            byte[] packet = driver.receive();
            if (wanted.test(ByteBuffer.wrap(packet, NetHeader.BYTES, packet.length - NetHeader.BYTES)
                    .slice())) return Packets.without(packet);
        }
    }

    private static byte[] option(byte[] offer, int code) {
        for (int at = 14 + 28 + 240; at < offer.length && offer[at] != -1; at += 2 + offer[at + 1]) {
            if (offer[at] == code) return java.util.Arrays.copyOfRange(offer, at + 2, at + 2 + offer[at + 1]);
        }
        throw new AssertionError("the offer has no option " + code);
    }

    private static byte[] at(byte[] frame, int from, int length) {
        return java.util.Arrays.copyOfRange(frame, from, from + length);
    }

    @Test
    void anAddressARouterAndAConnection() throws Exception {
        int pid;
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = open("user");
                NetDriver driver = new NetDriver(device, memory, FEATURES);
                ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            pid = ((PasstBackend) device.backend()).pid();
            assertTrue(ProcessHandle.of(pid).isPresent());
            driver.post(32, 1600);
            driver.send(discover());
            talk(driver, server, await(driver, PasstTest::isOffer));
            assertEquals(0, device.count(NetCounters.Kind.SEND_DROPPED));
        }
        assertThat(ProcessHandle.of(pid).filter(ProcessHandle::isAlive))
                .as("passt is gone with the device")
                .isEmpty();
    }

    private static boolean isOffer(ByteBuffer frame) {
        return frame.limit() > 282
                && frame.getShort(12) == 0x0800
                && frame.get(23) == Packets.UDP
                && frame.getShort(36) == 68;
    }

    private static byte[] addressOf(byte[] offer) {
        return at(offer, 14 + 28 + 16, 4);
    }

    private static void talk(NetDriver driver, ServerSocket server, byte[] offer) throws Exception {
        byte[] address = addressOf(offer), router = option(offer, 3);
        assertArrayEquals(new byte[] {2}, option(offer, 53));
        byte[] question = ByteBuffer.allocate(28)
                .putInt(0x00010800)
                .putInt(0x06040001)
                .put(Packets.GUEST_MAC)
                .put(address)
                .put(new byte[6])
                .put(router)
                .array();
        driver.send(Packets.plain(ethernet(BROADCAST, 0x0806, question)));
        byte[] answer = await(driver, frame -> frame.getShort(12) == 0x0806 && frame.getShort(20) == 2);
        assertArrayEquals(router, at(answer, 28, 4));
        converse(driver, server, address, router, at(answer, 22, 6));
    }

    /** passt takes what goes to the router for this host's loopback. */
    private static void converse(NetDriver driver, ServerSocket server, byte[] address, byte[] router, byte[] routerMac)
            throws Exception {
        int port = server.getLocalPort();
        Predicate<ByteBuffer> fromServer = frame -> frame.limit() >= 54
                && frame.getShort(12) == 0x0800
                && frame.get(23) == Packets.TCP
                && frame.getShort(36) == (short) 40_000;
        driver.send(tcp(routerMac, address, router, port, SYN, 1000, 0, new byte[0]));
        ByteBuffer synAck = ByteBuffer.wrap(await(driver, fromServer));
        assertEquals(SYN | ACK, synAck.get(47));
        assertEquals(1001, synAck.getInt(42));
        int sequence = synAck.getInt(38) + 1;
        byte[] hello = "hello".getBytes(StandardCharsets.US_ASCII);
        driver.send(tcp(routerMac, address, router, port, ACK, 1001, sequence, new byte[0]));
        driver.send(tcp(routerMac, address, router, port, ACK | PSH, 1001, sequence, hello));
        try (Socket connection = server.accept()) {
            assertArrayEquals(hello, connection.getInputStream().readNBytes(5));
            connection.getOutputStream().write("nestor".getBytes(StandardCharsets.US_ASCII));
            byte[] data = await(
                    driver,
                    fromServer.and(frame ->
                            frame.limit() > 54 + 5 && frame.getShort(16) - 20 - (frame.get(46) >>> 4 & 0xf) * 4 == 6));
            int header = 34 + (data[46] >>> 4 & 0xf) * 4;
            assertEquals("nestor", new String(data, header, 6, StandardCharsets.US_ASCII));
        }
    }

    @Test
    void whatPasstSaysIsTold() {
        assertThatThrownBy(() -> PasstBackend.start("/usr/bin/false", List.of("passt")))
                .hasMessageContaining("passt did not start: it ended without a word, with status 1")
                .hasMessageContaining("--net none");
        if (Files.isExecutable(PASST)) {
            assertThatThrownBy(() ->
                            PasstBackend.start(PASST.toString(), PasstBackend.arguments(List.of("22-"), List.of(), 0)))
                    .hasMessageContaining("passt did not start: ")
                    .hasMessageContaining("22-")
                    .hasMessageNotContaining("\n")
                    .hasMessageNotContaining("syslog");
        }
        assertThatThrownBy(() -> PasstBackend.start("/nonexistent/passt", List.of("passt")))
                .hasMessageContaining("posix_spawn of /nonexistent/passt: ENOENT");
    }

    /** More than a socket takes by itself; nobody reads yet. It also does not see that its socket is closed. */
    @Test
    void whatPasstSendsHasRoom() throws Exception {
        PasstBackend passt = PasstBackend.start(
                "/bin/sh", List.of("passt", "-c", "head -c 300000 /dev/zero >&3; echo >&4; exec sleep 60"));
        ProcessHandle program = ProcessHandle.of(passt.pid()).orElseThrow();
        passt.release();
        assertThat(program.isAlive()).isFalse();
    }

    /** Which stands for one that spins: it reads nothing any more. */
    @Test
    void aPasstThatIsStoppedGetsASuccessorThatGoesOn() throws Exception {
        assumeTrue(Files.isExecutable(PASST), "passt is not here: apt-get install passt");
        PasstBackend passt = PasstBackend.start(
                PASST.toString(), PasstBackend.arguments(List.of(), List.of(), 0), PasstRestartTest.QUICK, null);
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = new NetDevice("net0", passt, MacAddress.parse("52:54:00:00:00:01"), 0, null);
                NetDriver driver = new NetDriver(device, memory, FEATURES);
                ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            driver.post(32, 1600);
            driver.send(discover());
            byte[] address = addressOf(await(driver, PasstTest::isOffer));
            int stopped = passt.pid();
            Processes.tryKill(stopped, Processes.SIGSTOP);
            byte[] offer = ask(driver);
            assertArrayEquals(address, addressOf(offer), "the same address");
            assertNotEquals(stopped, passt.pid());
            assertThat(ProcessHandle.of(stopped)).isEmpty();
            talk(driver, server, offer);
            assertEquals(1, device.config().get(6, 2));
        }
    }

    /** As a client does, again and again until somebody answers. */
    private static byte[] ask(NetDriver driver) throws Exception {
        FutureTask<byte[]> answer = new FutureTask<>(() -> await(driver, PasstTest::isOffer));
        Thread.ofPlatform().start(answer);
        for (; ; ) {
            driver.send(discover());
            try {
                return answer.get(100, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                continue;
            }
        }
    }
}
