package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.virtio.net.NetControl.CTRL_MAC;
import static org.nestorvm.virtio.net.NetControl.CTRL_MQ;
import static org.nestorvm.virtio.net.NetControl.CTRL_RX;
import static org.nestorvm.virtio.net.NetControl.CTRL_VLAN;
import static org.nestorvm.virtio.net.NetControl.ERR;
import static org.nestorvm.virtio.net.NetControl.OK;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.net.NetCounters.Kind;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;

/** The control queue: what a driver says there is followed, and what makes no sense is answered with VIRTIO_NET_ERR. */
@Timeout(60)
class NetControlTest {
    private static final MacAddress MAC = MacAddress.of(Packets.GUEST_MAC);
    private static final int PAIRS = 3;
    private static final byte[] OTHER = {0x52, 0x54, 0, 0, 0, 9},
            GROUP = {1, 0, 0x5e, 0, 0, 1},
            GROUP_2 = {1, 0, 0x5e, 0, 0, 2},
            BROADCAST = {-1, -1, -1, -1, -1, -1};
    private static final long BASE = Features.VERSION_1 | NetFeatures.CONTROL | NetFeatures.MRG_RXBUF;

    private DriverMemory memory;
    private NetDevice device;
    private NetDriver driver;
    private final Peer[] peers = new Peer[PAIRS];

    @BeforeEach
    void make() throws IOException {
        memory = new DriverMemory();
        int[] ours = new int[PAIRS];
        for (int i = 0; i < PAIRS; i++) {
            int[] pair = Sockets.messagePair("net");
            ours[i] = pair[0];
            peers[i] = new Peer(pair[1], false);
        }
        device = new NetDevice("net0", new MessageBackend("test", ours), MAC, 0, null);
    }

    private void start(long features) throws IOException {
        if (driver != null) driver.close();
        driver = new NetDriver(device, memory, features);
        driver.post(8, 300);
    }

    @AfterEach
    void end() throws IOException {
        if (driver != null) driver.close();
        device.close();
        for (Peer peer : peers) peer.close();
        memory.close();
    }

    private static byte[] to(byte[] mac, int vlan) {
        byte[] frame = Packets.frame(70, 3);
        System.arraycopy(mac, 0, frame, 0, 6);
        if (vlan >= 0) ByteBuffer.wrap(frame).putShort(12, (short) 0x8100).putShort(14, (short) (vlan | 0x6000));
        return Packets.plain(frame);
    }

    /** Whether a frame comes through: one that always does follows it. */
    private boolean passes(byte[] mac) throws Exception {
        return passes(mac, -1);
    }

    private boolean passes(byte[] mac, int vlan) throws Exception {
        long filtered = device.count(Kind.RECEIVE_FILTERED);
        peers[0].send(to(mac, vlan));
        byte[] marker = to(Packets.GUEST_MAC, -1);
        marker[60] ^= 0x11;
        peers[0].send(marker);
        byte[] first = driver.receive();
        boolean passed = first[60] != marker[60];
        if (passed) driver.receive();
        assertEquals(passed ? 0 : 1, device.count(Kind.RECEIVE_FILTERED) - filtered);
        return passed;
    }

    private static byte[] tables(byte[][] unicast, byte[][] multicast) {
        ByteBuffer tables = ByteBuffer.allocate(8 + 6 * (unicast.length + multicast.length))
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(unicast.length);
        for (byte[] mac : unicast) tables.put(mac);
        tables.putInt(multicast.length);
        for (byte[] mac : multicast) tables.put(mac);
        return tables.array();
    }

    @Test
    void everythingPassesUntilTheDriverSaysOtherwise() throws Exception {
        start(BASE);
        assertThat(passes(OTHER)).isTrue();
        assertThat(passes(GROUP)).isTrue();
        assertEquals(OK, driver.command(CTRL_RX, 0, (byte) 0));
        assertThat(passes(OTHER)).isFalse();
        assertThat(passes(GROUP)).isFalse();
        assertThat(passes(BROADCAST)).isTrue();
        assertThat(passes(Packets.GUEST_MAC)).isTrue();
        start(BASE);
        assertThat(passes(OTHER)).as("after a reset").isTrue();
    }

    @Test
    void modesAndTables() throws Exception {
        start(BASE);
        assertEquals(OK, driver.command(CTRL_RX, 0, (byte) 0));
        assertEquals(OK, driver.command(CTRL_MAC, 0, tables(new byte[][] {OTHER}, new byte[][] {GROUP})));
        assertThat(List.of(passes(OTHER), passes(GROUP), passes(GROUP_2))).containsExactly(true, true, false);
        assertEquals(OK, driver.command(CTRL_RX, 1, (byte) 1));
        assertThat(passes(GROUP_2)).isTrue();
        assertEquals(OK, driver.command(CTRL_RX, 3, (byte) 1));
        assertThat(List.of(passes(GROUP), passes(BROADCAST))).containsExactly(false, true);
        assertEquals(OK, driver.command(CTRL_RX, 5, (byte) 1));
        assertThat(passes(BROADCAST)).isFalse();
        assertEquals(OK, driver.command(CTRL_MAC, 0, tables(new byte[0][], new byte[0][])));
        assertThat(passes(OTHER)).isFalse();
        assertEquals(OK, driver.command(CTRL_RX, 2, (byte) 1));
        assertThat(passes(OTHER)).isTrue();
    }

    @Test
    void tablesThatAreTooLongLetAllOfTheirKindPass() throws Exception {
        start(BASE);
        byte[][] many = new byte[ReceiveFilter.TABLE + 1][];
        for (int i = 0; i < many.length; i++) many[i] = new byte[] {2, 0, 0, 0, 1, (byte) i};
        assertEquals(OK, driver.command(CTRL_RX, 0, (byte) 0));
        assertEquals(OK, driver.command(CTRL_MAC, 0, tables(many, new byte[0][])));
        assertThat(List.of(passes(OTHER), passes(GROUP))).containsExactly(true, false);
    }

    @Test
    void vlansPassWhenTheyAreNamed() throws Exception {
        start(BASE);
        assertEquals(OK, driver.command(CTRL_RX, 0, (byte) 0));
        assertThat(List.of(passes(Packets.GUEST_MAC, 5), passes(Packets.GUEST_MAC, -1)))
                .containsExactly(false, true);
        assertEquals(OK, driver.command(CTRL_VLAN, 0, (byte) 5, (byte) 0));
        assertEquals(OK, driver.command(CTRL_VLAN, 0, (byte) 0xff, (byte) 0x0f));
        assertThat(List.of(passes(Packets.GUEST_MAC, 5), passes(Packets.GUEST_MAC, 4095), passes(Packets.GUEST_MAC, 6)))
                .containsExactly(true, true, false);
        assertEquals(OK, driver.command(CTRL_VLAN, 1, (byte) 5, (byte) 0));
        assertThat(passes(Packets.GUEST_MAC, 5)).isFalse();
        start(BASE & ~NetFeatures.CTRL_VLAN);
        assertEquals(OK, driver.command(CTRL_RX, 0, (byte) 0));
        assertThat(passes(Packets.GUEST_MAC, 5)).as("not negotiated").isTrue();
    }

    @Test
    void addressOfTheDevice() throws Exception {
        start(BASE);
        assertEquals(OK, driver.command(CTRL_MAC, 1, OTHER));
        assertArrayEquals(OTHER, java.util.Arrays.copyOf(device.config().get(), 6));
        start(BASE);
        assertArrayEquals(
                Packets.GUEST_MAC, java.util.Arrays.copyOf(device.config().get(), 6));
    }

    @Test
    void pairsOfQueues() throws Exception {
        start(BASE | NetFeatures.MQ);
        assertEquals(PAIRS, device.config().get(8, 2));
        for (int pairs = 1; pairs <= PAIRS; pairs++)
            assertEquals(OK, driver.command(CTRL_MQ, 0, (byte) pairs, (byte) 0));
        assertEquals(ERR, driver.command(CTRL_MQ, 0, (byte) 0, (byte) 0));
        assertEquals(ERR, driver.command(CTRL_MQ, 0, (byte) (PAIRS + 1), (byte) 0));
        for (int i = 0; i < PAIRS; i++) {
            long gpa = memory.allocate(200, 1);
            driver.driver.queue(2 * i).offer(List.of(new Buffer(gpa, 200, true)));
            driver.driver.kick(2 * i);
            peers[i].send(Packets.plain(Packets.frame(60, i)));
            if (i > 0) {
                assertEquals(72, driver.driver.await(2 * i).written());
                assertArrayEquals(Packets.frame(60, i), memory.read(gpa + 12, 60));
            } else {
                assertArrayEquals(Packets.frame(60, i), Packets.without(driver.receive()));
            }
            driver.driver.queue(2 * i + 1).offer(Packets.plain(Packets.frame(61, i)), 0);
            driver.driver.kick(2 * i + 1);
            assertEquals(0, driver.driver.await(2 * i + 1).written());
            assertArrayEquals(Packets.plain(Packets.frame(61, i)), peers[i].receive());
        }
        assertEquals(1, device.counters(2).get(Kind.RECEIVED_PACKETS));
        assertEquals(PAIRS, device.count(Kind.RECEIVED_PACKETS));
    }

    @Test
    void whatIsNotNegotiatedOrNotKnownIsAnError() throws Exception {
        start(Features.VERSION_1 | NetFeatures.CTRL_VQ);
        assertEquals(ERR, driver.command(CTRL_RX, 0, (byte) 0));
        assertEquals(ERR, driver.command(CTRL_MAC, 0, tables(new byte[0][], new byte[0][])));
        assertEquals(ERR, driver.command(CTRL_MAC, 1, OTHER));
        assertEquals(ERR, driver.command(CTRL_VLAN, 0, (byte) 5, (byte) 0));
        assertEquals(ERR, driver.command(CTRL_MQ, 0, (byte) 1, (byte) 0));
        assertThat(passes(OTHER)).isTrue();
        start(BASE);
        for (int type = 0; type < 256; type += type < 8 ? 1 : 31) {
            for (int number : new int[] {0, 1, 2, 6, 255}) {
                if (type > CTRL_VLAN || number > 5) assertEquals(ERR, driver.command(type, number, (byte) 1));
            }
        }
        assertEquals(ERR, driver.command(CTRL_RX, 0));
        assertEquals(ERR, driver.command(CTRL_RX, 0, (byte) 1, (byte) 1));
        assertEquals(ERR, driver.command(CTRL_VLAN, 0, (byte) 5));
        assertEquals(ERR, driver.command(CTRL_VLAN, 0, (byte) 0, (byte) 0x10));
        assertEquals(ERR, driver.command(CTRL_MAC, 1, (byte) 1));
        assertEquals(ERR, driver.command(CTRL_MAC, 0, (byte) -1, (byte) -1, (byte) -1, (byte) -1));
        assertEquals(ERR, driver.command(CTRL_MAC, 0, (byte) 0, (byte) 0, (byte) 0, (byte) 0));
        assertEquals(
                ERR,
                driver.command(CTRL_MAC, 0, Packets.join(tables(new byte[][] {OTHER}, new byte[0][]), new byte[1])));
        assertThat(passes(OTHER)).as("nothing has changed").isTrue();
        assertThat(driver.driver.reasons()).isEmpty();
    }

    @Test
    void hostileChains() throws Exception {
        start(BASE);
        Random random = new Random(1);
        for (int i = 0; i < 500; i++) {
            byte[] command = new byte[random.nextInt(60)];
            random.nextBytes(command);
            if (command.length > 1) {
                command[0] %= 6;
                command[1] %= 3;
            }
            int writable = random.nextInt(3);
            if (command.length + writable == 0) continue;
            driver.driver.queue(2).offer(command, writable);
            driver.driver.kick(2);
            assertEquals(Math.min(1, writable), driver.driver.await(2).written());
        }
        assertThat(driver.driver.reasons()).isEmpty();
        assertEquals(OK, driver.command(CTRL_RX, 0, (byte) 1));
        assertThat(passes(OTHER)).isTrue();
    }
}
