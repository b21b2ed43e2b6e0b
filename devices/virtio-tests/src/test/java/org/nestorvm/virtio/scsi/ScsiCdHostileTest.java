package org.nestorvm.virtio.scsi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.nestorvm.virtio.scsi.ScsiCdDevice.CONTROL;
import static org.nestorvm.virtio.scsi.ScsiCdDevice.REQUEST;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

/**
 * P38: whatever a guest puts into command descriptor blocks and chains, each is answered, its numbers agree, nothing
 * beside its buffers is written, and the drive goes on.
 */
class ScsiCdHostileTest {
    private static final int[] OPCODES = {
        0x00, 0x03, 0x08, 0x12, 0x1a, 0x1b, 0x1e, 0x23, 0x25, 0x28, 0x35, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0x88, 0x91,
        0x9e, 0xa0, 0xa8, 0xbd
    };
    private static final byte CANARY = (byte) 0xc5;

    @Property(tries = 40)
    void p38_anyCommandInAnyChainIsAnswered(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        long features = Features.VERSION_1 | Features.INDIRECT_DESC | (random.nextBoolean() ? Features.RING_PACKED : 0);
        try (ScsiCdDevice device = new ScsiCdDevice("cd", "1");
                DriverMemory memory = new DriverMemory();
                TestDriver driver = TestDriver.start(device, memory, features, 64)) {
            long area = memory.allocate(1 << 20, 4096);
            for (int i = 0; i < 100; i++) {
                if (random.nextInt(20) == 0) device.insert(Initiator.medium(2048L * (1 + random.nextInt(2000))));
                if (random.nextInt(40) == 0) device.eject(true);
                if (random.nextInt(30) == 0)
                    device.config()
                            .write(
                                    random.nextBoolean() ? 20 : 24,
                                    4,
                                    random.nextInt(3) == 0 ? random.nextInt() : random.nextInt(64));
                exchange(driver, device, area, random);
            }
            device.config().write(20, 4, 96);
            device.config().write(24, 4, 32);
            assertEquals(108, driver.request(REQUEST, new byte[51], 108).length);
            assertThat(driver.reasons()).isEmpty();
        }
    }

    /** One request, its buffers cut anywhere, with canaries between them. */
    private static void exchange(TestDriver driver, ScsiCdDevice device, long area, Random random)
            throws InterruptedException {
        boolean control = random.nextInt(6) == 0;
        byte[] out = control
                ? control(random)
                : request(random, (int) Math.min(64, device.config().get(24, 4)));
        if (random.nextInt(8) == 0) out = Arrays.copyOf(out, random.nextInt(out.length + 8));
        int writable = random.nextInt(4) == 0 ? random.nextInt(130) : 108 + random.nextInt(20_000);
        byte[] canaries = new byte[writable + 300];
        Arrays.fill(canaries, CANARY);
        driver.memory().write(area, out);
        List<Buffer> chain = new ArrayList<>();
        cut(chain, area, out.length, false, random, 0);
        long writableAt = area + 65_536;
        driver.memory().write(writableAt, canaries);
        int gaps = cut(chain, writableAt, writable, true, random, 16);
        if (chain.isEmpty()) return;
        int queue = control ? CONTROL : REQUEST;
        int id = chain.size() > 20 || random.nextBoolean()
                ? driver.queue(queue).offerIndirect(chain)
                : driver.queue(queue).offer(chain);
        driver.kick(queue);
        Used used = driver.await(queue);
        assertEquals(id, used.id());
        check(driver, device, used, chain, writable, out.length, control);
        byte[] after = driver.memory().read(writableAt, writable + 300);
        long untouched = 0;
        for (Buffer buffer : chain) {
            if (buffer.deviceWrites())
                Arrays.fill(
                        after,
                        (int) (buffer.gpa() - writableAt),
                        (int) (buffer.gpa() - writableAt) + buffer.sizeBytes(),
                        CANARY);
        }
        for (byte b : after) untouched += b == CANARY ? 1 : 0;
        assertEquals(after.length, untouched, "something between " + gaps + " buffers was written");
    }

    private static void check(
            TestDriver driver,
            ScsiCdDevice device,
            Used used,
            List<Buffer> chain,
            int writable,
            int readable,
            boolean control) {
        assertThat(used.written()).isLessThanOrEqualTo(writable);
        if (control) {
            assertThat(used.written()).isIn(0L, 1L, 5L);
            return;
        }
        if (writable < 12) {
            assertEquals(0, used.written());
            return;
        }
        ByteBuffer answer = ByteBuffer.wrap(written(driver, chain, 12)).order(ByteOrder.LITTLE_ENDIAN);
        long senseArea = Math.min(device.config().get(20, 4), writable - 12), data = used.written() - 12 - senseArea;
        assertThat(answer.getInt(0)).as("sense_len").isBetween(0, (int) Math.min(18, senseArea));
        assertThat(answer.get(11)).as("response").isIn((byte) 0, (byte) 1, (byte) 3, (byte) 9);
        if (answer.get(11) != 0) assertEquals(0, answer.get(10));
        else assertThat(answer.get(10)).as("status").isIn((byte) 0, (byte) 2);
        assertThat(data).isNotNegative();
        long length = writable
                - 12
                - senseArea
                + Math.max(0, readable - 19 - device.config().get(24, 4));
        assertEquals((int) (length - data), answer.getInt(4), "residual");
    }

    private static byte[] written(TestDriver driver, List<Buffer> chain, int size) {
        ByteBuffer bytes = ByteBuffer.allocate(size);
        for (Buffer buffer : chain) {
            if (buffer.deviceWrites())
                bytes.put(driver.memory().read(buffer.gpa(), Math.min(buffer.sizeBytes(), bytes.remaining())));
        }
        return bytes.array();
    }

    private static int cut(List<Buffer> chain, long gpa, int size, boolean deviceWrites, Random random, int gap) {
        int pieces = 0;
        for (int left = size; left > 0; pieces++) {
            int piece = pieces == 11 ? left : Math.min(left, 1 + random.nextInt(random.nextBoolean() ? 30 : 9000));
            chain.add(new Buffer(gpa, piece, deviceWrites));
            gpa += piece + gap;
            left -= piece;
        }
        return pieces;
    }

    private static byte[] request(Random random, int cdbSize) {
        byte[] request = new byte[19 + cdbSize + (random.nextInt(10) == 0 ? random.nextInt(40) : 0)];
        random.nextBytes(request);
        byte[] lun = random.nextInt(5) == 0
                ? new byte[] {1, (byte) random.nextInt(2), (byte) random.nextInt(), (byte) random.nextInt(3), 0, 0, 0, 0
                }
                : Initiator.DRIVE;
        if (random.nextInt(30) != 0) System.arraycopy(lun, 0, request, 0, 8);
        if (cdbSize == 0 || random.nextInt(10) == 0) return request;
        request[19] = (byte) OPCODES[random.nextInt(OPCODES.length)];
        // Small numbers go further into a command than large ones.
        for (int i = 20; i < request.length; i++)
            if (random.nextInt(4) != 0) request[i] = (byte) (random.nextBoolean() ? 0 : random.nextInt(8));
        return request;
    }

    private static byte[] control(Random random) {
        return ByteBuffer.allocate(24)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(random.nextInt(4))
                .putInt(random.nextInt(10))
                .put(Initiator.DRIVE)
                .putLong(random.nextLong())
                .array();
    }
}
