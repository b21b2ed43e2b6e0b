package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.net.Packets.Packet;
import org.nestorvm.virtio.testkit.DriverMemory;

/** Files of captured packets, read back byte by byte and by tcpdump. */
@Timeout(60)
class PacketCaptureTest {
    private static final long FEATURES =
            Features.VERSION_1 | NetFeatures.HOST_OFFLOADS | NetFeatures.GUEST_CSUM | NetFeatures.MRG_RXBUF;
    private static final Packet LARGE = Packets.tcp(false, 0, 3, 16, 1, new byte[10_000]),
            SMALL = Packets.udp(false, 0, new byte[100]);

    @TempDir
    Path directory;

    private record Captured(long ns, int length, byte[] bytes) {}

    private static List<Captured> read(Path file) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(0xa1b23c4d, bytes.getInt());
        assertEquals(0x00040002, bytes.getInt());
        bytes.position(20);
        assertEquals(1, bytes.getInt());
        List<Captured> found = new ArrayList<>();
        while (bytes.hasRemaining()) {
            long ns = bytes.getInt() * 1_000_000_000L + bytes.getInt();
            byte[] frame = new byte[bytes.getInt()];
            int length = bytes.getInt();
            bytes.get(frame);
            found.add(new Captured(ns, length, frame));
        }
        return found;
    }

    /** A large packet out, a small one in and out. */
    private void traffic(boolean stream, Path file, int snapBytes) throws Exception {
        int[] pair = stream ? Sockets.pair("net") : Sockets.messagePair("net");
        NetBackend backend = stream ? StreamBackend.of("test", pair[0]) : new MessageBackend("test", pair[0]);
        try (DriverMemory memory = new DriverMemory();
                Peer peer = new Peer(pair[1], stream);
                NetDevice device = new NetDevice(
                        "net0", backend, MacAddress.of(Packets.GUEST_MAC), 0, new PacketCapture(file, snapBytes));
                NetDriver driver = new NetDriver(device, memory, FEATURES)) {
            driver.post(8, 1600);
            driver.send(Packets.segmented(LARGE, 1448), 12, 66, 3000);
            peer.receive();
            peer.send(stream ? Packets.completed(SMALL) : Packets.partial(SMALL));
            driver.receive();
            driver.send(Packets.partial(SMALL));
            driver.awaitSent();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void packetsAreCapturedAsTheyGoOnTheWire(boolean stream) throws Exception {
        Path file = directory.resolve("net.pcap");
        long before = Instant.now().toEpochMilli();
        traffic(stream, file, 0);
        List<Captured> frames = read(file);
        assertEquals(9, frames.size());
        for (Captured frame : frames.subList(0, 7)) assertTrue(Packets.isRight(frame.bytes(), LARGE));
        for (Captured frame : frames.subList(7, 9)) assertArrayEquals(Packets.completed(SMALL), frame.bytes());
        for (Captured frame : frames) {
            assertEquals(frame.length(), frame.bytes().length);
            assertThat(frame.ns() / 1_000_000)
                    .isBetween(before - 1000, Instant.now().toEpochMilli() + 1000);
        }
    }

    @Test
    void longFramesAreCut() throws Exception {
        Path file = Files.write(directory.resolve("net.pcap"), new byte[100_000]);
        traffic(true, file, 64);
        List<Captured> frames = read(file);
        assertEquals(9, frames.size());
        for (Captured frame : frames) assertEquals(64, frame.bytes().length);
        assertEquals(66 + 1448, frames.getFirst().length());
    }

    @Test
    void tcpdumpReadsIt() throws Exception {
        Path tcpdump = Path.of("/usr/bin/tcpdump");
        assumeTrue(Files.isExecutable(tcpdump), "no tcpdump here");
        Path file = directory.resolve("net.pcap");
        traffic(true, file, 0);
        Process process = new ProcessBuilder(tcpdump.toString(), "-nn", "-vv", "--nano", "-r", file.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String text = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), text);
        assertThat(text.split("10.0.0.1.4321 > 10.0.0.254.80", -1)).hasSize(8);
        assertThat(text)
                .contains("(correct)")
                .contains("udp sum ok")
                .doesNotContain("incorrect")
                .doesNotContain("bad");
    }

    @Test
    void everyFrameIsThereWhenTheFileIsClosed() throws Exception {
        Path file = directory.resolve("net.pcap");
        PacketCapture capture = new PacketCapture(file, 0);
        int rounds = 5000;
        try (Pieces pieces = new Pieces()) {
            var frame = pieces.scatter(Packets.frame(1000, 1), List.of(77));
            for (int i = 0; i < rounds; i++) capture.record(frame);
        }
        capture.close();
        capture.close();
        assertEquals(rounds, read(file).size() + capture.leftOut());
    }
}
