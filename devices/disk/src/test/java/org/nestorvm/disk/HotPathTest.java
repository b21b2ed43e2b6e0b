package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.IoVector;

/** Requests to places that exist allocate nothing on the Java heap. */
class HotPathTest {
    private static final int ROUNDS = 30_000, ATTEMPTS = 200, REQUEST = 4096;
    private static final double BYTES = 1;
    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @TempDir
    Path directory;

    @FunctionalInterface
    private interface Request {
        void run(DiskImage image, IoVector vector, long offset) throws IOException;
    }

    @Test
    void readsOfRaw() throws IOException {
        allocateNothing("raw", (image, vector, offset) -> image.read(offset, vector));
    }

    @Test
    void writesOfRaw() throws IOException {
        allocateNothing("raw", (image, vector, offset) -> image.write(offset, vector));
    }

    @Test
    void readsOfQcow2() throws IOException {
        allocateNothing("qcow2", (image, vector, offset) -> image.read(offset, vector));
    }

    @Test
    void writesOfQcow2() throws IOException {
        allocateNothing("qcow2", (image, vector, offset) -> image.write(offset, vector));
    }

    @Test
    void whatDoesNotWaitOnRaw() throws IOException {
        allocateNothing("raw", HotPathTest::tryBoth);
    }

    @Test
    void whatDoesNotWaitOnQcow2() throws IOException {
        allocateNothing("qcow2", HotPathTest::tryBoth);
    }

    private static void tryBoth(DiskImage image, IoVector vector, long offset) throws IOException {
        if (!image.tryWrite(offset, vector)) throw new AssertionError("a write may wait at " + offset);
        image.tryRead(offset, vector); // where the file system cannot say, it may
    }

    @Test
    void readsOfHolesInQcow2() throws IOException {
        allocateNothing("qcow2", (image, vector, offset) -> image.read(offset + (4 << 20) - 4096, vector));
    }

    private void allocateNothing(String format, Request request) throws IOException {
        Path file = directory.resolve("hot");
        Images.create(file, format, 8 << 20, ImageOptions.DEFAULT);
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE.withFormat(format));
                Buffer buffer = new Buffer()) {
            Buffer.write(image, 0, Buffer.random(4 << 20, 1));
            IoVector vector = buffer.vector(new byte[REQUEST], new Random(1));
            double each = Double.MAX_VALUE;
            // Until HotSpot has compiled it, however busy the machine is.
            for (int i = 0; i < ATTEMPTS && each >= BYTES; i++) each = Math.min(each, measure(image, vector, request));
            assertThat(each).as("bytes a request").isLessThan(BYTES);
        }
    }

    private double measure(DiskImage image, IoVector vector, Request request) throws IOException {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < ROUNDS; i++) request.run(image, vector, i % 1000 * 4096L);
        return (double) (threads.getCurrentThreadAllocatedBytes() - before) / ROUNDS;
    }
}
