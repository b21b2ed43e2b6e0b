package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.Ioctl;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.net.NetCounters.Kind;
import org.nestorvm.virtio.testkit.DriverMemory;

/**
 * A tap interface in a network namespace of the test's own, which ends with its thread. The kernel's stack is the other
 * side.
 */
@Timeout(120)
class TapTest {
    private static final long FEATURES = Features.VERSION_1
            | NetFeatures.HOST_OFFLOADS
            | NetFeatures.GUEST_CSUM
            | NetFeatures.GUEST_SEGMENTS
            | NetFeatures.MRG_RXBUF
            | NetFeatures.CONTROL;
    private static final byte[] HOST = {10, 77, 0, 1}, GUEST = {10, 77, 0, 2};
    private static final int TUNSETPERSIST = Ioctl.iow('T', 203, 4);
    private static final int SYN = 2, PSH = 8, ACK = 16;

    /** What runs in the namespace. */
    private interface Body {
        void run() throws Exception;
    }

    private static void inNamespace(Body body) throws Exception {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "no /dev/net/tun here that can be opened");
        assumeTrue(
                Files.isExecutable(Path.of("/usr/sbin/ip")) || Files.isExecutable(Path.of("/sbin/ip")),
                "no ip here (iproute2)");
        AtomicReference<Throwable> failed = new AtomicReference<>();
        Thread thread = Thread.ofPlatform().start(() -> {
            try {
                try {
                    Processes.unshare(Processes.CLONE_NEWNET);
                } catch (IOException e) {
                    abort("no network namespace of one's own: " + e.getMessage());
                }
                body.run();
            } catch (Throwable t) {
                failed.set(t);
            }
        });
        thread.join();
        if (failed.get() instanceof Exception e) throw e;
        if (failed.get() instanceof Error e) throw e;
    }

    private static void ip(String arguments) throws Exception {
        List<String> command = new java.util.ArrayList<>(
                List.of(Files.isExecutable(Path.of("/usr/sbin/ip")) ? "/usr/sbin/ip" : "/sbin/ip"));
        command.addAll(List.of(arguments.split(" ")));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), arguments + ": " + said);
    }

    private static void up(String name) throws Exception {
        Path six = Path.of("/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6");
        if (Files.exists(six)) Files.writeString(six, "1"); // it would speak first
        ip("addr add 10.77.0.1/24 dev " + name);
        ip("link set " + name + " up");
        ip("neigh replace 10.77.0.2 lladdr 52:54:00:00:00:01 dev " + name + " nud permanent");
    }

    /** An interface that lasts as long as the namespace. */
    private static void make(String name, boolean several) throws IOException {
        int descriptor = TapBackend.make(name, several);
        Ioctl.ioctl("TUNSETPERSIST", name, descriptor, TUNSETPERSIST, 1);
        Descriptors.close(descriptor);
    }

    private static NetDevice open(String options) throws IOException {
        return NetOptions.parse(options + ",mac=52:54:00:00:00:01").open("net0");
    }

    /** The next IPv4 packet of a protocol, with its header. */
    private static byte[] await(NetDriver driver, int protocol) throws InterruptedException {
        for (; ; ) {
            byte[] packet = driver.receive();
            if (packet.length > 46 && packet[24] == 8 && packet[25] == 0 && packet[35] == protocol) return packet;
        }
    }

    private static boolean isComplete(byte[] frame) {
        int length = frame.length - 34;
        int pseudo = Packets.sum(
                new byte[] {0, frame[23], (byte) (length >>> 8), (byte) length}, 0, 4, Packets.sum(frame, 26, 8, 0));
        return Packets.sum(frame, 34, length, pseudo) == 0xffff;
    }

    @Test
    void datagramsWithAndWithoutTheirChecksum() throws Exception {
        inNamespace(() -> {
            make("nestor0", false);
            try (DriverMemory memory = new DriverMemory();
                    NetDevice device = open("tap=nestor0")) {
                try (NetDriver driver = new NetDriver(device, memory, FEATURES)) {
                    driver.send(Packets.plain(Packets.frame(60, 1)));
                    driver.awaitSent();
                    assertEquals(1, device.count(Kind.SEND_DROPPED), "the interface is down");
                }
                up("nestor0");
                try (DatagramChannel host = DatagramChannel.open(StandardProtocolFamily.INET)
                        .bind(new InetSocketAddress("10.77.0.1", 6000))) {
                    for (long features :
                            new long[] {FEATURES, FEATURES & ~(NetFeatures.GUEST_CSUM | NetFeatures.GUEST_SEGMENTS)}) {
                        try (NetDriver driver = new NetDriver(device, memory, features)) {
                            driver.post(16, 1600);
                            host.send(ByteBuffer.allocate(1000), new InetSocketAddress("10.77.0.2", 5000));
                            byte[] packet = await(driver, Packets.UDP);
                            boolean left = (features & NetFeatures.GUEST_CSUM) != 0;
                            assertEquals(left ? NetHeader.F_NEEDS_CSUM : 0, packet[0]);
                            assertEquals(1, packet[10]);
                            assertEquals(!left, isComplete(Packets.without(packet)));
                            answer(driver, 5 + packet[0]);
                            ByteBuffer received = ByteBuffer.allocate(100);
                            assertEquals(new InetSocketAddress("10.77.0.2", 5000), host.receive(received));
                            assertEquals(5 + packet[0], received.position());
                        }
                    }
                }
            }
        });
    }

    private static void answer(NetDriver driver, int length) {
        ByteBuffer udp = ByteBuffer.allocate(8 + length)
                .putShort((short) 5000)
                .putShort((short) 6000)
                .putShort((short) (8 + length))
                .putShort((short) 0);
        driver.send(partial(frame(Packets.UDP, udp.array()), 6, 0), 12, 20);
    }

    private static byte[] frame(int protocol, byte[] transport) {
        ByteBuffer frame = ByteBuffer.allocate(34 + transport.length)
                .put(new byte[] {-1, -1, -1, -1, -1, -1})
                .put(Packets.GUEST_MAC)
                .putShort((short) 0x0800)
                .put((byte) 0x45)
                .put((byte) 0)
                .putShort((short) (20 + transport.length))
                .putInt(0x00010000)
                .put((byte) 64)
                .put((byte) protocol)
                .putShort((short) 0)
                .put(GUEST)
                .put(HOST);
        frame.putShort(24, (short) ~Packets.sum(frame.array(), 14, 20, 0));
        int pseudo = Packets.sum(
                new byte[] {0, (byte) protocol, (byte) (transport.length >>> 8), (byte) transport.length},
                0,
                4,
                Packets.sum(frame.array(), 26, 8, 0));
        frame.put(transport).putShort(34 + (protocol == Packets.TCP ? 16 : 6), (short) pseudo);
        return frame.array();
    }

    private static byte[] partial(byte[] frame, int checksumOffset, int segment) {
        return Packets.join(
                Packets.header(
                        NetHeader.F_NEEDS_CSUM, segment == 0 ? 0 : NetHeader.GSO_TCPV4, segment, 34, checksumOffset),
                frame);
    }

    /** Unicast, since the kernel's TCP takes nothing else. */
    private static void tcp(
            NetDriver driver,
            byte[] hostMac,
            int flags,
            int hostPort,
            int sequence,
            int acknowledged,
            byte[] data,
            int segment) {
        boolean syn = (flags & SYN) != 0;
        ByteBuffer tcp = ByteBuffer.allocate((syn ? 24 : 20) + data.length)
                .putShort((short) 80)
                .putShort((short) hostPort)
                .putInt(sequence)
                .putInt(acknowledged)
                .put((byte) (syn ? 0x60 : 0x50))
                .put((byte) flags)
                .putShort((short) 65_535)
                .putInt(0);
        if (syn) tcp.putInt(0x020405b4); // segments of 1460 bytes
        byte[] frame = frame(Packets.TCP, tcp.put(data).array());
        System.arraycopy(hostMac, 0, frame, 0, 6);
        driver.send(partial(frame, 16, segment), 12, 54, 9000);
    }

    @Test
    void largeSegmentsGoBothWaysBetweenTheKernelsTcpAndTheGuest() throws Exception {
        inNamespace(() -> {
            make("nestor0", false);
            try (DriverMemory memory = new DriverMemory();
                    NetDevice device = open("tap=nestor0");
                    NetDriver driver = new NetDriver(device, memory, FEATURES)) {
                driver.post(100, 1526);
                up("nestor0");
                try (SocketChannel host = SocketChannel.open(StandardProtocolFamily.INET)) {
                    host.configureBlocking(false);
                    host.connect(new InetSocketAddress("10.77.0.2", 80));
                    ByteBuffer syn = ByteBuffer.wrap(await(driver, Packets.TCP));
                    assertEquals(SYN, syn.get(12 + 47));
                    byte[] hostMac = new byte[6];
                    syn.get(12 + 6, hostMac);
                    int port = syn.getShort(12 + 34) & 0xffff, next = syn.getInt(12 + 38) + 1;
                    tcp(driver, hostMac, SYN | ACK, port, 5000, next, new byte[0], 0);
                    await(driver, Packets.TCP);
                    assertTrue(host.finishConnect());

                    byte[] data = new byte[60_000];
                    for (int i = 0; i < data.length; i++) data[i] = (byte) (i * 5 + (i >>> 8));
                    assertEquals(data.length, host.write(ByteBuffer.wrap(data)));
                    receive(driver, hostMac, port, next, data);
                    tcp(
                            driver,
                            hostMac,
                            ACK | PSH,
                            port,
                            5001,
                            next + data.length,
                            java.util.Arrays.copyOf(data, 30_000),
                            1460);
                    ByteBuffer received = ByteBuffer.allocate(30_000);
                    host.configureBlocking(true);
                    while (received.hasRemaining()) assertTrue(host.read(received) > 0);
                    assertArrayEquals(java.util.Arrays.copyOf(data, 30_000), received.array());
                }
            }
        });
    }

    /**
     * Acknowledges what comes until all is there, and looks whether the kernel has left its segmentation to the guest.
     */
    private static void receive(NetDriver driver, byte[] hostMac, int port, int first, byte[] data) throws Exception {
        int largest = 0;
        for (int at = 0; at < data.length; ) {
            byte[] packet = await(driver, Packets.TCP);
            ByteBuffer buffer = ByteBuffer.wrap(packet);
            int header = 46 + (packet[58] >>> 4 & 0xf) * 4, length = packet.length - header;
            if (length == 0 || buffer.getInt(12 + 38) - first != at) continue;
            assertArrayEquals(
                    java.util.Arrays.copyOfRange(data, at, at + length),
                    java.util.Arrays.copyOfRange(packet, header, packet.length));
            if (length > 1460) {
                assertEquals(NetHeader.GSO_TCPV4, packet[1]);
                assertEquals(1460, Short.reverseBytes(buffer.getShort(4)));
                assertEquals((packet.length + 1525) / 1526, packet[10]);
            }
            largest = Math.max(largest, length);
            at += length;
            tcp(driver, hostMac, ACK, port, 5001, first + at, new byte[0], 0);
        }
        assertThat(largest).isGreaterThan(1460);
    }

    @Test
    void severalQueues() throws Exception {
        inNamespace(() -> {
            make("nestor1", true);
            try (DriverMemory memory = new DriverMemory();
                    NetDevice device = open("tap=nestor1,queues=3");
                    NetDriver driver = new NetDriver(device, memory, FEATURES | NetFeatures.MQ)) {
                up("nestor1");
                driver.post(16, 1600);
                try (DatagramChannel host = DatagramChannel.open(StandardProtocolFamily.INET)
                        .bind(new InetSocketAddress("10.77.0.1", 6000))) {
                    for (int pairs : new int[] {3, 1, 2, 1}) {
                        assertEquals(NetControl.OK, driver.command(NetControl.CTRL_MQ, 0, (byte) pairs, (byte) 0));
                        for (int pair = 0; pair < pairs; pair++) {
                            ByteBuffer udp = ByteBuffer.allocate(9)
                                    .putShort((short) 5000)
                                    .putShort((short) 6000)
                                    .putShort((short) 9)
                                    .putShort((short) 0)
                                    .put((byte) pair);
                            driver.driver.request(2 * pair + 1, partial(frame(Packets.UDP, udp.array()), 6, 0), 0);
                            ByteBuffer received = ByteBuffer.allocate(10);
                            host.receive(received);
                            assertEquals(pair, received.get(0));
                        }
                    }
                    host.send(ByteBuffer.allocate(10), new InetSocketAddress("10.77.0.2", 5000));
                    await(driver, Packets.UDP); // one pair is in use, and so it comes there
                }
            }
        });
    }

    @Test
    void anInterfaceThatSomebodyElseHasOpened() throws Exception {
        inNamespace(() -> {
            int good = opened(TapBackend.IFF_TAP | TapBackend.IFF_NO_PI | TapBackend.IFF_VNET_HDR),
                    bad = opened(TapBackend.IFF_TAP | TapBackend.IFF_NO_PI);
            assertThatThrownBy(() -> open("tap,fd=" + bad))
                    .hasMessageContaining("tap,fd=" + bad + " was opened with flags")
                    .hasMessageContaining("IFF_VNET_HDR");
            try (DriverMemory memory = new DriverMemory();
                    NetDevice device = open("tap,fd=" + good);
                    NetDriver driver = new NetDriver(device, memory, FEATURES)) {
                driver.send(Packets.plain(Packets.frame(60, 1)));
                driver.awaitSent();
                assertEquals(1, device.count(Kind.SEND_DROPPED), "the interface is down");
            }
        });
    }

    private static int opened(int flags) throws IOException {
        int descriptor = Descriptors.open("/dev/net/tun", Descriptors.O_RDWR);
        try (Arena arena = Arena.ofConfined()) {
            long request = arena.allocate(TapBackend.IFREQ_BYTES, 8).address();
            HostMemory.putShort(request + TapBackend.IFR_FLAGS, (short) flags);
            Ioctl.ioctl("TUNSETIFF", "test", descriptor, TapBackend.TUNSETIFF, request);
        }
        return descriptor;
    }

    @Test
    void whatCannotBeOpenedIsToldWithAMend() throws Exception {
        inNamespace(() -> {
            assertThatThrownBy(() -> open("tap=lo"))
                    .hasMessageContaining("TUNSETIFF of tap=lo")
                    .hasMessageContaining("no tap interface");
            assertThatThrownBy(() -> open("tap=nestor2"))
                    .hasMessageContaining(
                            "tap=nestor2: the host has no interface of that name; let root make it: ip tuntap "
                                    + "add dev nestor2 mode tap user $USER");
            make("nestor2", false);
            try (NetDevice _ = open("tap=nestor2")) {
                assertThatThrownBy(() -> open("tap=nestor2")).hasMessageContaining("another program has it open");
                assertThatThrownBy(() -> open("tap=nestor2,queues=2"))
                        .hasMessageContaining("made without multi_queue")
                        .hasMessageContaining("ip tuntap add dev nestor2 mode tap user $USER multi_queue");
            }
        });
    }

    @Test
    void numbersMatchTheHeader(@TempDir Path directory) throws Exception {
        assumeTrue(
                Files.isExecutable(Path.of("/usr/bin/gcc")) && Files.exists(Path.of("/usr/include/linux/if_tun.h")),
                "no C compiler here (gcc, linux-libc-dev)");
        long[] ours = {
            TapBackend.TUNSETIFF,
            TapBackend.TUNGETIFF,
            TapBackend.TUNSETOFFLOAD,
            TapBackend.TUNSETVNETHDRSZ,
            TapBackend.TUNSETQUEUE,
            TapBackend.IFF_TAP,
            TapBackend.IFF_NO_PI,
            TapBackend.IFF_VNET_HDR,
            TapBackend.IFF_MULTI_QUEUE,
            TapBackend.IFF_ATTACH_QUEUE,
            TapBackend.IFF_DETACH_QUEUE,
            TapBackend.TUN_F_CSUM,
            TapBackend.TUN_F_TSO4,
            TapBackend.TUN_F_TSO6,
            TapBackend.TUN_F_TSO_ECN,
            TapBackend.IFREQ_BYTES,
            TapBackend.IFR_FLAGS,
            NetHeader.BYTES,
            NetHeader.GSO_SIZE,
            NetHeader.CSUM_START,
            NetHeader.NUM_BUFFERS,
            NetHeader.GSO_TCPV4,
            NetHeader.GSO_TCPV6,
            NetHeader.GSO_ECN,
            NetHeader.F_NEEDS_CSUM,
            NetHeader.F_DATA_VALID
        };
        String names = "TUNSETIFF, TUNGETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ, TUNSETQUEUE, IFF_TAP, IFF_NO_PI, "
                + "IFF_VNET_HDR, IFF_MULTI_QUEUE, IFF_ATTACH_QUEUE, IFF_DETACH_QUEUE, TUN_F_CSUM, TUN_F_TSO4, "
                + "TUN_F_TSO6, "
                + "TUN_F_TSO_ECN, sizeof(struct ifreq), offsetof(struct ifreq, ifr_flags), "
                + "sizeof(struct virtio_net_hdr_mrg_rxbuf), offsetof(struct virtio_net_hdr, gso_size), "
                + "offsetof(struct virtio_net_hdr, csum_start), "
                + "offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers), VIRTIO_NET_HDR_GSO_TCPV4, "
                + "VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_ECN, VIRTIO_NET_HDR_F_NEEDS_CSUM, "
                + "VIRTIO_NET_HDR_F_DATA_VALID";
        Path source = Files.writeString(
                directory.resolve("tun.c"),
                "#include <stdio.h>\n#include <stddef.h>\n#include <sys/ioctl.h>\n#include "
                        + "<linux/if.h>\n#include <linux/if_tun.h>\n#include <linux/virtio_net.h>\n"
                        + "int main(void) { long v[] = {" + names
                        + "}; for (unsigned i = 0; i < sizeof v / sizeof *v; i++) printf(\"%ld\\n\", (long) "
                        + "(int) v[i]); return 0; }\n");
        Path program = directory.resolve("tun");
        assertEquals(
                0,
                new ProcessBuilder("/usr/bin/gcc", "-o", program.toString(), source.toString())
                        .inheritIO()
                        .start()
                        .waitFor());
        try (var lines =
                new ProcessBuilder(program.toString()).start().inputReader().lines()) {
            assertArrayEquals(ours, lines.mapToLong(Long::parseLong).toArray());
        }
    }
}
