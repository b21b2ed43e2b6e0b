package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.net.NetCounters.Kind;
import org.nestorvm.virtio.net.Packets.Packet;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;

/**
 * The device as its driver sees it, with a peer that plays the network: over a stream of frames, and over messages with
 * headers, as a tap interface has them.
 */
@Timeout(120)
class NetDeviceTest {
    private static final MacAddress MAC = MacAddress.of(Packets.GUEST_MAC);
    private static final long BASE = Features.VERSION_1 | NetFeatures.MAC | NetFeatures.STATUS;
    private static final long ALL = BASE
            | Features.EVENT_IDX
            | NetFeatures.HOST_OFFLOADS
            | NetFeatures.GUEST_CSUM
            | NetFeatures.MRG_RXBUF
            | NetFeatures.CONTROL;

    private DriverMemory memory;
    private NetDevice device;
    private Peer peer;
    private NetDriver driver;

    static List<Object[]> kinds() {
        List<Object[]> kinds = new ArrayList<>();
        for (boolean stream : new boolean[] {true, false}) {
            for (long queue :
                    new long[] {0, Features.EVENT_IDX, Features.RING_PACKED, Features.RING_PACKED | Features.EVENT_IDX
                    }) {
                for (long merge : new long[] {0, NetFeatures.MRG_RXBUF})
                    kinds.add(new Object[] {stream, BASE | queue | merge});
            }
        }
        return kinds;
    }

    static List<Object[]> backends() {
        return List.of(new Object[] {true}, new Object[] {false});
    }

    @BeforeEach
    void memory() throws IOException {
        memory = new DriverMemory(null, 0, 48 << 20);
    }

    private void start(boolean stream, long features) throws IOException {
        make(stream, 200_000_000);
        driver = new NetDriver(device, memory, features & device.features());
    }

    private void make(boolean stream, long stallNs) throws IOException {
        int[] pair = stream ? Sockets.pair("net") : Sockets.messagePair("net");
        NetBackend backend = stream ? StreamBackend.of("test", pair[0], stallNs) : new MessageBackend("test", pair[0]);
        device = new NetDevice("net0", backend, MAC, 0, null);
        peer = new Peer(pair[1], stream);
    }

    @AfterEach
    void end() throws IOException {
        if (driver != null) driver.close();
        if (device != null) device.close();
        if (peer != null) peer.close();
        memory.close();
    }

    /** What the peer sends so that a frame comes out. */
    private static byte[] out(boolean stream, byte[] frame) {
        return stream ? frame : Packets.plain(frame);
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void framesGoBothWaysUnchanged(boolean stream, long features) throws Exception {
        start(stream, features);
        driver.post(8, 12, 100, 1500);
        for (int length : new int[] {14, 15, 60, 61, 100, 112, 113, 1514, 1600}) {
            for (int i = 0; i < 10; i++) {
                byte[] frame = Packets.frame(length, i);
                peer.send(out(stream, frame));
                byte[] packet = driver.receive();
                assertArrayEquals(frame, Packets.without(packet));
                driver.send(Packets.plain(frame), i, 12 + i, 30);
                assertArrayEquals(out(stream, frame), peer.receive());
            }
        }
        driver.awaitSent();
        assertEquals(90, device.count(Kind.RECEIVED_PACKETS));
        assertEquals(90, device.count(Kind.SENT_PACKETS));
        assertEquals(10 * (14 + 15 + 60 + 61 + 100 + 112 + 113 + 1514 + 1600), device.count(Kind.SENT_BYTES));
        assertEquals(device.count(Kind.SENT_BYTES), device.count(Kind.RECEIVED_BYTES));
        assertEquals(
                0,
                device.count(Kind.RECEIVE_DROPPED)
                        + device.count(Kind.SEND_DROPPED)
                        + device.count(Kind.SEND_MALFORMED)
                        + device.count(Kind.RECEIVE_FILTERED));
        assertThat(driver.driver.reasons()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void manyFramesKeepTheirOrder(boolean stream, long features) throws Exception {
        start(stream, features);
        driver.post(16, 2000);
        AtomicReference<Throwable> failed = new AtomicReference<>();
        Thread echo = Thread.ofPlatform().start(() -> {
            try {
                for (int i = 0; i < 1500; i++) peer.send(peer.receive());
            } catch (Throwable t) {
                failed.set(t);
            }
        });
        int received = 0;
        for (int i = 0; i < 1500; i++) {
            driver.send(Packets.plain(Packets.frame(60 + i % 1000, i)));
            if (i - received > 30)
                assertArrayEquals(Packets.frame(60 + received % 1000, received++), Packets.without(driver.receive()));
        }
        for (; received < 1500; received++)
            assertArrayEquals(Packets.frame(60 + received % 1000, received), Packets.without(driver.receive()));
        echo.join();
        assertEquals(null, failed.get());
    }

    @ParameterizedTest
    @MethodSource("backends")
    void p37_aJumboFrameIsSpreadOverMergeableBuffers(boolean stream) throws Exception {
        start(stream, BASE | NetFeatures.MRG_RXBUF);
        driver.post(50, 1526);
        for (int length : new int[] {9014, 65_535 + 14, 1514, 1515, 3040, 3041, 65_535 + 14}) {
            byte[] frame = Packets.frame(length, length);
            peer.send(out(stream, frame));
            byte[] packet = driver.receive();
            assertArrayEquals(frame, Packets.without(packet));
            assertEquals((length + 12 + 1525) / 1526, packet[10]);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void p37_aFrameThatDoesNotFitIsDroppedAndTheNextOneComes(boolean stream) throws Exception {
        start(stream, BASE);
        driver.post(2, 12, 1000);
        peer.send(out(stream, Packets.frame(1001, 1)));
        peer.send(out(stream, Packets.frame(9000, 2)));
        peer.send(out(stream, Packets.frame(1000, 3)));
        assertArrayEquals(Packets.frame(1000, 3), Packets.without(driver.receive()));
        assertEquals(2, device.count(Kind.RECEIVE_DROPPED));
    }

    @ParameterizedTest
    @MethodSource("backends")
    void p37_aFrameWaitsForBuffers(boolean stream) throws Exception {
        start(stream, BASE | NetFeatures.MRG_RXBUF | Features.EVENT_IDX);
        for (int i = 0; i < 3; i++) peer.send(out(stream, Packets.frame(3000, i)));
        driver.post(1, 1000);
        driver.post(1, 1000);
        driver.post(1, 1000);
        driver.post(1, 1000);
        assertArrayEquals(Packets.frame(3000, 0), Packets.without(driver.receive()));
        assertArrayEquals(Packets.frame(3000, 1), Packets.without(driver.receive()));
        assertArrayEquals(Packets.frame(3000, 2), Packets.without(driver.receive()));
        assertEquals(0, device.count(Kind.RECEIVE_DROPPED));
    }

    @ParameterizedTest
    @MethodSource("backends")
    void aFrameThatFitsIntoNoRingIsDropped(boolean stream) throws Exception {
        start(stream, BASE | NetFeatures.MRG_RXBUF);
        driver.post(256, 20); // all of the ring
        peer.send(out(stream, Packets.frame(6000, 1)));
        peer.send(out(stream, Packets.frame(4000, 2)));
        assertArrayEquals(Packets.frame(4000, 2), Packets.without(driver.receive()));
        assertEquals(1, device.count(Kind.RECEIVE_DROPPED));
    }

    @ParameterizedTest
    @MethodSource("backends")
    void p37_shortAndOverlongFramesOfTheGuestAreDropped(boolean stream) throws Exception {
        start(stream, ALL);
        driver.send(new byte[5]);
        driver.send(new byte[12]);
        driver.send(new byte[12 + 13]);
        driver.send(new byte[12 + SoftwareOffload.MAX_FRAME_BYTES + 1]);
        driver.send(Packets.plain(Packets.frame(65_535 + 14, 4)));
        driver.send(Packets.plain(Packets.frame(14, 5)));
        assertArrayEquals(out(stream, Packets.frame(65_535 + 14, 4)), peer.receive());
        assertArrayEquals(out(stream, Packets.frame(14, 5)), peer.receive());
        driver.awaitSent();
        assertEquals(4, device.count(Kind.SEND_MALFORMED));
        assertEquals(2, device.count(Kind.SENT_PACKETS));
    }

    @Test
    void p37_shortAndEmptyFramesOfThePeerAreSkipped() throws Exception {
        start(true, ALL);
        driver.post(4, 2000);
        peer.send(new byte[0]);
        peer.send(new byte[13]);
        peer.send(Packets.frame(60, 1));
        assertArrayEquals(Packets.frame(60, 1), Packets.without(driver.receive()));
    }

    @Test
    void chainsThatAreNoReceiveBuffersDoNoHarm() throws Exception {
        start(true, BASE | NetFeatures.MRG_RXBUF);
        driver.driver.queue(0).offer(new byte[100], 0); // nothing to write into
        driver.driver.queue(0).offer(new byte[100], 10); // less than a header
        peer.send(Packets.frame(80, 1));
        driver.driver.queue(0).offer(new byte[0], 200);
        driver.driver.kick(0);
        assertEquals(0, driver.driver.await(0).written());
        assertEquals(10, driver.driver.await(0).written());
        assertEquals(82, driver.driver.await(0).written());
        driver.driver.queue(1).offer(new byte[100], 50); // a transmit chain with a writable part
        driver.driver.kick(1);
        assertEquals(0, driver.driver.await(1).written());
        assertEquals(88, peer.receive().length);
    }

    @Test
    void offloadsOfTheGuestAreDoneOverAStream() throws Exception {
        start(true, ALL);
        byte[] data = new byte[60_000];
        for (int i = 0; i < data.length; i++) data[i] = (byte) (i * 7);
        for (boolean six : new boolean[] {false, true}) {
            for (int round = 0; round < 40; round++) {
                Packet small = Packets.udp(six, 0, new byte[round]);
                driver.send(Packets.partial(small), 12, 14, 60);
                Packet large = Packets.tcp(six, 0, 3, 16, round, data);
                driver.send(Packets.segmented(large, 1448), 12, 66, 4096, 4096, 32768);
                assertArrayEquals(Packets.completed(small), peer.receive());
                for (int at = 0; at < data.length; ) {
                    byte[] segment = peer.receive();
                    assertTrue(Packets.isRight(segment, large));
                    for (int i = large.payload(); i < segment.length; i++)
                        if (segment[i] != data[at++]) throw new AssertionError("byte " + (at - 1));
                }
            }
        }
        driver.awaitSent();
        assertEquals(160, device.count(Kind.SENT_PACKETS));
    }

    @Test
    void offloadsPassThroughWhereThereAreHeaders() throws Exception {
        start(false, ALL | NetFeatures.GUEST_SEGMENTS);
        driver.post(50, 1526);
        Packet packet = Packets.tcp(false, 0, 3, 16, 1, new byte[50_000]);
        driver.send(Packets.segmented(packet, 1448), 12, 100);
        assertArrayEquals(Packets.segmented(packet, 1448), peer.receive());
        peer.send(Packets.segmented(packet, 1000));
        byte[] packetIn = driver.receive();
        assertEquals(33, packetIn[10]);
        packetIn[10] = 0;
        assertArrayEquals(Packets.segmented(packet, 1000), packetIn);
    }

    @Test
    void checksumsOfWhatComesInAreVouchedFor() throws Exception {
        start(true, ALL);
        driver.post(4, 2000);
        Packet packet = Packets.tcp(false, 0, 0, 16, 1, new byte[500]);
        peer.send(Packets.completed(packet));
        assertEquals(NetHeader.F_DATA_VALID, driver.receive()[0]);
        peer.send(packet.frame());
        assertEquals(0, driver.receive()[0]);
        driver.close();
        driver = new NetDriver(device, memory, BASE); // who has not asked for it is not told
        driver.post(4, 2000);
        peer.send(Packets.completed(packet));
        assertEquals(0, driver.receive()[0]);
    }

    @Test
    void p37_aPeerThatDoesNotReadCostsPacketsAndNotTheDevice() throws Exception {
        start(true, ALL);
        byte[] data = Packets.plain(Packets.frame(60_000, 1));
        int sent = 0;
        while (device.count(Kind.SEND_DROPPED) < 50) {
            if (driver.unsent() < 100) {
                driver.send(data);
                sent++;
            } else {
                driver.awaitSent(); // comes back when the device drops
            }
        }
        driver.awaitSent();
        assertEquals(sent, device.count(Kind.SENT_PACKETS) + device.count(Kind.SEND_DROPPED));
        long whole = device.count(Kind.SENT_PACKETS);
        for (int i = 0; i < whole; i++)
            assertArrayEquals(Packets.frame(60_000, 1), peer.receive(), "frame " + i + " of " + whole);
        driver.send(Packets.plain(Packets.frame(70, 2)));
        for (byte[] frame = peer.receive(); frame.length != 70; frame = peer.receive())
            assertEquals(60_000, frame.length);
    }

    @Test
    void aPeerThatReadsSlowlyGetsEverything() throws Exception {
        make(true, 30_000_000_000L);
        driver = new NetDriver(device, memory, ALL);
        Packet large = Packets.tcp(false, 0, 0, 16, 5, new byte[40_000]);
        AtomicReference<Throwable> failed = new AtomicReference<>();
        Thread reader = Thread.ofPlatform().start(() -> {
            try {
                for (int i = 0; i < 100 * 40; i++) assertTrue(Packets.isRight(peer.receive(), large), "segment " + i);
            } catch (Throwable t) {
                failed.set(t);
            }
        });
        for (int i = 0; i < 100; i++) {
            if (driver.unsent() > 30) driver.awaitSent();
            driver.send(Packets.segmented(large, 1000), 12, 54, 10_000);
        }
        driver.awaitSent();
        reader.join();
        assertEquals(null, failed.get());
        assertEquals(100, device.count(Kind.SENT_PACKETS));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void p37_resetWhileTrafficFlows(boolean stream, long features) throws Exception {
        make(stream, 50_000_000);
        AtomicBoolean end = new AtomicBoolean();
        Thread flood = Thread.ofPlatform().start(() -> {
            try {
                for (int i = 0; !end.get(); i++) peer.send(out(stream, Packets.frame(60 + i % 1400, 7)));
            } catch (IOException e) {
                // The device is closed at the end.
            }
        });
        for (int round = 0; round < 10; round++) {
            try (DriverMemory own = new DriverMemory();
                    NetDriver each = new NetDriver(device, own, features & device.features())) {
                each.post(32, 1600);
                for (int i = 0; i < 20; i++) each.send(Packets.plain(Packets.frame(1000, i)));
                for (int i = 0; i < 20; i++) assertThat(each.receive().length).isGreaterThanOrEqualTo(72);
                assertThat(each.driver.reasons()).isEmpty();
            }
        }
        end.set(true);
        device.close();
        peer.close();
        flood.join();
    }

    @Test
    void p37_garbageInAStreamEndsTheConnectionAndNotTheDevice() throws Exception {
        start(true, ALL);
        driver.post(4, 2000);
        peer.send(Packets.frame(60, 1));
        peer.sendRaw(new byte[] {'H', 'T', 'T', 'P', '/', '1'});
        assertArrayEquals(Packets.frame(60, 1), Packets.without(driver.receive()));
        driver.driver.awaitConfigChange();
        assertEquals(0, device.config().get(6, 2), "link down");
        peer.awaitEnd();
        driver.send(Packets.plain(Packets.frame(60, 2)));
        driver.awaitSent();
        assertEquals(1, device.count(Kind.SEND_DROPPED));
        assertThat(driver.driver.reasons()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("backends")
    void theLinkGoesDownWithThePeer(boolean stream) throws Exception {
        start(stream, ALL);
        assertEquals(1, device.config().get(6, 2));
        driver.post(4, 2000);
        peer.send(out(stream, Packets.frame(60, 1)));
        peer.close();
        assertArrayEquals(Packets.frame(60, 1), Packets.without(driver.receive()));
        driver.driver.awaitConfigChange();
        assertEquals(0, device.config().get(6, 2));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void aBrokenRingAsksForAResetAndAnswersIt(boolean stream, long features) throws Exception {
        start(stream, features);
        driver.driver.queue(0).offer(List.of(new Buffer(1L << 40, 2000, true)));
        driver.driver.kick(0);
        peer.send(out(stream, Packets.frame(60, 1)));
        assertThat(driver.driver.awaitNeedsReset()).contains("net0").contains("is not memory");
        driver.close();
        driver = new NetDriver(device, memory, features & device.features());
        driver.post(4, 2000);
        assertArrayEquals(Packets.frame(60, 1), Packets.without(driver.receive()));
    }

    @Test
    void whatIsInConfigurationSpace() throws Exception {
        int[] pair = Sockets.pair("net");
        peer = new Peer(pair[1], true);
        device = new NetDevice("net0", StreamBackend.of("test", pair[0]), MAC, 9000, null);
        assertEquals(1, device.type());
        assertEquals(3, device.queueCount());
        assertArrayEquals(
                new byte[] {0x52, 0x54, 0, 0, 0, 1, 1, 0, 1, 0, 0x28, 0x23},
                device.config().get());
        assertThat(device.features() & NetFeatures.MTU).isNotZero();
        assertThat(device.features() & (NetFeatures.MQ | NetFeatures.GUEST_SEGMENTS))
                .isZero();
    }

    @Test
    void closingADeviceThatNoDriverHasTouched() throws Exception {
        make(true, 1);
        device.close();
        peer.awaitEnd();
        device.close();
    }
}
