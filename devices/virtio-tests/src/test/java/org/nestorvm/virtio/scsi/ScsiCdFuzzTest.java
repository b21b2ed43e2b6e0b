package org.nestorvm.virtio.scsi;

import static org.nestorvm.virtio.scsi.ScsiCdDevice.CONTROL;
import static org.nestorvm.virtio.scsi.ScsiCdDevice.REQUEST;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.virtio.DeviceEvents;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.Used;

/**
 * P38: the fuzzer's bytes as requests to a CD-ROM drive, one after the other, served on this thread. Of each the first
 * bytes say which queue, how long its buffers are and where they are cut; the rest is what the device reads. Each comes
 * back, with no more written than there was room for, and never does the device ask for a reset. Every input meets a
 * drive that has just been reset.
 */
class ScsiCdFuzzTest {
    private static final int HEAD_BYTES = 4, MOST_READABLE = 80, MOST_REQUESTS = 16, SEEDS = 60, ROOM = 1 << 16;
    private static final Medium MEDIUM = Initiator.medium(2048L * 1000);
    private static Drive drive;

    @MethodSource("seeds")
    @FuzzTest
    void p38_requests(byte[] data) throws IOException {
        if (drive == null) drive = new Drive();
        ByteBuffer input = ByteBuffer.wrap(data);
        drive.start();
        for (int i = 0; i < MOST_REQUESTS && input.remaining() > HEAD_BYTES; i++) drive.send(input);
        drive.stop();
    }

    /** Real commands whole and cut, and noise. */
    static Stream<byte[]> seeds() {
        String[] cdbs = {
            "000000000000",
            "030000001200",
            "080000010200",
            "120000002400",
            "12018300ff00",
            "1a003f00ff00",
            "1b0000000200",
            "1e0000000100",
            "25000000000000000000",
            "28000000000500000200",
            "43000000000000000c00",
            "46020000000000ff00",
            "4a01000010000000ff00",
            "51000000000000002200",
            "5a002a0000000000ff00",
            "88000000000000000005000000020000",
            "9e100000000000000000000000200000",
            "a00000000000000000ff0000",
            "a80000000005000000020000",
            "bd0000000000000000100000"
        };
        return IntStream.range(0, SEEDS).mapToObj(n -> {
            SplittableRandom random = new SplittableRandom(n);
            ByteBuffer seed = ByteBuffer.allocate(8 * (HEAD_BYTES + MOST_READABLE));
            for (int i = 0; i < 4; i++) {
                byte[] request = new byte[51];
                if (n % 4 == 3) random.nextBytes(request);
                System.arraycopy(Initiator.DRIVE, 0, request, 0, 8);
                byte[] cdb = HexFormat.of().parseHex(cdbs[(n + i) % cdbs.length]);
                System.arraycopy(cdb, 0, request, 19, cdb.length);
                seed.put((byte) (n % 7 == 6 ? 1 : 0))
                        .put((byte) request.length)
                        .put((byte) (n % 3 == 0 ? 200 : random.nextInt(255)))
                        .put((byte) random.nextInt())
                        .put(request);
            }
            return Arrays.copyOf(seed.array(), seed.position());
        });
    }

    @AfterAll
    static void close() throws IOException {
        if (drive != null) drive.close();
        drive = null;
    }

    private static final class Drive {
        private final ScsiCdDevice device = new ScsiCdDevice("cd", "1");
        private final DriverMemory memory = new DriverMemory();
        private final long readable = memory.allocate(MOST_READABLE, 16), writable = memory.allocate(ROOM, 4096);
        private final DriverQueue[] queues = new DriverQueue[3];
        private final int[] position = new int[3];
        private String broken;

        Drive() throws IOException {
            for (int i = 0; i < 3; i++) queues[i] = DriverQueue.create(memory, i, 16, Features.VERSION_1);
        }

        void start() throws IOException {
            device.insert(MEDIUM);
            device.activate(new DeviceSession(Features.VERSION_1, memory.memory(), new DeviceEvents() {
                @Override
                public void interrupt(int queue) {}

                @Override
                public void configChanged() {}

                @Override
                public void needsReset(String why) {
                    broken = why;
                }
            }));
            for (DriverQueue queue : queues) device.startQueue(queue.setup(-1).withPosition(position[queue.index()]));
        }

        void stop() {
            for (int i = 0; i < 3; i++) position[i] = device.stopQueue(i);
            device.deactivate();
        }

        /** Buffers are at most two on each side. */
        void send(ByteBuffer input) {
            DriverQueue queue = queues[(input.get() & 1) == 0 ? REQUEST : CONTROL];
            int size = Math.min(Math.min(input.get() & 0xff, MOST_READABLE), input.remaining() - 2),
                    room = (input.get() & 0xff) * (input.get() & 0xff),
                    cut = room & 31;
            byte[] bytes = new byte[Math.max(0, size)];
            input.get(bytes);
            memory.write(readable, bytes);
            List<Buffer> chain = new ArrayList<>();
            add(chain, readable, bytes.length, cut, false);
            add(chain, writable, room, 3 * cut, true);
            if (chain.isEmpty()) return;
            int id = queue.offer(chain);
            device.notified(queue.index());
            Used used = queue.take();
            if (broken != null) throw new AssertionError(broken);
            if (used == null || used.id() != id || used.written() > room)
                throw new AssertionError(used + " of chain " + id + " with room for " + room);
        }

        private static void add(List<Buffer> chain, long gpa, int size, int cut, boolean deviceWrites) {
            int first = Math.min(cut, size);
            if (first > 0) chain.add(new Buffer(gpa, first, deviceWrites));
            if (size > first) chain.add(new Buffer(gpa + first, size - first, deviceWrites));
        }

        void close() throws IOException {
            device.close();
            memory.close();
        }
    }
}
