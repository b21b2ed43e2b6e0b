package org.nestorvm.virtio.blk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;

/** A disk in memory, as its driver sees it. */
@Timeout(60)
class BlkDeviceTest {
    private static final int IN = 0,
            OUT = 1,
            FLUSH = 4,
            GET_ID = 8,
            DISCARD = 11,
            WRITE_ZEROES = 13,
            OK = 0,
            IOERR = 1,
            UNSUPP = 2,
            SECTORS = 64;
    private static final long ALL = Features.VERSION_1
            | Features.EVENT_IDX
            | Features.INDIRECT_DESC
            | BlkDevice.F_FLUSH
            | BlkDevice.F_DISCARD
            | BlkDevice.F_WRITE_ZEROES
            | BlkDevice.F_CONFIG_WCE;

    private MemoryDisk disk;
    private DriverMemory memory;
    private BlkDevice device;
    private TestDriver driver;

    @BeforeEach
    void plugIn() throws Exception {
        plugIn(new MemoryDisk(SECTORS, false), ALL);
    }

    private void plugIn(MemoryDisk newDisk, long features) throws Exception {
        disk = newDisk;
        memory = new DriverMemory();
        device = new BlkDevice("disk", disk, "SERIAL-1", 1, BlkDevice.DEFAULT_THREADS);
        driver = TestDriver.start(device, memory, features, 64);
    }

    @AfterEach
    void pullOut() throws Exception {
        driver.close();
        device.close();
        memory.close();
        assertEquals(1, disk.closed);
    }

    private static byte[] header(int type, long sector, byte... data) {
        return ByteBuffer.allocate(16 + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(0)
                .putLong(sector)
                .put(data)
                .array();
    }

    private static byte[] range(long sector, int sectors, int flags) {
        return ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(sector)
                .putInt(sectors)
                .putInt(flags)
                .array();
    }

    private static byte[] random(int size, long seed) {
        byte[] bytes = new byte[size];
        new SplittableRandom(seed).nextBytes(bytes);
        return bytes;
    }

    /** @return data and status as the driver finds them */
    private byte[] ask(byte[] readable, int writable) throws InterruptedException {
        byte[] answer = driver.request(0, readable, writable);
        assertEquals(writable, answer.length, "used length");
        return answer;
    }

    private int status(byte[] readable) throws InterruptedException {
        return ask(readable, 1)[0];
    }

    @Test
    void whatIsWrittenIsRead() throws Exception {
        byte[] data = random(1024, 1);
        assertEquals(OK, status(header(OUT, 5, data)));
        assertArrayEquals(data, Arrays.copyOfRange(disk.bytes, 5 * 512, 7 * 512));
        byte[] answer = ask(header(IN, 5), 1025);
        assertArrayEquals(data, Arrays.copyOf(answer, 1024));
        assertEquals(OK, answer[1024]);
    }

    /** The guest changes the second range when the first is being done. */
    @Test
    void rangesAreReadOnce() throws Exception {
        assertEquals(OK, status(header(OUT, 0, random(3 * 512, 7))));
        byte[] ranges =
                ByteBuffer.allocate(32).put(range(0, 1, 0)).put(range(1, 1, 0)).array();
        disk.thrown = () -> {
            Buffer request = driver.queue(0).lastBuffers().getFirst();
            memory.write(request.gpa() + 16 + 16, range(1L << 40, 1, 0));
            return null;
        };
        assertEquals(OK, status(header(WRITE_ZEROES, 0, ranges)));
        assertArrayEquals(new byte[1024], Arrays.copyOf(disk.bytes, 1024));
    }

    @Test
    void configurationTellsSizeAndLimits() {
        assertEquals(SECTORS, device.config().get(0, 8));
        assertEquals(512, device.config().get(20, 4));
        assertEquals(1, device.config().get(34, 2));
        assertThat(device.features() & BlkDevice.F_RO).isZero();
    }

    /** Each way to cut a request into buffers means the same. */
    @Property(tries = 60)
    void framingIsTheDriversChoice(
            @ForAll @IntRange(min = 1, max = 700) int cut, @ForAll boolean write, @ForAll boolean indirect)
            throws Exception {
        if (driver == null) plugIn();
        byte[] data = random(1024, cut), before = random(1024, -cut);
        System.arraycopy(before, 0, disk.bytes, 512, 1024);
        List<Buffer> chain = new ArrayList<>();
        cut(header(write ? OUT : IN, 1, write ? data : new byte[0]), cut, false, chain);
        cut(new byte[write ? 1 : 1025], cut, true, chain);
        if (indirect) driver.queue(0).offerIndirect(chain);
        else driver.queue(0).offer(chain);
        driver.kick(0);
        assertEquals(write ? 1 : 1025, driver.await(0).written());
        byte[] answer = gather(chain);
        assertEquals(OK, answer[answer.length - 1]);
        if (write) assertArrayEquals(data, Arrays.copyOfRange(disk.bytes, 512, 1536));
        else assertArrayEquals(before, Arrays.copyOf(answer, 1024));
        pullOut();
        driver = null;
    }

    private void cut(byte[] bytes, int size, boolean deviceWrites, List<Buffer> chain) {
        for (int at = 0; at < bytes.length; at += size) {
            byte[] piece = Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + size));
            long gpa = memory.allocate(piece.length, 1);
            if (deviceWrites) Arrays.fill(piece, (byte) 0xee);
            memory.write(gpa, piece);
            chain.add(new Buffer(gpa, piece.length, deviceWrites));
        }
        if (chain.size() > 60) throw new org.opentest4j.TestAbortedException("more buffers than the queue has");
    }

    private byte[] gather(List<Buffer> chain) {
        ByteBuffer all = ByteBuffer.allocate(2048);
        for (Buffer buffer : chain) if (buffer.deviceWrites()) all.put(memory.read(buffer.gpa(), buffer.sizeBytes()));
        return Arrays.copyOf(all.array(), all.position());
    }

    @Test
    void p34_whatIsNotOnTheDiskIsAnErrorOfThatRequest() throws Exception {
        for (long sector : new long[] {SECTORS, SECTORS - 1, -1, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 55}) {
            assertEquals(IOERR, status(header(OUT, sector, new byte[1024])), "write at " + sector);
            assertEquals(IOERR, ask(header(IN, sector), 1025)[1024], "read at " + sector);
        }
        assertEquals(IOERR, status(header(OUT, 0, new byte[100])), "part of a sector");
        assertEquals(IOERR, ask(header(IN, 0), 101)[100]);
        assertEquals(UNSUPP, status(header(77, 0)));
        assertEquals(IOERR, status(new byte[15]), "no whole header");
        assertEquals(OK, status(header(OUT, SECTORS - 1, new byte[512])));
        assertThat(driver.reasons()).isEmpty();
    }

    @Test
    void p34_failedReadLeavesNoStaleBytes() throws Exception {
        disk.fail = true;
        byte[] answer = ask(header(IN, 0), 513);
        assertEquals(IOERR, answer[512]);
        assertThat(Arrays.copyOf(answer, 512)).containsOnly(0);
        assertEquals(IOERR, status(header(OUT, 0, new byte[512])));
        assertEquals(IOERR, status(header(FLUSH, 0)));
        disk.fail = false;
        assertEquals(OK, ask(header(IN, 0), 513)[512]);
    }

    @Test
    void p34_requestWithoutRoomForItsStatusNeedsAReset() throws Exception {
        driver.queue(0).offer(header(OUT, 0, new byte[512]), 0);
        driver.kick(0);
        assertThat(driver.awaitNeedsReset()).contains("status");
        assertNull(driver.queue(0).take());
        driver.close();
        driver = TestDriver.start(device, memory, ALL, 64);
        assertEquals(OK, status(header(FLUSH, 0)));
    }

    @Test
    void p34_flushComesBeforeItsCompletion() throws Exception {
        assertEquals(OK, status(header(OUT, 0, new byte[512])));
        assertEquals(0, disk.flushes);
        assertEquals(OK, status(header(FLUSH, 0)));
        assertEquals(1, disk.flushes);
    }

    @Test
    void p34_writeIsDurableWhereTheDriverHasNoFlush() throws Exception {
        device.config().write(BlkDevice.WRITEBACK, 1, 0);
        assertEquals(OK, status(header(OUT, 0, new byte[512])));
        assertEquals(1, disk.flushes);
        pullOut();
        plugIn(new MemoryDisk(SECTORS, false), Features.VERSION_1);
        assertEquals(OK, status(header(OUT, 0, new byte[512])));
        assertEquals(1, disk.flushes);
    }

    @Test
    void identityIsPaddedWithZeroes() throws Exception {
        byte[] answer = ask(header(GET_ID, 0), 21);
        assertEquals("SERIAL-1", new String(answer, 0, 8));
        assertThat(Arrays.copyOfRange(answer, 8, 20)).containsOnly(0);
        assertEquals(OK, answer[20]);
        assertEquals(IOERR, ask(header(GET_ID, 0), 20)[19]);
    }

    @Test
    void rangesAreZeroedAllOrNone() throws Exception {
        Arrays.fill(disk.bytes, (byte) 9);
        assertEquals(OK, status(header(WRITE_ZEROES, 0, range(2, 3, 1))));
        assertThat(Arrays.copyOfRange(disk.bytes, 2 * 512, 5 * 512)).containsOnly(0);
        assertEquals(OK, status(header(DISCARD, 0, range(10, 1, 0))));
        byte[] second = ByteBuffer.allocate(32)
                .put(range(20, 1, 0))
                .put(range(SECTORS, 1, 0))
                .array();
        assertEquals(IOERR, status(header(WRITE_ZEROES, 0, second)));
        assertEquals(9, disk.bytes[20 * 512]);
        assertEquals(UNSUPP, status(header(DISCARD, 0, range(0, 1, 1))));
        assertEquals(UNSUPP, status(header(WRITE_ZEROES, 0, range(0, 1, 2))));
        assertEquals(IOERR, status(header(DISCARD, 0, new byte[15])));
        assertEquals(IOERR, status(header(DISCARD, 0)));
        assertEquals(IOERR, status(header(DISCARD, 0, range(0, -1, 0))));
    }

    @Test
    void diskThatIsReadOnlySaysSoAndStaysAsItIs() throws Exception {
        pullOut();
        plugIn(new MemoryDisk(SECTORS, true), Features.VERSION_1 | BlkDevice.F_RO);
        assertEquals(IOERR, status(header(OUT, 0, random(512, 3))));
        assertThat(disk.bytes).containsOnly(0);
        assertEquals(OK, status(header(FLUSH, 0)));
        assertEquals(UNSUPP, status(header(DISCARD, 0, range(0, 1, 0))));
    }

    @Test
    void manyRequestsAreServedInAnyNumberPastTheIndexsEnd() throws Exception {
        byte[] header = header(OUT, 3, new byte[512]);
        long gpa = memory.allocate(header.length, 16), status = memory.allocate(1, 1);
        memory.write(gpa, header);
        List<Buffer> chain = List.of(new Buffer(gpa, header.length, false), new Buffer(status, 1, true));
        for (int done = 0; done < 70_000; ) {
            int batch = 0;
            for (; batch < 32; batch++) driver.queue(0).offer(chain);
            driver.kick(0);
            for (; batch > 0; batch--, done++) assertEquals(1, driver.await(0).written());
        }
        assertEquals(70_016, disk.writes);
    }

    @Test
    void queuesAreServedSideBySide() throws Exception {
        BlkDevice wide = new BlkDevice("wide", new MemoryDisk(SECTORS, false), "", 4, BlkDevice.DEFAULT_THREADS);
        try (TestDriver many = TestDriver.start(wide, memory, ALL | BlkDevice.F_MQ, 16)) {
            for (int i = 0; i < 4; i++) many.queue(i).offer(header(FLUSH, 0), 1);
            for (int i = 0; i < 4; i++) many.kick(i);
            for (int i = 0; i < 4; i++) assertEquals(1, many.await(i).written());
        }
        wide.close();
        assertEquals(4, wide.config().get(34, 2));
    }
}
