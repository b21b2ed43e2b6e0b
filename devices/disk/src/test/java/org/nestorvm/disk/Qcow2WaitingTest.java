package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Requests to a qcow2 image that are not to wait, beside a flush that does. */
@Timeout(60)
class Qcow2WaitingTest {
    private static final int CLUSTER = 65_536, CLUSTERS = 32, PATIENCE_S = 30;

    @TempDir(factory = MemoryFolder.class)
    Path directory;

    private Path path;
    private HeldFile file;
    private DiskImage image;
    private byte[] content;

    @BeforeEach
    void open() throws Exception {
        path = directory.resolve("disk.qcow2");
        Images.create(path, "qcow2", (long) CLUSTERS * CLUSTER, ImageOptions.DEFAULT);
        file = new HeldFile(HostFile.open(path.toString(), false));
        image = Qcow2Image.open(file, false, null);
        content = Buffer.random(8 * CLUSTER, 1);
        Buffer.write(image, 0, content);
        image.flush();
        file.arrived.drainPermits();
    }

    @AfterEach
    void close() throws Exception {
        image.close();
        Qcow2ModelTest.checkClean(path);
    }

    private CompletableFuture<Void> flushHeld() throws InterruptedException {
        file.gate = new CountDownLatch(1);
        CompletableFuture<Void> flush = CompletableFuture.runAsync(() -> {
            try {
                image.flush();
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        assertTrue(file.arrived.tryAcquire(PATIENCE_S, TimeUnit.SECONDS));
        return flush;
    }

    private void letGo(CompletableFuture<Void> flush) throws Exception {
        CountDownLatch gate = file.gate;
        file.gate = null;
        gate.countDown();
        flush.get(PATIENCE_S, TimeUnit.SECONDS);
    }

    @Test
    void besideAFlushOfDataWhatHasAPlaceIsReadAndWritten() throws Exception {
        byte[] data = Buffer.random(4096, 2);
        Buffer.write(image, 0, data);
        CompletableFuture<Void> flush = flushHeld();
        assertThat(Buffer.tryRead(image, 0, 4096)).isEqualTo(data);
        assertThat(Buffer.tryRead(image, (CLUSTERS - 1) * CLUSTER, 4096))
                .as("a hole")
                .containsOnly(0);
        assertTrue(Buffer.tryWrite(image, CLUSTER, data));
        assertThat(Buffer.tryWrite(image, (CLUSTERS - 1) * CLUSTER, data))
                .as("a cluster without a place")
                .isFalse();
        assertThat(Buffer.tryWrite(image, 7 * CLUSTER + CLUSTER - 512, Buffer.random(1024, 3)))
                .as("and one beside it")
                .isFalse();
        assertThat(flush).isNotDone();
        letGo(flush);
        assertThat(Buffer.read(image, CLUSTER, 4096)).isEqualTo(data);
        assertThat(Buffer.read(image, 8 * CLUSTER - 512, 512))
                .as("what was refused has changed nothing")
                .isEqualTo(Arrays.copyOfRange(content, content.length - 512, content.length));
    }

    @Test
    void besideAFlushOfTablesNothingIsDoneAndNobodyWaits() throws Exception {
        Buffer.write(image, 20 * CLUSTER, content);
        CompletableFuture<Void> flush = flushHeld();
        assertThat(Buffer.tryRead(image, 0, 4096)).isNull();
        assertThat(Buffer.tryWrite(image, 0, content)).isFalse();
        letGo(flush);
        assertThat(Buffer.tryRead(image, 20 * CLUSTER, content.length)).isEqualTo(content);
    }

    @Test
    void packedClustersAreLeftToWhoMayWait() throws Exception {
        byte[] text = new byte[2 * CLUSTER];
        Arrays.fill(text, (byte) 'x');
        Path raw = Files.write(directory.resolve("text.raw"), text), packed = directory.resolve("packed.qcow2");
        Converter.convert(
                raw, OpenOptions.READ.withFormat("raw"), packed, "qcow2", ImageOptions.DEFAULT, true, _ -> {});
        try (DiskImage other = Disks.open(packed, OpenOptions.READ)) {
            assertThat(Buffer.read(other, 0, text.length)).isEqualTo(text);
            assertThat(Buffer.tryRead(other, 0, 4096)).isNull();
        }
    }

    /**
     * A flush of tables begins while a read is under way: it ends without waiting, and what is freed later is given to
     * others all the same.
     */
    @Test
    void aReadThatEndsDuringAFlushHoldsNothingBack() throws Exception {
        Buffer.write(image, 20 * CLUSTER, Buffer.random(CLUSTER, 3));
        CompletableFuture<?>[] flush = new CompletableFuture<?>[1];
        file.meanwhile = () -> {
            file.meanwhile = () -> {};
            try {
                flush[0] = flushHeld();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        };
        assertThat(Buffer.tryRead(image, 0, 4096)).isEqualTo(Arrays.copyOf(content, 4096));
        assertThat(flush[0]).isNotDone();
        CountDownLatch gate = file.gate;
        file.gate = null;
        gate.countDown();
        flush[0].get(PATIENCE_S, TimeUnit.SECONDS);
        long length = file.length();
        for (int round = 0; round < 10; round++) {
            image.discard(0, 4 * CLUSTER);
            for (int i = 0; i < 3; i++) image.flush();
            Buffer.write(image, 0, Arrays.copyOf(content, 4 * CLUSTER));
        }
        assertEquals(length, file.length(), "clusters are used again");
    }
}
