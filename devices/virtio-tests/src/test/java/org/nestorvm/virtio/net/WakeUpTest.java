package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.DriverMemory;

/**
 * Nobody waits for somebody who waits. A driver with a few receive buffers notifies, and is interrupted, only where the
 * rules of suppression say so, against a peer that sends as fast as it can and reads when it comes to it: the device
 * runs out of buffers all the time, and its socket out of room. A wake-up that is lost leaves the driver without the
 * next packet.
 */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class WakeUpTest {
    private static final int PACKETS = Integer.getInteger("nestor.wakeups", 1_500);
    private static final int FRAME_BYTES = 1000, IN_FLIGHT = 200;
    private static final long BASE = Features.VERSION_1 | NetFeatures.MAC;

    static List<Object[]> rings() {
        List<Object[]> rings = new ArrayList<>();
        for (long ring :
                new long[] {0, Features.EVENT_IDX, Features.RING_PACKED, Features.RING_PACKED | Features.EVENT_IDX}) {
            for (long merge : new long[] {0, NetFeatures.MRG_RXBUF}) {
                for (int buffers : new int[] {1, 5}) rings.add(new Object[] {BASE | ring | merge, buffers});
            }
        }
        return rings;
    }

    private static byte[] frame(int number) {
        byte[] frame = new byte[FRAME_BYTES];
        ByteBuffer.wrap(frame).putInt(FRAME_BYTES - 4, number);
        return frame;
    }

    @MethodSource("rings")
    @ParameterizedTest
    void everyPacketComes(long features, int buffers) throws Exception {
        int[] pair = Sockets.pair("net");
        int reading = Descriptors.duplicate("net", pair[1]);
        try (DriverMemory memory = new DriverMemory(null, 0, 32 << 20);
                Peer sender = new Peer(pair[1], true);
                Peer reader = new Peer(reading, true);
                NetDevice device = new NetDevice(
                        "net0", StreamBackend.of("test", pair[0]), MacAddress.of(Packets.GUEST_MAC), 0, null);
                NetDriver driver = new NetDriver(device, memory, features)) {
            FutureTask<Void> sent = start("sender", () -> send(sender)), read = start("reader", () -> read(reader));
            boolean merges = (features & NetFeatures.MRG_RXBUF) != 0;
            driver.post(merges ? 2 * buffers : buffers, merges ? 600 : 2048);
            for (int i = 0; i < PACKETS; i++) {
                assertEquals(
                        i, ByteBuffer.wrap(Packets.without(driver.receive())).getInt(FRAME_BYTES - 4));
                driver.send(Packets.plain(frame(i)));
                if (driver.unsent() > IN_FLIGHT) driver.awaitSent();
            }
            driver.awaitSent();
            sent.get();
            driver.send(Packets.plain(frame(-1)));
            read.get();
            assertThat(driver.driver.reasons()).isEmpty();
        }
    }

    private interface Work {
        void run() throws IOException;
    }

    private static FutureTask<Void> start(String name, Work work) {
        FutureTask<Void> task = new FutureTask<>(() -> {
            work.run();
            return null;
        });
        Thread.ofPlatform().name(name).daemon().start(task);
        return task;
    }

    private static void send(Peer peer) throws IOException {
        for (int i = 0; i < PACKETS; i++) peer.send(frame(i));
    }

    /**
     * What the device drops when the peer does not read for long is not counted: what is asked is whether it goes on.
     */
    private static void read(Peer peer) {
        while (ByteBuffer.wrap(peer.receive()).getInt(FRAME_BYTES - 4) != -1) continue;
    }
}
