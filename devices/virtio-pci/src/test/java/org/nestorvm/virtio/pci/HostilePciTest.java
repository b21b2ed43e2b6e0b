package org.nestorvm.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.rng.RngDevice;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;

/** A guest that does anything at all to a function's registers and to its memory. */
class HostilePciTest {
    private static final int STEPS = 400;
    private static final int[] OFFSETS = {
        CommonConfig.DEVICE_STATUS,
        CommonConfig.QUEUE_SELECT,
        CommonConfig.QUEUE_SIZE,
        CommonConfig.QUEUE_ENABLE,
        CommonConfig.QUEUE_DESC,
        CommonConfig.QUEUE_DRIVER,
        CommonConfig.QUEUE_DEVICE,
        CommonConfig.QUEUE_RESET,
        CommonConfig.DRIVER_FEATURE,
        CommonConfig.DRIVER_FEATURE_SELECT,
        CommonConfig.QUEUE_MSIX_VECTOR
    };

    @Property(tries = 200)
    void p39_anythingWrittenAnywhereIsSurvived(@ForAll long seed) throws Exception {
        SplittableRandom random = new SplittableRandom(seed);
        PciDriver.Messages messages = new PciDriver.Messages();
        try (DriverMemory memory = new DriverMemory(null, 0, 1 << 20);
                VirtioPci function = new VirtioPci(
                        new RngDevice("rng", (bytes, length) -> {}),
                        new VirtioPci.Wires(memory.memory(), messages::send, level -> {}, null, random.nextBoolean()),
                        11)) {
            PciDriver guest = new PciDriver(memory, function);
            for (int i = 0; i < STEPS; i++) step(random, guest, memory);
            // Whatever was done, a driver that begins anew is served.
            for (int bar = 0; bar < 2; bar++)
                guest.setConfig(0x10 + 4 * bar, 4, (int) PciDriver.WINDOWS + 0x10000 * bar);
            guest.setConfig(4, 2, 2);
            guest.enableMsix(false);
            assertEquals(true, guest.negotiate(Features.VERSION_1));
            memory.write(0, new byte[1 << 20]);
            DriverQueue queue = DriverQueue.create(memory, 0, 8, Features.VERSION_1);
            var setup = queue.setup(-1);
            guest.place(0, 8, setup.descriptors(), setup.driver(), setup.device(), 0xffff);
            guest.driverOk();
            queue.offer(new byte[0], 16);
            guest.notify(0);
            while (queue.take() == null) Thread.onSpinWait();
        }
    }

    private static void step(SplittableRandom random, PciDriver guest, DriverMemory memory) {
        int size = 1 << random.nextInt(3);
        switch (random.nextInt(8)) {
            case 0 -> guest.setConfig(random.nextInt(256) & -size, size, random.nextInt());
            case 1 ->
                guest.bus.mmioWrite(PciDriver.WINDOWS + (random.nextInt(0x6000) & -size), size, random.nextLong());
            case 2 -> guest.bus.mmioRead(PciDriver.WINDOWS + (random.nextInt(0x6000) & -size), 1 << random.nextInt(4));
            case 3 ->
                guest.bus.mmioWrite(
                        PciDriver.WINDOWS + OFFSETS[random.nextInt(OFFSETS.length)],
                        4,
                        random.nextInt(1 << random.nextInt(1, 21)));
            case 4 ->
                guest.bus.mmioWrite(
                        PciDriver.WINDOWS + CommonConfig.DEVICE_STATUS,
                        1,
                        new int[] {0, 1, 3, 11, 15, 0xff}[random.nextInt(6)]);
            case 5 -> guest.bus.mmioWrite(PciDriver.WINDOWS + 0x3000, 2, 0);
            case 6 -> guest.setConfig(4, 2, 2);
            default -> {
                byte[] noise = new byte[64];
                random.nextBytes(noise);
                memory.write(random.nextInt((1 << 20) - 64), noise);
            }
        }
    }
}
