package org.nestorvm.virtio.balloon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.balloon.BalloonStatistics.Tag;
import org.nestorvm.virtio.queue.Ring;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;

@Timeout(60)
class BalloonDeviceTest {
    private static final int PAGE = BalloonDevice.PAGE_BYTES, MIB = 1 << 20;

    private DriverMemory memory;
    private final List<String> released = Collections.synchronizedList(new ArrayList<>());

    @BeforeEach
    void twoRegionsThatAdjoinAndOneThatDoesNot() throws IOException {
        memory = new DriverMemory(null, 0, 4 * MIB, 4 * MIB, 4 * MIB, 64 * MIB, 4 * MIB);
    }

    @AfterEach
    void close() throws IOException {
        memory.close();
    }

    /** Does what a machine does, and writes it down. */
    private void release(long gpa, long sizeBytes) {
        HostMemory.fill(memory.host(gpa, sizeBytes), sizeBytes, (byte) 0);
        released.add(Long.toHexString(gpa) + "+" + Long.toHexString(sizeBytes));
    }

    private BalloonDevice balloon() {
        return new BalloonDevice("balloon", BalloonOptions.DEFAULT, this::release);
    }

    private static byte[] numbers(long... pages) {
        ByteBuffer buffer = ByteBuffer.allocate(4 * pages.length).order(ByteOrder.LITTLE_ENDIAN);
        for (long page : pages) buffer.putInt((int) page);
        return buffer.array();
    }

    private static byte[] statistics(long... tagsAndValues) {
        ByteBuffer buffer = ByteBuffer.allocate(10 * tagsAndValues.length / 2).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < tagsAndValues.length; i += 2)
            buffer.putShort((short) tagsAndValues[i]).putLong(tagsAndValues[i + 1]);
        return buffer.array();
    }

    @ParameterizedTest
    @EnumSource
    void pagesInARowGoBackAtOnce(Ring ring) throws Exception {
        try (BalloonDevice balloon = balloon();
                TestDriver driver = TestDriver.start(balloon, memory, ring.features(), 16)) {
            driver.request(BalloonDevice.INFLATE, numbers(0x300, 0x301, 0x302, 0x310, 0x30f, 0x30e, 0x320), 0);
            assertThat(released).containsExactly("300000+3000", "30e000+3000", "320000+1000");
            assertEquals(7 * PAGE, balloon.releasedBytes());
            driver.request(BalloonDevice.DEFLATE, numbers(0x300, 0x310), 0);
            assertThat(released).hasSize(3);
        }
    }

    @Test
    void p12_neighboursStay() throws Exception {
        try (BalloonDevice balloon = balloon();
                TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16)) {
            HostMemory.fill(memory.host(0x3ff000, PAGE), PAGE, (byte) 1);
            HostMemory.fill(memory.host(0x400000, 3 * PAGE), 3 * PAGE, (byte) 1);
            driver.request(BalloonDevice.INFLATE, numbers(0x401), 0);
            assertEquals(1, HostMemory.getByte(memory.host(0x400fff, 1)));
            assertEquals(0, HostMemory.getByte(memory.host(0x401000, 1)));
            assertEquals(0, HostMemory.getByte(memory.host(0x401fff, 1)));
            assertEquals(1, HostMemory.getByte(memory.host(0x402000, 1)));
        }
    }

    /**
     * Without a machine: the right pages of the right file, wherever in it a region begins; and who watches what
     * devices write hears of the zeroes.
     */
    @Test
    void p12_pagesGoBackThroughTheFilesOfTheirRegions() throws Exception {
        List<String> written = Collections.synchronizedList(new ArrayList<>());
        try (DriverMemory files = new DriverMemory(
                        (gpa, sizeBytes) -> written.add(Long.toHexString(gpa) + "+" + Long.toHexString(sizeBytes)),
                        0,
                        4 * MIB);
                DriverMemory guarded = DriverMemory.guarded(0, 4 * MIB, 16 * MIB, 4 * MIB)) {
            for (DriverMemory each : List.of(files, guarded)) {
                try (BalloonDevice balloon = new BalloonDevice("balloon", BalloonOptions.DEFAULT);
                        TestDriver driver = TestDriver.start(balloon, each, Ring.SPLIT.features(), 16)) {
                    for (DeviceMemory.Region region : each.memory().regions()) {
                        long page = region.gpa() + 3 * MIB;
                        HostMemory.fill(each.host(page, 4 * PAGE), 4 * PAGE, (byte) 1);
                        driver.request(BalloonDevice.INFLATE, numbers((page >> 12) + 1, (page >> 12) + 2), 0);
                        for (int i = 0; i < 4; i++)
                            assertEquals(
                                    i == 1 || i == 2 ? 0 : 1,
                                    HostMemory.getByte(each.host(page + i * PAGE, 1)),
                                    "page " + i);
                    }
                    assertEquals(2 * PAGE * each.memory().regions().size(), balloon.releasedBytes());
                }
            }
        }
        assertThat(written).contains("301000+2000");
    }

    /** A machine releases inside one of its slots. */
    @Test
    void p33_aRowOfPagesEndsWhereARegionEnds() throws Exception {
        try (BalloonDevice balloon = balloon();
                TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16)) {
            driver.request(BalloonDevice.INFLATE, numbers(0x3fe, 0x3ff, 0x400, 0x401), 0);
            driver.request(BalloonDevice.INFLATE, numbers(0x401, 0x400, 0x3ff, 0x3fe), 0);
            assertThat(released).containsExactly("3fe000+2000", "400000+2000", "400000+2000", "3fe000+2000");
        }
    }

    @Test
    void p34_pagesThatThereAreNotAndPagesTwice() throws Exception {
        try (BalloonDevice balloon = balloon();
                TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16)) {
            driver.request(
                    BalloonDevice.INFLATE,
                    numbers(0x800, 0xffffffffL, 0x7fffffff, 0x300, 0x300, 0x801, 0x301, 0x3fff, 0x4400),
                    0);
            assertThat(released).containsExactly("300000+1000", "300000+1000", "301000+1000");
            driver.request(BalloonDevice.INFLATE, new byte[] {0, 3, 0, 0, 1, 2, 3}, 0); // a number and a piece of one
            driver.request(BalloonDevice.INFLATE, new byte[3], 0);
            driver.request(BalloonDevice.INFLATE, new byte[0], 8); // room to write, of which nobody speaks
            assertThat(released).hasSize(4);
            assertTrue(driver.reasons().isEmpty());
        }
    }

    /** A request as long as a chain can be would keep the device for hours. */
    @Test
    void p34_aRequestWithoutMeasureIsRefused() throws Exception {
        try (BalloonDevice balloon = balloon()) {
            try (TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16)) {
                driver.queue(BalloonDevice.INFLATE)
                        .offer(List.of(new Buffer(0x300000, 64 << 10, false), new Buffer(0x300000, 4, false)));
                driver.kick(BalloonDevice.INFLATE);
                assertThat(driver.awaitNeedsReset()).contains("inflate request of 65540 bytes");
                assertThat(released).isEmpty();
            }
            try (TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16)) {
                driver.request(BalloonDevice.INFLATE, numbers(0x300), 0);
                assertThat(released).containsExactly("300000+1000");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {BalloonDevice.REPORTING, BalloonDevice.REPORTING_AS_NUMBERED_BY_LINUX})
    void reportedPagesGoBack(int queue) throws Exception {
        try (BalloonDevice balloon = balloon();
                TestDriver driver = TestDriver.start(
                        balloon, memory, Ring.PACKED_EVENT.features() | BalloonDevice.F_PAGE_REPORTING, 16)) {
            driver.queue(queue).offer(List.of(new Buffer(2 * MIB, 2 * MIB, true), new Buffer(64 * MIB, MIB, true)));
            driver.kick(queue);
            assertEquals(0, driver.await(queue).written());
            assertThat(released).containsExactly("200000+200000", "4000000+100000");
        }
    }

    @Test
    void p34_reportsOfOddSizes() throws Exception {
        try (BalloonDevice balloon = balloon();
                TestDriver driver =
                        TestDriver.start(balloon, memory, Ring.SPLIT.features() | BalloonDevice.F_PAGE_REPORTING, 16)) {
            int queue = BalloonDevice.REPORTING;
            driver.queue(queue)
                    .offer(List.of(
                            new Buffer(0x300010, 4096, true), // no whole page
                            new Buffer(0x300001, 0x2fff, true), // two
                            new Buffer(0x310000, 0x1fff, true), // one
                            new Buffer(0x3ff800, 0x1800, true), // across a border, a whole one behind it
                            new Buffer(0x320000, 0, true)));
            driver.kick(queue);
            driver.await(queue);
            assertThat(released).containsExactly("301000+2000", "310000+1000", "400000+1000");
            driver.queue(queue).offer(List.of(new Buffer(8L * MIB, 4096, true)));
            driver.kick(queue);
            assertThat(driver.awaitNeedsReset()).contains("is not memory");
        }
    }

    @Test
    void theHostAsksAndTheGuestAnswers() throws Exception {
        try (BalloonDevice balloon = new BalloonDevice("balloon", BalloonOptions.parse("target=8M"), this::release)) {
            AtomicInteger heard = new AtomicInteger();
            balloon.onActual(heard::incrementAndGet);
            assertEquals(2048, balloon.config().get(0, 4));
            balloon.setTarget(4 * MIB); // before there is a driver
            try (TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16)) {
                assertEquals(1024, balloon.config().get(0, 4));
                balloon.setTarget(12 * MIB);
                driver.awaitConfigChange();
                assertEquals(3072, balloon.config().get(0, 4));
                balloon.config().write(4, 4, 2000);
                assertEquals(2000L * PAGE, balloon.actualBytes());
                assertEquals(1, heard.get());
                balloon.config().write(0, 4, 7); // not the guest's to write
                assertEquals(12 * MIB, balloon.targetBytes());
            }
            balloon.setTarget(0);
            try (TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16)) {
                assertEquals(0, balloon.actualBytes(), "a driver begins with nothing in the balloon");
                assertTrue(driver.reasons().isEmpty());
            }
            assertThatThrownBy(() -> balloon.setTarget(4095)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> balloon.setTarget(1L << 44)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> balloon.setTarget(-PAGE)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @ParameterizedTest
    @EnumSource
    void theGuestTellsStatisticsWhenAsked(Ring ring) throws Exception {
        int stats = BalloonDevice.STATS;
        try (BalloonDevice balloon = balloon();
                TestDriver driver = TestDriver.start(balloon, memory, ring.features() | BalloonDevice.F_STATS_VQ, 16)) {
            assertNull(balloon.statistics());
            driver.stopQueue(stats);
            driver.queue(stats).offer(statistics(5, 1000), 0);
            driver.startQueue(stats); // it is heard when this returns
            assertEquals(OptionalLong.of(1000), balloon.statistics().get(Tag.TOTAL_BYTES));
            for (int i = 0; i < 3; i++) {
                CompletableFuture<BalloonStatistics> answer = balloon.requestStatistics();
                CompletableFuture<BalloonStatistics> second = balloon.requestStatistics();
                driver.await(stats);
                assertFalse(answer.isDone());
                driver.queue(stats).offer(statistics(4, 100 + i, 0x7777, 3, 5, -1), 0);
                driver.kick(stats);
                BalloonStatistics told = answer.get(30, TimeUnit.SECONDS);
                assertEquals(OptionalLong.of(100 + i), told.get(Tag.FREE_BYTES));
                assertEquals(OptionalLong.of(-1), told.get(Tag.TOTAL_BYTES));
                assertEquals(OptionalLong.empty(), told.get(Tag.SWAP_IN_BYTES));
                assertEquals(told, second.get(30, TimeUnit.SECONDS));
                assertEquals(told, balloon.statistics());
            }
        }
    }

    /** A pause takes nothing from the guest. */
    @ParameterizedTest
    @EnumSource
    void theBufferForStatisticsOutlivesAPause(Ring ring) throws Exception {
        int stats = BalloonDevice.STATS;
        try (BalloonDevice balloon = balloon();
                TestDriver driver = TestDriver.start(balloon, memory, ring.features() | BalloonDevice.F_STATS_VQ, 16)) {
            driver.queue(stats).offer(statistics(4, 5), 0);
            driver.kick(stats);
            for (int i = 0; i < 3; i++) {
                driver.stopQueue(stats);
                assertNull(driver.queue(stats).take());
                driver.startQueue(stats);
            }
            CompletableFuture<BalloonStatistics> answer = balloon.requestStatistics();
            driver.await(stats);
            driver.queue(stats).offer(statistics(4, 6), 0);
            driver.kick(stats);
            assertEquals(OptionalLong.of(6), answer.get(30, TimeUnit.SECONDS).get(Tag.FREE_BYTES));
        }
    }

    @Test
    void statisticsArePolled() throws Exception {
        int stats = BalloonDevice.STATS;
        try (BalloonDevice balloon = new BalloonDevice("balloon", BalloonOptions.parse("stats=1"), this::release);
                TestDriver driver =
                        TestDriver.start(balloon, memory, Ring.SPLIT_EVENT.features() | BalloonDevice.F_STATS_VQ, 16)) {
            for (int i = 0; i < 2; i++) {
                driver.queue(stats).offer(statistics(4, i), 0);
                driver.kick(stats);
                driver.await(stats); // nobody asked but the clock
                assertEquals(OptionalLong.of(i), balloon.statistics().get(Tag.FREE_BYTES));
            }
        }
    }

    @Test
    void whoAsksAGuestThatGoesIsTold() throws Exception {
        try (BalloonDevice balloon = balloon()) {
            assertThatThrownBy(balloon.requestStatistics()::get)
                    .hasRootCauseInstanceOf(IOException.class)
                    .hasMessageContaining("no driver");
            TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16);
            CompletableFuture<BalloonStatistics> answer = balloon.requestStatistics();
            assertFalse(answer.isDone());
            driver.close();
            assertThatThrownBy(answer::get).hasRootCauseInstanceOf(IOException.class);
            assertThatThrownBy(balloon.requestStatistics()::get).hasRootCauseInstanceOf(IOException.class);
        }
    }

    @Test
    void p34_statisticsOfAnySize() throws Exception {
        int stats = BalloonDevice.STATS;
        try (BalloonDevice balloon = balloon();
                TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16)) {
            driver.queue(stats).offer(new byte[9], 0);
            driver.queue(stats).offer(new byte[0], 4); // a second buffer, which the guest must not offer
            driver.queue(stats).offer(Arrays.copyOf(statistics(4, 9), MIB), 0);
            driver.kick(stats);
            driver.await(stats);
            driver.await(stats);
            balloon.requestStatistics();
            driver.await(stats);
            assertEquals(OptionalLong.of(9), balloon.statistics().get(Tag.FREE_BYTES));
        }
    }

    /** A host that has no way to take memory back is no reason to trouble the guest. */
    @Test
    void aHostThatRefusesKeepsTheGuestRunning() throws Exception {
        PageRelease refuses = (gpa, sizeBytes) -> {
            throw new IOException("test: fallocate: EOPNOTSUPP");
        };
        try (BalloonDevice balloon = new BalloonDevice("balloon", BalloonOptions.DEFAULT, refuses);
                TestDriver driver = TestDriver.start(balloon, memory, Ring.SPLIT.features(), 16)) {
            for (int i = 0; i < 3; i++) driver.request(BalloonDevice.INFLATE, numbers(0x300), 0);
            assertEquals(0, balloon.releasedBytes());
            assertTrue(driver.reasons().isEmpty());
        }
    }

    /** Any requests at all: only whole pages of memory ever go. */
    @Test
    void p34_requestsOfAHostileGuest() throws Exception {
        Random random = new Random(7);
        try (BalloonDevice balloon = balloon();
                TestDriver driver =
                        TestDriver.start(balloon, memory, Ring.SPLIT.features() | BalloonDevice.F_PAGE_REPORTING, 16)) {
            for (int i = 0; i < 300; i++) {
                int queue = random.nextInt(5);
                byte[] bytes = new byte[4 * random.nextInt(60) + random.nextInt(4)];
                random.nextBytes(bytes);
                for (int at = 3; at < bytes.length && random.nextBoolean(); at += 4) bytes[at] = bytes[at - 1] = 0;
                long gpa = 0x200000 + random.nextInt(0x100000);
                memory.write(0x1ff000, bytes);
                if (random.nextBoolean())
                    driver.queue(queue)
                            .offer(List.of(
                                    new Buffer(0x1ff000, bytes.length, false),
                                    new Buffer(gpa, random.nextInt(20_000), true)));
                else driver.queue(queue).offer(List.of(new Buffer(0x1ff000, bytes.length, false)));
                driver.kick(queue);
                if (queue != BalloonDevice.STATS) driver.await(queue);
                else while (driver.queue(queue).take() != null) {}
            }
            for (String piece : released) {
                String[] parts = piece.split("\\+");
                long from = Long.parseLong(parts[0], 16), size = Long.parseLong(parts[1], 16);
                assertTrue(
                        from % PAGE == 0
                                && size > 0
                                && size % PAGE == 0
                                && memory.memory().translate(from, size) != 0,
                        piece);
            }
        }
    }

    @Test
    void optionsAreReadAsWritten() throws Exception {
        assertEquals(new BalloonOptions(0, true, true, 0), BalloonOptions.parse("on"));
        assertEquals(
                new BalloonOptions(1 << 30, false, true, 5),
                BalloonOptions.parse("target=1G,deflate-on-oom=off,stats=5"));
        assertEquals(
                new BalloonOptions(8192, true, false, 0), BalloonOptions.parse("free-page-reporting=off,target=8192"));
        try (BalloonDevice balloon = new BalloonDevice(
                "b", BalloonOptions.parse("free-page-reporting=off,deflate-on-oom=off"), this::release)) {
            assertEquals(BalloonDevice.F_STATS_VQ, balloon.features() & 0xff);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "off",
                "target",
                "target=",
                "target=1",
                "target=-4K",
                "target=16T",
                "target=99999999999",
                "stats=x",
                "stats=100000",
                "deflate-on-oom=yes",
                "stats=1,",
                "size=1M"
            })
    void optionsThatCannotBeAreNamed(String text) {
        assertThatThrownBy(() -> BalloonOptions.parse(text))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith("balloon ")
                .hasMessageNotContaining("\n");
    }
}
