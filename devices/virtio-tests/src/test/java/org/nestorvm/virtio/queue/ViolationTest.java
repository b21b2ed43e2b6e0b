package org.nestorvm.virtio.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.EchoDevice;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.DriverQueue;
import org.nestorvm.virtio.testkit.PackedDriver;
import org.nestorvm.virtio.testkit.SplitDriver;
import org.nestorvm.virtio.testkit.TestDriver;

/** Drivers that break the rules: the device asks for a reset, once, and serves again after it. */
class ViolationTest {
    private static final int SIZE = 16, F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4;
    private static final long MIB = 1 << 20, END = 2 * MIB, FAR = 8 * MIB;

    /** Two regions that adjoin, a hole, and one more. */
    private static DriverMemory memory() throws Exception {
        return DriverMemory.guarded(0, MIB, MIB, MIB, FAR, MIB);
    }

    /** @param says a part of the reason the device gives */
    private record Case<D extends DriverQueue>(String name, String says, Guest<D> guest) {
        @Override
        public String toString() {
            return name;
        }
    }

    private interface Guest<D extends DriverQueue> {
        void act(D driver, DriverMemory memory);
    }

    private static Case<SplitDriver> split(String name, String says, Guest<SplitDriver> guest) {
        return new Case<>(name, says, guest);
    }

    /** A table of descriptors somewhere in memory: address, length, flags, next for each. */
    private static long table(DriverMemory memory, long... fields) {
        long table = memory.allocate(16L * fields.length / 4, 16);
        for (int i = 0; i < fields.length / 4; i++) {
            long entry = memory.host(table + 16L * i, 16);
            HostMemory.putLong(entry, fields[4 * i]);
            HostMemory.putInt(entry + 8, (int) fields[4 * i + 1]);
            HostMemory.putShort(entry + 12, (short) fields[4 * i + 2]);
            HostMemory.putShort(entry + 14, (short) fields[4 * i + 3]);
        }
        return table;
    }

    private static Case<SplitDriver> oneSplit(String name, String says, long gpa, int length, int flags) {
        return split(name, says, (driver, memory) -> {
            driver.descriptor(0, gpa, length, flags, 0);
            driver.publish(0);
        });
    }

    static Stream<Case<SplitDriver>> splitCases() {
        return Stream.of(
                split("head is the size", "available descriptor 16 size=16", (driver, memory) -> driver.publish(SIZE)),
                split("head 65535", "available descriptor 65535", (driver, memory) -> driver.publish(0xffff)),
                split("next is the size", "next descriptor 16 of 16", (driver, memory) -> {
                    driver.descriptor(3, 0, 4, F_NEXT, SIZE);
                    driver.publish(3);
                }),
                split("loop of one", "has a loop", (driver, memory) -> {
                    driver.descriptor(0, 0, 4, F_NEXT, 0);
                    driver.publish(0);
                }),
                split("loop of two empty ones", "has a loop", (driver, memory) -> {
                    driver.descriptor(1, 0, 0, F_NEXT, 2);
                    driver.descriptor(2, 0, 0, F_NEXT, 1);
                    driver.publish(1);
                }),
                split("readable after writable", "readable buffer follows a writable one", (driver, memory) -> {
                    driver.descriptor(0, 0, 4, F_NEXT | F_WRITE, 1);
                    driver.descriptor(1, 0, 4, 0, 0);
                    driver.publish(0);
                }),
                split("indirect inside indirect", "inside an indirect table", (driver, memory) -> {
                    driver.descriptor(0, table(memory, 0x4000, 16, F_INDIRECT, 0), 16, F_INDIRECT, 0);
                    driver.publish(0);
                }),
                split("the ring's own descriptors as a table", "inside an indirect table", (driver, memory) -> {
                    driver.descriptor(0, driver.descriptors(), 16 * SIZE, F_INDIRECT, 0);
                    driver.publish(0);
                }),
                split("indirect with next", "with a next one", (driver, memory) -> {
                    driver.descriptor(0, table(memory, 0, 4, 0, 0), 16, F_INDIRECT | F_NEXT, 1);
                    driver.publish(0);
                }),
                split("next outside the table", "next descriptor 2 of 2", (driver, memory) -> {
                    driver.descriptor(0, table(memory, 0, 4, F_NEXT, 2, 0, 4, 0, 0), 32, F_INDIRECT, 0);
                    driver.publish(0);
                }),
                split("loop in the table", "has a loop", (driver, memory) -> {
                    driver.descriptor(0, table(memory, 0, 4, F_NEXT, 1, 0, 4, F_NEXT, 0), 32, F_INDIRECT, 0);
                    driver.publish(0);
                }),
                split(
                        "avail.idx too far ahead",
                        "avail.idx=17 pending=17 size=16",
                        (driver, memory) -> driver.publishIndex(SIZE + 1)),
                split("avail.idx goes back", "avail.idx=65535", (driver, memory) -> driver.publishIndex(-1)),
                oneSplit("empty table", "indirect table of 0 bytes", 0x4000, 0, F_INDIRECT),
                oneSplit("table of half an entry", "indirect table of 8 bytes", 0x4000, 8, F_INDIRECT),
                oneSplit("table of no whole entries", "indirect table of 40 bytes", 0x4000, 40, F_INDIRECT),
                oneSplit("table too long", "indirect table of 16400 bytes", 0x4000, 1025 * 16, F_INDIRECT),
                oneSplit("table of 4 GiB", "indirect table of 4294967280 bytes", 0x4000, -16, F_INDIRECT),
                oneSplit("table in a hole", "indirect table at 0x400000", 4 * MIB, 32, F_INDIRECT),
                oneSplit(
                        "p33 table across a border",
                        "indirect table at 0xffff0 of 32 bytes is not memory",
                        MIB - 16,
                        32,
                        F_INDIRECT),
                oneSplit("buffer in a hole", "buffer at 0x400000 of 1 bytes", 4 * MIB, 1, F_WRITE),
                oneSplit("buffer that ends in a hole", "buffer at 0x1ffff0", END - 16, 17, F_WRITE),
                oneSplit("buffer of 4 GiB", "of 4294967295 bytes", 0, -1, 0),
                oneSplit("buffer beyond all addresses", "buffer at 0xffffffffffffff00", -256, 512, F_WRITE),
                oneSplit("buffer at the top of positive addresses", "is not memory", Long.MAX_VALUE, 2, 0));
    }

    private static Case<PackedDriver> packed(String name, String says, Guest<PackedDriver> guest) {
        return new Case<>(name, says, guest);
    }

    private static Case<PackedDriver> onePacked(String name, String says, long gpa, int length, int flags) {
        return packed(
                name, says, (driver, memory) -> driver.descriptor(0, gpa, length, 0, flags | driver.availFlags()));
    }

    static Stream<Case<PackedDriver>> packedCases() {
        return Stream.of(
                packed(
                        "id is the size",
                        "buffer id 16 size=16",
                        (driver, memory) -> driver.descriptor(0, 0, 4, SIZE, driver.availFlags())),
                packed("endless", "has no end", (driver, memory) -> {
                    for (int i = SIZE - 1; i >= 0; i--) driver.descriptor(i, 0, 4, 0, F_NEXT | driver.availFlags());
                }),
                packed("readable after writable", "readable buffer follows a writable one", (driver, memory) -> {
                    driver.descriptor(1, 0, 4, 0, driver.availFlags());
                    driver.descriptor(0, 0, 4, 0, F_NEXT | F_WRITE | driver.availFlags());
                }),
                packed("indirect at the head of a list", "indirect descriptor in a list", (driver, memory) -> {
                    driver.descriptor(1, 0, 4, 0, driver.availFlags());
                    driver.descriptor(0, 0x4000, 16, 0, F_NEXT | F_INDIRECT | driver.availFlags());
                }),
                packed("indirect at the end of a list", "indirect descriptor in a list", (driver, memory) -> {
                    driver.descriptor(1, 0x4000, 16, 0, F_INDIRECT | driver.availFlags());
                    driver.descriptor(0, 0, 4, 0, F_NEXT | driver.availFlags());
                }),
                packed(
                        "readable after writable in a table",
                        "readable buffer follows a writable one",
                        (driver, memory) -> {
                            long table = table(
                                    memory, 0, 4, 0, F_WRITE, 0, 4, 0, 0); // flags come last in a packed descriptor
                            driver.descriptor(0, table, 32, 0, F_INDIRECT | driver.availFlags());
                        }),
                onePacked("empty table", "indirect table of 0 bytes", 0x4000, 0, F_INDIRECT),
                onePacked("table of no whole entries", "indirect table of 40 bytes", 0x4000, 40, F_INDIRECT),
                onePacked("table too long", "indirect table of 16400 bytes", 0x4000, 1025 * 16, F_INDIRECT),
                onePacked("table in a hole", "indirect table at 0x400000", 4 * MIB, 32, F_INDIRECT),
                onePacked(
                        "p33 table across a border",
                        "indirect table at 0xffff0 of 32 bytes is not memory",
                        MIB - 16,
                        32,
                        F_INDIRECT),
                onePacked("buffer in a hole", "buffer at 0x400000 of 1 bytes", 4 * MIB, 1, F_WRITE),
                onePacked("buffer that ends in a hole", "buffer at 0x1ffff0", END - 16, 17, F_WRITE),
                onePacked("buffer beyond all addresses", "buffer at 0xffffffffffffff00", -256, 512, F_WRITE));
    }

    @ParameterizedTest
    @MethodSource("splitCases")
    void p34_splitRing(Case<SplitDriver> broken) throws Exception {
        for (Ring ring : new Ring[] {Ring.SPLIT, Ring.SPLIT_EVENT})
            resetOnceAndServeAgain(
                    ring, driver -> broken.guest().act((SplitDriver) driver.queue(0), driver.memory()), broken.says());
    }

    @ParameterizedTest
    @MethodSource("packedCases")
    void p34_packedRing(Case<PackedDriver> broken) throws Exception {
        for (Ring ring : new Ring[] {Ring.PACKED, Ring.PACKED_EVENT})
            resetOnceAndServeAgain(
                    ring, driver -> broken.guest().act((PackedDriver) driver.queue(0), driver.memory()), broken.says());
    }

    @ParameterizedTest
    @EnumSource
    void p34_indirectThatWasNotNegotiated(Ring ring) throws Exception {
        try (DriverMemory memory = memory()) {
            long features = ring.features & ~Features.INDIRECT_DESC;
            DriverQueue driver = DriverQueue.create(memory, 0, SIZE, features);
            Virtqueue queue = Virtqueue.open(driver.setup(-1), memory.memory(), features);
            driver.offerIndirect(List.of(new Buffer(0, 4, false)));
            assertThatThrownBy(queue::poll)
                    .isInstanceOf(QueueViolation.class)
                    .hasMessageContaining("was not negotiated");
        }
    }

    private static void resetOnceAndServeAgain(Ring ring, Consumer<TestDriver> act, String says) throws Exception {
        try (DriverMemory memory = memory();
                EchoDevice echo = new EchoDevice()) {
            try (TestDriver driver = TestDriver.start(echo, memory, ring.features, SIZE)) {
                act.accept(driver);
                driver.forceKick(0);
                assertThat(driver.awaitNeedsReset())
                        .startsWith("echo: queue 0: ")
                        .contains(says);
                driver.forceKick(0);
                driver.stopQueue(0); // afterwards the second kick has had its effect
                assertThat(driver.reasons()).hasSize(1);
                driver.startQueue(0); // no reset: the device goes on doing nothing
                driver.forceKick(0);
                driver.stopQueue(0);
                assertThat(driver.reasons()).hasSize(1);
            }
            try (TestDriver driver = TestDriver.start(echo, memory, ring.features, SIZE)) {
                assertArrayEquals(new byte[] {1, 2, 3}, driver.request(0, new byte[] {1, 2, 3}, 8));
                assertThat(driver.reasons()).isEmpty();
            }
        }
    }

    /** A request that is under way is offered once more. */
    @Test
    void p34_splitHeadOfferedTwice() throws Exception {
        try (DriverMemory memory = memory()) {
            SplitDriver driver = (SplitDriver) DriverQueue.create(memory, 0, SIZE, Ring.SPLIT.features);
            Virtqueue queue = Virtqueue.open(driver.setup(-1), memory.memory(), Ring.SPLIT.features);
            int id = driver.offer(List.of(new Buffer(0, 4, true)));
            Chain chain = queue.poll();
            driver.publish(id);
            assertThatThrownBy(queue::poll)
                    .isInstanceOf(QueueViolation.class)
                    .hasMessageContaining("offered again before it was used");
            queue.push(chain, 4); // what is under way can still be ended
        }
    }

    @Test
    void p34_packedIdOfferedTwice() throws Exception {
        try (DriverMemory memory = memory()) {
            PackedDriver driver = (PackedDriver) DriverQueue.create(memory, 0, SIZE, Ring.PACKED.features);
            Virtqueue queue = Virtqueue.open(driver.setup(-1), memory.memory(), Ring.PACKED.features);
            int id = driver.offer(List.of(new Buffer(0, 4, true)));
            Chain chain = queue.poll();
            driver.descriptor(1, 0, 4, id, driver.availFlags());
            assertThatThrownBy(queue::poll)
                    .isInstanceOf(QueueViolation.class)
                    .hasMessageContaining("offered again before it was used");
            queue.push(chain, 4);
        }
    }

    /** The driver writes over descriptors whose requests are under way. */
    @Test
    void p34_packedRingThatOverfills() throws Exception {
        try (DriverMemory memory = memory()) {
            PackedDriver driver = (PackedDriver) DriverQueue.create(memory, 0, 4, Ring.PACKED.features);
            Virtqueue queue = Virtqueue.open(driver.setup(-1), memory.memory(), Ring.PACKED.features);
            driver.offer(List.of(new Buffer(0, 4, true), new Buffer(0, 4, true), new Buffer(0, 4, true)));
            queue.poll();
            driver.descriptor(0, 0, 4, 1, 1 << 15); // available in the next round, though the first is not used yet
            driver.descriptor(3, 0, 4, 1, F_NEXT | 1 << 7);
            assertThatThrownBy(queue::poll)
                    .isInstanceOf(QueueViolation.class)
                    .hasMessageContaining("more descriptors are offered than the ring has");
        }
    }

    private record Area(String name, int size, long descriptors, long driver, long device, String says) {
        @Override
        public String toString() {
            return name;
        }

        QueueSetup setup(Ring ring) {
            return new QueueSetup(0, size, descriptors, driver, device, QueueSetup.start(ring.features), -1);
        }
    }

    static Stream<Area> splitAreas() {
        return Stream.of(
                new Area("size 0", 0, 0x1000, 0x2000, 0x3000, "size must be 1 to 32768, not 0"),
                new Area("size 24", 24, 0x1000, 0x2000, 0x3000, "size must be a power of two, not 24"),
                new Area("size above the device's", 128, 0x1000, 0x2000, 0x3000, "size 128 is above the limit of 64"),
                new Area("size 65536", 65536, 0x1000, 0x2000, 0x3000, "above the limit"),
                new Area("negative size", -1, 0x1000, 0x2000, 0x3000, "size must be 1 to 32768"),
                new Area(
                        "table not aligned",
                        16,
                        0x1008,
                        0x2000,
                        0x3000,
                        "descriptor table at 0x1008 is not aligned to 16 bytes"),
                new Area(
                        "available ring not aligned",
                        16,
                        0x1000,
                        0x2001,
                        0x3000,
                        "available ring at 0x2001 is not aligned to 2 bytes"),
                new Area(
                        "used ring not aligned",
                        16,
                        0x1000,
                        0x2000,
                        0x3002,
                        "used ring at 0x3002 is not aligned to 4 bytes"),
                new Area(
                        "table in a hole",
                        16,
                        4 * MIB,
                        0x2000,
                        0x3000,
                        "descriptor table at 0x400000 of 256 bytes is not memory"),
                new Area(
                        "available ring beyond all addresses",
                        16,
                        0x1000,
                        -16,
                        0x3000,
                        "available ring at 0xfffffffffffffff0"),
                new Area("used ring ends in a hole", 16, 0x1000, 0x2000, END - 64, "used ring at 0x1fffc0"),
                new Area(
                        "p33 table across a border",
                        16,
                        MIB - 16,
                        0x2000,
                        0x3000,
                        "descriptor table at 0xffff0 of 256 bytes is not memory"),
                new Area(
                        "p33 used ring across a border",
                        16,
                        0x1000,
                        0x2000,
                        MIB - 128,
                        "used ring at 0xfff80 of 134 bytes is not memory"));
    }

    static Stream<Area> packedAreas() {
        return Stream.of(
                new Area("size 0", 0, 0x1000, 0x2000, 0x3000, "size must be 1 to 32768, not 0"),
                new Area("size above the device's", 65, 0x1000, 0x2000, 0x3000, "size 65 is above the limit of 64"),
                new Area(
                        "ring not aligned",
                        16,
                        0x1008,
                        0x2000,
                        0x3000,
                        "descriptor ring at 0x1008 is not aligned to 16 bytes"),
                new Area(
                        "driver's event not aligned",
                        16,
                        0x1000,
                        0x2002,
                        0x3000,
                        "driver event suppression at 0x2002 is not aligned to 4 bytes"),
                new Area(
                        "device's event in a hole",
                        16,
                        0x1000,
                        0x2000,
                        END,
                        "device event suppression at 0x200000 of 4 bytes is not memory"),
                new Area(
                        "p33 ring across a border",
                        16,
                        MIB - 16,
                        0x2000,
                        0x3000,
                        "descriptor ring at 0xffff0 of 256 bytes is not memory"));
    }

    @ParameterizedTest
    @MethodSource("splitAreas")
    void p36_splitRingThatCannotBe(Area area) throws Exception {
        refused(Ring.SPLIT, area);
    }

    @ParameterizedTest
    @MethodSource("packedAreas")
    void p36_packedRingThatCannotBe(Area area) throws Exception {
        refused(Ring.PACKED_EVENT, area);
    }

    private static void refused(Ring ring, Area area) throws Exception {
        try (DriverMemory memory = memory();
                EchoDevice echo = new EchoDevice()) {
            try (TestDriver driver = TestDriver.start(echo, memory, ring.features, SIZE)) {
                driver.stopQueue(0);
                echo.startQueue(area.setup(ring));
                assertThat(driver.awaitNeedsReset()).contains(area.says());
                echo.notified(0);
                echo.startQueue(area.setup(ring));
                assertThat(driver.reasons()).hasSize(1);
            }
            try (TestDriver driver = TestDriver.start(echo, memory, ring.features, SIZE)) {
                assertArrayEquals(new byte[] {7}, driver.request(0, new byte[] {7}, 1));
            }
        }
    }

    /** A device may begin anywhere in a packed ring, but not outside. */
    @Test
    void p36_packedPositionOutsideTheRing() throws Exception {
        try (DriverMemory memory = memory()) {
            QueueSetup setup =
                    DriverQueue.create(memory, 0, SIZE, Ring.PACKED.features).setup(-1);
            for (int position : new int[] {SIZE, SIZE << 16, -1, Integer.MAX_VALUE}) {
                assertThatThrownBy(() ->
                                Virtqueue.open(setup.withPosition(position), memory.memory(), Ring.PACKED.features))
                        .isInstanceOf(QueueViolation.class);
            }
        }
    }
}
