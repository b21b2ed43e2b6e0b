package org.nestorvm.bench;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.DeviceEvents;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.net.MacAddress;
import org.nestorvm.virtio.net.NetBackend;
import org.nestorvm.virtio.net.NetDevice;
import org.nestorvm.virtio.net.NetFeatures;
import org.nestorvm.virtio.net.NetPort;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.SplitDriver;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the network device itself costs for a packet: a back end without a host, one thread, a split ring, 128 packets
 * for each notification. Nothing may be allocated ({@code -prof gc}).
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class NetPackets {
    private static final int RING = 128, HEADER = 12, TCP_START = 34, BUFFER_BYTES = 1 << 11;
    private static final int F_WRITE = 2;
    private static final int LARGE = 16,
            SEGMENTS = 45,
            SEGMENT_BYTES = 1448,
            LARGE_BYTES = TCP_START + 20 + SEGMENTS * SEGMENT_BYTES;

    /** Takes everything, and has as many frames as it is told. */
    private static final class Nowhere implements NetPort, NetBackend {
        private final Arena arena = Arena.ofAuto();
        private final long frame = arena.allocate(BUFFER_BYTES, 8).address();
        private int frameBytes, left, ended;

        @Override
        public void start(EventLoop loop, Listener listener) {}

        @Override
        public boolean isUp() {
            return true;
        }

        @Override
        public void listen(boolean on) {}

        @Override
        public long receive(IoVector into) {
            if (left == 0) return -Errno.EAGAIN;
            left--;
            into.copyIn(HEADER, frame, frameBytes);
            return HEADER + frameBytes;
        }

        @Override
        public boolean hasBuffered() {
            return left > 0;
        }

        @Override
        public void discard() {
            throw new IllegalStateException("the buffers are large enough");
        }

        @Override
        public int put(IoVector packet) {
            return 0;
        }

        @Override
        public void endPacket() {
            ended++;
        }

        @Override
        public boolean isFull() {
            return false;
        }

        @Override
        public int flush() {
            int packets = ended;
            ended = 0;
            return packets;
        }

        @Override
        public boolean isBlocked() {
            return false;
        }

        @Override
        public String name() {
            return "nowhere";
        }

        @Override
        public int pairs() {
            return 1;
        }

        @Override
        public NetPort port(int pair) {
            return this;
        }

        @Override
        public boolean hasHeader() {
            return false;
        }

        @Override
        public void close() {}
    }

    @Param({"64", "1514"})
    int frameBytes;

    private final Nowhere nowhere = new Nowhere();
    private DriverMemory memory;
    private NetDevice device;
    private SplitDriver receive, transmit;
    private int interrupts;

    @Setup(Level.Trial)
    public void start() throws IOException {
        memory = new DriverMemory(null, 0, 64 << 20);
        device = new NetDevice("net0", nowhere, MacAddress.random(), 0, null);
        long features = Features.VERSION_1 | NetFeatures.MRG_RXBUF | NetFeatures.GUEST_CSUM | NetFeatures.HOST_OFFLOADS;
        device.activate(new DeviceSession(features, memory.memory(), new DeviceEvents() {
            @Override
            public void interrupt(int queue) {
                interrupts++;
            }

            @Override
            public void configChanged() {}

            @Override
            public void needsReset(String why) {
                throw new IllegalStateException(why);
            }
        }));
        receive = queue(0, BUFFER_BYTES, F_WRITE);
        transmit = queue(1, HEADER + frameBytes, 0);
        HostMemory.fill(nowhere.frame, BUFFER_BYTES, (byte) 0);
        packet(nowhere.frame, frameBytes);
        nowhere.frameBytes = frameBytes;
        device.startQueue(receive.setup(-1));
        device.startQueue(transmit.setup(-1));
    }

    /** One buffer to a chain. */
    private SplitDriver queue(int index, int sizeBytes, int flags) {
        SplitDriver queue = (SplitDriver) DriverQueue.create(memory, index, 2 * RING, Features.VERSION_1);
        for (int i = 0; i < RING; i++) {
            long gpa = memory.allocate(sizeBytes, 64);
            queue.descriptor(i, gpa, sizeBytes, flags, 0);
            if (flags == 0) packet(memory.host(gpa, sizeBytes) + HEADER, frameBytes);
        }
        for (int i = 0; i < LARGE && flags == 0; i++) {
            long gpa = memory.allocate(HEADER + LARGE_BYTES, 64);
            queue.descriptor(RING + i, gpa, HEADER + LARGE_BYTES, flags, 0);
            large(memory.host(gpa, HEADER + LARGE_BYTES));
        }
        return queue;
    }

    /** Flags, type, segment size, where the checksum begins and where it is stored. */
    private static void large(long packet) {
        packet(packet + HEADER, LARGE_BYTES);
        HostMemory.putShort(packet, (short) 0x0101);
        HostMemory.putShort(packet + 4, (short) SEGMENT_BYTES);
        HostMemory.putShort(packet + 6, (short) TCP_START);
        HostMemory.putShort(packet + 8, (short) 16);
    }

    /** TCP over IPv4, its checksum left out: the device looks at all of it and does not vouch for it. */
    private static void packet(long frame, int frameBytes) {
        HostMemory.putShort(frame + 12, (short) 0x0008);
        HostMemory.putByte(frame + 14, (byte) 0x45);
        HostMemory.putShort(frame + 16, Short.reverseBytes((short) (frameBytes - 14)));
        HostMemory.putByte(frame + 23, (byte) 6);
        HostMemory.putByte(frame + TCP_START + 12, (byte) 0x50);
    }

    @Benchmark
    @OperationsPerInvocation(RING)
    public int transmit() {
        for (int i = 0; i < RING; i++) transmit.publish(i);
        device.notified(1);
        return interrupts;
    }

    /**
     * Sixteen packets of 64,000 bytes, which become 45 segments each; the figure is of segments. Independent of
     * {@link #frameBytes}.
     */
    @Benchmark
    @OperationsPerInvocation(LARGE * SEGMENTS)
    public int segment() {
        for (int i = 0; i < LARGE; i++) transmit.publish(RING + i);
        device.notified(1);
        return interrupts;
    }

    @Benchmark
    @OperationsPerInvocation(RING)
    public int receive() {
        for (int i = 0; i < RING; i++) receive.publish(i);
        nowhere.left = RING;
        device.notified(0);
        return interrupts;
    }

    @TearDown(Level.Trial)
    public void end() throws IOException {
        device.close();
        memory.close();
    }
}
