package org.nestorvm.virtio.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.EchoDevice;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.rng.RngDevice;
import org.nestorvm.virtio.scsi.ScsiCdDevice;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.vsock.VsockDevice;
import org.nestorvm.virtio.vsock.VsockOptions;

/**
 * A guest writes anything over rings, tables and buffers while a device serves them. Nothing ever happens but that the
 * device asks for a reset, which it then honours. Memory has guard pages all around: an access outside it would end the
 * test's process. {@code -Dnestor.hostile.seconds=N} for more, {@code -Dnestor.hostile.seed=S} to repeat.
 */
@Timeout(value = 1, unit = TimeUnit.HOURS)
class ScribblingDriverTest {
    private static final double SECONDS = Double.parseDouble(System.getProperty("nestor.hostile.seconds", "4"));
    private static final long SEED = Long.getLong("nestor.hostile.seed", System.nanoTime());
    private static final int RUNS = 4 * Ring.values().length, SIZE = 16;
    private static final long HIGH = 1L << 32, REGION = 1 << 20;

    @ParameterizedTest
    @EnumSource
    void p34_echo(Ring ring) throws Exception {
        run(new EchoDevice(), ring, ScribblingDriverTest::answers);
    }

    @ParameterizedTest
    @EnumSource
    void p34_rng(Ring ring) throws Exception {
        run(
                new RngDevice("rng", (bytes, length) -> Arrays.fill(bytes, 0, length, (byte) 0x5a)),
                ring,
                ScribblingDriverTest::answers);
    }

    @ParameterizedTest
    @EnumSource
    void p38_scsiCd(Ring ring) throws Exception {
        run(
                new ScsiCdDevice("cd", "1"),
                ring,
                driver -> assertEquals(108, driver.request(ScsiCdDevice.REQUEST, new byte[51], 108).length));
    }

    @ParameterizedTest
    @EnumSource
    void p34_vsock(Ring ring, @TempDir Path directory) throws Exception {
        byte[] stray = new byte[44];
        Arrays.fill(stray, 0, 32, (byte) 1);
        run(new VsockDevice("vsock", VsockOptions.parse(directory.resolve("v").toString())), ring, driver -> {
            driver.queue(VsockDevice.TX).offer(stray, 0);
            driver.kick(VsockDevice.TX);
            assertEquals(44, driver.request(VsockDevice.RX, new byte[0], 64).length);
        });
    }

    private interface Check {
        void run(TestDriver driver) throws Exception;
    }

    private static void answers(TestDriver driver) throws InterruptedException {
        assertEquals(4, driver.request(0, new byte[] {1, 2, 3, 4}, 4).length);
    }

    private void run(RingDevice device, Ring ring, Check check) throws Exception {
        long end = System.nanoTime() + (long) (SECONDS / RUNS * 1e9);
        Random random = new Random(SEED);
        int rounds = 0, resets = 0;
        try (device) {
            do {
                try (DriverMemory memory = DriverMemory.guarded(0, REGION, REGION, REGION, HIGH, REGION);
                        TestDriver driver = TestDriver.start(device, memory, ring.features, SIZE)) {
                    Scribbler[] scribblers = new Scribbler[device.queueCount()];
                    for (int i = 0; i < scribblers.length; i++) scribblers[i] = new Scribbler(driver, i, ring, random);
                    for (int i = 0; i < 2_000 / 16 && driver.reasons().isEmpty(); i++)
                        scribblers[random.nextInt(scribblers.length)].scribble(16);
                    driver.reset();
                    assertThat(driver.reasons()).as("seed " + SEED).hasSizeLessThanOrEqualTo(1);
                    resets += driver.reasons().size();
                }
                rounds++;
            } while (System.nanoTime() < end);
            try (DriverMemory memory = DriverMemory.guarded(0, REGION);
                    TestDriver driver = TestDriver.start(device, memory, ring.features, SIZE)) {
                check.run(driver);
            }
        }
        System.out.println(device.name() + " " + ring + ": " + rounds + " rounds, " + resets + " resets, seed " + SEED);
    }

    /** Writes now what means something, now anything, and notifies now and then. */
    private static final class Scribbler {
        final TestDriver driver;
        final DriverQueue queue;
        final DriverMemory memory;
        final Ring ring;
        final Random random;
        final long table;
        int published;

        Scribbler(TestDriver driver, int index, Ring ring, Random random) {
            this.driver = driver;
            this.ring = ring;
            this.random = random;
            queue = driver.queue(index);
            memory = driver.memory();
            table = memory.allocate(16 * SIZE, 16);
        }

        void scribble(int steps) {
            for (int i = 0; i < steps; i++) {
                switch (random.nextInt(16)) {
                    case 0 -> putByte(queue.descriptors() + random.nextInt(16 * SIZE), random.nextInt());
                    case 1 ->
                        putByte(
                                queue.driverArea() + random.nextInt(ring.isPacked() ? 4 : 6 + 2 * SIZE),
                                random.nextInt());
                    case 2 ->
                        putByte(
                                queue.deviceArea() + random.nextInt(ring.isPacked() ? 4 : 6 + 8 * SIZE),
                                random.nextInt());
                    case 3 -> putByte(table + random.nextInt(16 * SIZE), random.nextInt());
                    case 4, 5, 6 -> descriptor(queue.descriptors(), true);
                    case 7, 8, 9 -> descriptor(table, false);
                    case 10, 11, 12, 13 -> publish();
                    case 14 -> driver.forceKick(queue.index());
                    default -> queue.wantInterrupt(random.nextBoolean());
                }
                if (!driver.reasons().isEmpty()) return;
            }
        }

        void putByte(long gpa, int value) {
            HostMemory.putByte(memory.host(gpa, 1), (byte) value);
        }

        /** An address near the ends of regions, or within. */
        long address() {
            long[] places = {
                0,
                REGION,
                2 * REGION,
                HIGH,
                HIGH + REGION,
                table,
                queue.descriptors(),
                queue.driverArea(),
                queue.deviceArea(),
                1L << 63,
                -1L
            };
            return places[random.nextInt(places.length)] + random.nextInt(64) - 16;
        }

        int length() {
            return switch (random.nextInt(8)) {
                case 0 -> random.nextInt();
                case 1 -> 16 * random.nextInt(20);
                case 2 -> (int) REGION - random.nextInt(3) + 1;
                default -> random.nextInt(40);
            };
        }

        void descriptor(long base, boolean inRing) {
            long entry = memory.host(base + 16L * random.nextInt(SIZE), 16);
            boolean indirect = inRing && random.nextInt(4) == 0;
            boolean tame = random.nextInt(8) != 0; // a wild one ends the round; most are to be served
            HostMemory.putLong(entry, indirect ? table : tame ? random.nextInt((int) (2 * REGION) - 100) : address());
            HostMemory.putInt(
                    entry + 8, indirect ? 16 * (1 + random.nextInt(SIZE)) : tame ? random.nextInt(100) : length());
            int flags = indirect ? 4 : random.nextInt(3) == 0 ? 1 | random.nextInt(4) : 2 * random.nextInt(2);
            if (ring.isPacked()) {
                HostMemory.putShort(entry + 12, (short) random.nextInt(tame ? SIZE : SIZE + 1));
                HostMemory.putShort(entry + 14, (short) (flags | (random.nextBoolean() ? 1 << 7 : 1 << 15)));
            } else {
                HostMemory.putInt(entry + 12, flags | random.nextInt(tame ? SIZE : SIZE + 1) << 16);
            }
        }

        void publish() {
            if (ring.isPacked()) return;
            long head = queue.driverArea() + 4 + 2L * (published & SIZE - 1);
            HostMemory.putShort(
                    memory.host(head, 2), (short) random.nextInt(random.nextInt(50) == 0 ? SIZE + 1 : SIZE));
            published += random.nextInt(100) == 0 ? random.nextInt(40) : 1;
            HostMemory.putShort(memory.host(queue.driverArea() + 2, 2), (short) published);
        }
    }

    /** The device stays usable by a driver that keeps the rules, with what it wrote before gone. */
    @ParameterizedTest
    @EnumSource
    void p34_anOrderlyDriverAfterAWildOne(Ring ring) throws Exception {
        try (EchoDevice echo = new EchoDevice();
                DriverMemory memory = DriverMemory.guarded(0, REGION, REGION, REGION, HIGH, REGION)) {
            for (int i = 0; i < 20; i++) {
                try (TestDriver wild = TestDriver.start(echo, memory, ring.features, SIZE)) {
                    new Scribbler(wild, 0, ring, new Random(i)).scribble(200);
                }
                try (TestDriver orderly = TestDriver.start(echo, memory, ring.features, SIZE)) {
                    byte[] sent = {1, 2, (byte) i};
                    for (int j = 0; j < 20; j++) assertArrayEquals(sent, orderly.request(0, sent, 3));
                }
            }
        }
    }
}
