package org.nestorvm.virtio.pci;

import static org.nestorvm.devices.PciFunction.BAR0;
import static org.nestorvm.devices.PciFunction.CACHE_LINE;
import static org.nestorvm.devices.PciFunction.COMMAND;
import static org.nestorvm.devices.PciFunction.COMMAND_MEMORY;
import static org.nestorvm.devices.PciFunction.CONFIG_BYTES;
import static org.nestorvm.devices.PciFunction.INTERRUPT_LINE;
import static org.nestorvm.devices.PciFunction.STATUS;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.rng.RngDevice;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;

/**
 * P39: the fuzzer's bytes as accesses to the configuration ports, to a function's registers and windows wherever the
 * guest has put them, and to the memory that its rings are in; each access is eight bytes. None throws, what is read
 * only stays as it was, and a driver that begins anew is served. Every input meets a new function and new memory,
 * served on this thread.
 */
class PciConfigFuzzTest {
    private static final int STEP_BYTES = 8, MOST_STEPS = 64, SEEDS = 40, NOISY_BYTES = 1 << 16;
    private static final int CONFIG_WRITE = 0,
            CONFIG_READ = 1,
            PORT_WRITE = 2,
            PORT_READ = 3,
            WINDOW_WRITE = 4,
            WINDOW_READ = 5,
            MOVED_WRITE = 6,
            MEMORY = 7,
            KINDS = 8;
    private static final int PORTS = 0xcf8, WINDOW_BYTES = 0x6000;

    @MethodSource("seeds")
    @FuzzTest
    void p39_registers(byte[] data) throws IOException {
        try (DriverMemory memory = new DriverMemory(null, 0, 1 << 18);
                VirtioPci function = new VirtioPci(
                        new RngDevice("rng", (bytes, length) -> {}),
                        new VirtioPci.Wires(memory.memory(), (address, value) -> {}, level -> {}, null, true),
                        11)) {
            PciDriver guest = new PciDriver(memory, function);
            int[] before = readOnly(guest);
            ByteBuffer input = ByteBuffer.wrap(data);
            for (int i = 0; i < MOST_STEPS && input.remaining() >= STEP_BYTES; i++)
                step(
                        guest,
                        input.get() & KINDS - 1,
                        input.getShort() & 0xffff,
                        1 << (input.get() & 0xff) % 3,
                        input.getInt());
            if (!Arrays.equals(before, readOnly(guest))) throw new AssertionError("a read-only register has changed");
            isServed(guest);
        }
    }

    private static void step(PciDriver guest, int kind, int offset, int size, int value) {
        int register = offset & CONFIG_BYTES - 1 & -size, port = PORTS + (offset & 7 & -size);
        long window = (offset % WINDOW_BYTES) & -size;
        switch (kind) {
            case CONFIG_WRITE -> guest.setConfig(register, size, value);
            case CONFIG_READ -> guest.config(register, size);
            case PORT_WRITE -> guest.bus.portWrite(port, size, value);
            case PORT_READ -> guest.bus.portRead(port, size);
            case WINDOW_WRITE -> guest.bus.mmioWrite(PciDriver.WINDOWS + window, size, value);
            case WINDOW_READ -> guest.bus.mmioRead(PciDriver.WINDOWS + window, size);
            case MOVED_WRITE -> guest.bus.mmioWrite((guest.config(BAR0, 4) & 0xfffffff0L) + window, size, value);
            default ->
                guest.memory.write(
                        offset & -4,
                        new byte[] {(byte) value, (byte) (value >>> 8), (byte) (value >>> 16), (byte) (value >>> 24)});
        }
    }

    /**
     * All registers, but for the bits that a guest may write (PCI 3.0, 6.2; virtio 1.2, 4.1.4.9; MSI-X message control)
     * and the pending interrupt.
     */
    private static int[] readOnly(PciDriver guest) {
        int access = guest.structures.get(PciDriver.PCI_ACCESS).at();
        int[] bytes = new int[CONFIG_BYTES];
        for (int at = 0; at < CONFIG_BYTES; at++) {
            boolean free = at == COMMAND
                    || at == COMMAND + 1
                    || at == CACHE_LINE
                    || at == INTERRUPT_LINE
                    || at == guest.msixCapability + 3
                    || at == access + 4
                    || at >= access + 8 && at < access + 20;
            boolean address = at >= BAR0 && at < BAR0 + 8 && (at & 3) != 0;
            if (free || address) continue;
            bytes[at] = guest.config(at, 1) & (at == STATUS ? ~(1 << 3) : at == BAR0 || at == BAR0 + 4 ? 0xf : 0xff);
        }
        return bytes;
    }

    private static void isServed(PciDriver guest) {
        for (int bar = 0; bar < 2; bar++) guest.setConfig(BAR0 + 4 * bar, 4, (int) PciDriver.WINDOWS + 0x10000 * bar);
        guest.setConfig(COMMAND, 2, COMMAND_MEMORY);
        if (!guest.negotiate(Features.VERSION_1)) throw new AssertionError("the features are refused");
        guest.memory.write(0, new byte[NOISY_BYTES]);
        DriverQueue queue = DriverQueue.create(guest.memory, 0, 8, Features.VERSION_1);
        var setup = queue.setup(-1);
        guest.place(0, 8, setup.descriptors(), setup.driver(), setup.device(), 0xffff);
        guest.driverOk();
        queue.offer(new byte[0], 16);
        guest.notify(0);
        if (queue.take() == null) throw new AssertionError("the request does not come back");
    }

    /** A driver's accesses, whole and with some of them changed; windows moved onto each other and away; and noise. */
    static Stream<byte[]> seeds() {
        return IntStream.range(0, SEEDS).mapToObj(n -> {
            SplittableRandom random = new SplittableRandom(n);
            ByteBuffer seed = ByteBuffer.allocate(STEP_BYTES * MOST_STEPS);
            if (n % 3 != 2) drive(seed);
            else moveWindows(seed);
            for (int i = 0; i < n; i++) seed.putInt(random.nextInt(seed.capacity() / 4) * 4, random.nextInt());
            return Arrays.copyOf(seed.array(), n % 5 == 4 ? seed.capacity() : seed.position());
        });
    }

    private static void put(ByteBuffer seed, int kind, int offset, int size, int value) {
        seed.put((byte) kind)
                .putShort((short) offset)
                .put((byte) Integer.numberOfTrailingZeros(size))
                .putInt(value);
    }

    private static void common(ByteBuffer seed, int register, int size, int value) {
        put(seed, WINDOW_WRITE, register, size, value);
    }

    private static void drive(ByteBuffer seed) {
        for (int status : new int[] {0, 1, 3}) common(seed, CommonConfig.DEVICE_STATUS, 1, status);
        common(seed, CommonConfig.DRIVER_FEATURE_SELECT, 4, 1);
        common(seed, CommonConfig.DRIVER_FEATURE, 4, 1);
        common(seed, CommonConfig.DEVICE_STATUS, 1, 11);
        common(seed, CommonConfig.QUEUE_SIZE, 2, 8);
        common(seed, CommonConfig.QUEUE_DESC, 4, 0x1000);
        common(seed, CommonConfig.QUEUE_DRIVER, 4, 0x2000);
        common(seed, CommonConfig.QUEUE_DEVICE, 4, 0x3000);
        common(seed, CommonConfig.QUEUE_ENABLE, 2, 1);
        common(seed, CommonConfig.DEVICE_STATUS, 1, 15);
        for (int[] word : new int[][] {{0x1000, 0x4000}, {0x1008, 64}, {0x100c, 2}, {0x2000, 1 << 16}})
            put(seed, MEMORY, word[0], 4, word[1]);
        put(seed, WINDOW_WRITE, 0x3000, 2, 0);
        put(seed, WINDOW_READ, 0x1000, 1, 0);
        common(seed, CommonConfig.QUEUE_RESET, 2, 1);
        common(seed, CommonConfig.DEVICE_STATUS, 1, 0);
    }

    private static void moveWindows(ByteBuffer seed) {
        for (int address : new int[] {-1, 0, 0xf0000000, 0xe0000000}) {
            put(seed, CONFIG_WRITE, BAR0, 4, address);
            put(seed, CONFIG_READ, BAR0, 4, 0);
            put(seed, CONFIG_WRITE, BAR0 + 4, 4, address);
            put(seed, CONFIG_WRITE, COMMAND, 2, address & 0xffff);
            put(seed, MOVED_WRITE, CommonConfig.DEVICE_STATUS, 1, 3);
        }
        put(seed, PORT_WRITE, 0, 4, 0x80001840);
        put(seed, PORT_WRITE, 4, 4, -1);
        put(seed, PORT_READ, 4, 4, 0);
        put(seed, PORT_WRITE, 1, 1, 6);
    }
}
