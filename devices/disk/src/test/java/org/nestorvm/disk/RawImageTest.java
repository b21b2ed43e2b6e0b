package org.nestorvm.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.memory.sys.Primitive;

class RawImageTest {
    private static final int SIZE = 1 << 20;

    @TempDir
    Path directory;

    private Path file;
    private byte[] content;

    @BeforeEach
    void writeFile() throws IOException {
        file = directory.resolve("disk.raw");
        content = Buffer.random(SIZE, 1);
        Files.write(file, content);
    }

    @Test
    void guestReadsAndWritesTheFilesBytes() throws IOException {
        byte[] written = Buffer.random(5 * 512, 2);
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE)) {
            assertThat(image.format()).isEqualTo("raw");
            assertThat(image.sizeBytes()).isEqualTo(SIZE);
            assertThat(Buffer.read(image, 512, 70_144)).isEqualTo(Arrays.copyOfRange(content, 512, 70_656));
            Buffer.write(image, 1024, written);
            image.flush();
        }
        System.arraycopy(written, 0, content, 1024, written.length);
        assertThat(Files.readAllBytes(file)).isEqualTo(content);
    }

    /**
     * What the host has in memory is read at once; after it was dropped from there it may wait, and an ordinary read
     * brings it back.
     */
    @Test
    void whatIsInTheHostsMemoryIsReadWithoutWaiting() throws Exception {
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE);
                Buffer buffer = new Buffer()) {
            IoVector vector = buffer.vector(new byte[65_536], new java.util.Random(4));
            assumeTrue(
                    image.tryRead(512, vector), "the file system of " + directory + " does not say what is in memory");
            assertThat(bytes(vector)).isEqualTo(Arrays.copyOfRange(content, 512, 66_048));
            image.flush();
            Process dd = new ProcessBuilder("dd", "if=" + file, "iflag=nocache", "count=0", "status=none")
                    .inheritIO()
                    .start();
            assumeTrue(dd.waitFor() == 0, "dd cannot drop a file from memory");
            assumeTrue(!image.tryRead(512, vector), "the file stays in memory");
            image.read(512, vector);
            assertThat(image.tryRead(512, vector)).isTrue();
            assertThat(bytes(vector)).isEqualTo(Arrays.copyOfRange(content, 512, 66_048));
            assertThatThrownBy(() -> image.tryRead(SIZE - 512, vector)).isInstanceOf(IOException.class);
        }
    }

    private static byte[] bytes(IoVector vector) {
        byte[] bytes = new byte[(int) vector.totalBytes()];
        vector.copyOut(0, bytes, 0, bytes.length);
        return bytes;
    }

    @Test
    void aFileInMemoryNeverWaits(@TempDir(factory = MemoryFolder.class) Path inMemory) throws IOException {
        Path other = Files.write(inMemory.resolve("disk.raw"), content);
        try (DiskImage image = Disks.open(other, OpenOptions.WRITE);
                Buffer buffer = new Buffer()) {
            IoVector vector = buffer.vector(new byte[4096], new java.util.Random(5));
            assertThat(image.tryRead(8192, vector)).isTrue();
            assertThat(bytes(vector)).isEqualTo(Arrays.copyOfRange(content, 8192, 12_288));
            assertThat(image.tryWrite(0, vector)).isTrue();
        }
        assertThat(Arrays.copyOf(Files.readAllBytes(other), 4096)).isEqualTo(Arrays.copyOfRange(content, 8192, 12_288));
    }

    @Test
    void moreThanTheKernelsLimitOfPiecesGoThrough() throws IOException {
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE);
                Buffer buffer = new Buffer()) {
            IoVector whole = buffer.vector(new byte[SIZE], new java.util.Random(3)), pieces = new IoVector(4096);
            for (int at = 0; at < SIZE; at += 512) pieces.add(whole, at, 512);
            assertThat(pieces.count()).isGreaterThan(IoVector.KERNEL_LIMIT);
            image.read(0, pieces);
            byte[] seen = new byte[SIZE];
            pieces.copyOut(0, seen, 0, SIZE);
            assertThat(seen).isEqualTo(content);
            pieces.fill(0, SIZE, (byte) 7);
            image.write(0, pieces);
        }
        assertThat(Files.readAllBytes(file)).containsOnly(7);
    }

    @Test
    void tailOfAnOddFileReadsZeroAndCanBeWritten() throws IOException {
        Files.write(file, Arrays.copyOf(content, 1000));
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE)) {
            assertThat(image.sizeBytes()).isEqualTo(1024);
            byte[] last = Buffer.read(image, 512, 512);
            assertThat(Arrays.copyOf(last, 488)).isEqualTo(Arrays.copyOfRange(content, 512, 1000));
            assertThat(Arrays.copyOfRange(last, 488, 512)).containsOnly(0);
            Buffer.write(image, 512, new byte[512]);
        }
        assertThat(Files.size(file)).isEqualTo(1024);
    }

    @Test
    void discardAndZeroesReadZero() throws IOException {
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE)) {
            image.writeZeroes(512, 1024, false);
            image.writeZeroes(65536, 131072, true);
            assertThat(Buffer.read(image, 512, 1024)).containsOnly(0);
            assertThat(Buffer.read(image, 65536, 131072)).containsOnly(0);
            image.discard(524288, 65536);
            assertThat(Buffer.read(image, 524288, 65536))
                    .satisfiesAnyOf(
                            bytes -> assertThat(bytes).containsOnly(0),
                            bytes -> assertThat(bytes).isEqualTo(Arrays.copyOfRange(content, 524288, 589824)));
            assertThat(Buffer.read(image, 0, 512)).isEqualTo(Arrays.copyOf(content, 512));
        }
        assertThat(Files.size(file)).isEqualTo(SIZE);
    }

    @Test
    void whatIsOutsideIsRefusedBeforeItHasAnEffect() throws IOException {
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE)) {
            for (long[] part : new long[][] {
                {SIZE, 512}, {SIZE - 512, 1024}, {-512, 512}, {Long.MAX_VALUE - 511, 512}, {100, 512}, {0, 100}
            }) {
                assertThatThrownBy(() -> image.discard(part[0], part[1]))
                        .isInstanceOf(IOException.class)
                        .hasMessageContaining("offset=" + part[0]);
                assertThatThrownBy(() -> image.writeZeroes(part[0], part[1], true))
                        .isInstanceOf(IOException.class);
            }
            assertThatThrownBy(() -> Buffer.write(image, SIZE - 512, new byte[1024]))
                    .isInstanceOf(IOException.class);
        }
        assertThat(Files.readAllBytes(file)).isEqualTo(content);
    }

    @Test
    void readOnlyRefusesEveryChange() throws IOException {
        try (DiskImage image = Disks.open(file, OpenOptions.READ)) {
            assertThatThrownBy(() -> Buffer.write(image, 0, new byte[512])).hasMessageContaining("read-only");
            assertThatThrownBy(() -> image.discard(0, 512)).hasMessageContaining("read-only");
            image.flush();
        }
    }

    @Test
    void descriptorIsAllThatADeviceProcessNeeds() throws IOException {
        int descriptor = Descriptors.open(file.toString(), Descriptors.O_RDWR);
        try (DiskImage image = Disks.open("disk0", OpenOptions.WRITE, descriptor)) {
            assertThat(Buffer.read(image, 0, 4096)).isEqualTo(Arrays.copyOf(content, 4096));
        }
        assertThatThrownBy(() -> Descriptors.close(descriptor)).isInstanceOf(IllegalStateException.class);
    }

    private static byte[] qcow2Magic(int sizeBytes) {
        return java.nio.ByteBuffer.allocate(sizeBytes)
                .putInt(0, Qcow2Header.MAGIC)
                .array();
    }

    /** The guest's other processor writes the magic number after the look at it, and before the file is written. */
    @Test
    void whatWasCheckedIsWhatIsWritten() throws IOException {
        try (Buffer buffer = new Buffer();
                HostFile host = HostFile.open(file.toString(), false)) {
            IoVector vector = buffer.vector(new byte[4096], new java.util.Random(6));
            HeldFile held = new HeldFile(host);
            held.beforeWrite = () -> vector.copyIn(0, qcow2Magic(4), 0, 4);
            RawImage image = new RawImage(held, false, true);
            image.write(0, vector);
            assertThat(Arrays.copyOf(Files.readAllBytes(file), 4)).containsOnly(0);
            assertThatThrownBy(() -> image.write(0, vector)).hasMessageContaining("format=raw");
        }
    }

    /** The same as a race: another thread changes the buffer all the time. */
    @Test
    void racingGuestNeverPutsAMagicNumberOnAGuessedDisk() throws Exception {
        byte[] magic = qcow2Magic(4), harmless = new byte[4];
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE);
                Buffer buffer = new Buffer()) {
            IoVector vector = buffer.vector(new byte[1024], new java.util.Random(7));
            Thread guest = Thread.ofPlatform().daemon().unstarted(() -> {
                for (int i = 0; !Thread.currentThread().isInterrupted(); i++)
                    vector.copyIn(0, i % 2 == 0 ? magic : harmless, 0, 4);
            });
            guest.start();
            try {
                for (int i = 0; i < 5_000; i++) {
                    try {
                        image.write(0, vector);
                    } catch (IOException e) {
                        assertThat(e).hasMessageContaining("format=raw");
                    }
                    if (i % 2 == 0)
                        assertThat(Arrays.copyOf(Buffer.read(image, 0, 512), 4)).isNotEqualTo(magic);
                }
            } finally {
                guest.interrupt();
                guest.join();
            }
        }
    }

    @Test
    void guessedRawDiskNeverBecomesAnotherFormat() throws IOException {
        byte[] header = qcow2Magic(512);
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE)) {
            assertThatThrownBy(() -> Buffer.write(image, 0, header))
                    .hasMessageContaining("disk.raw")
                    .hasMessageContaining("format=raw");
        }
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE.withFormat("raw"))) {
            Buffer.write(image, 0, header);
        }
    }

    @Test
    void p52_secondWriterIsRefusedByOneLineThatNamesTheFile() throws IOException {
        try (DiskImage _ = Disks.open(file, OpenOptions.WRITE)) {
            refusedTwice();
        }
        try (DiskImage _ = Disks.open(file, OpenOptions.READ);
                DiskImage _ = Disks.open(file, OpenOptions.READ)) {
            assertThatThrownBy(() -> Disks.open(file, OpenOptions.WRITE))
                    .hasMessageContaining("disk.raw")
                    .hasMessageContaining("this command already uses the image");
        }
        Disks.open(file, OpenOptions.WRITE).close();
    }

    private void refusedTwice() {
        assertThatThrownBy(() -> Disks.open(file, OpenOptions.WRITE))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("disk.raw")
                .hasMessageContaining("this command already uses the image")
                .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
        assertThatThrownBy(() -> Disks.open(file, OpenOptions.READ))
                .hasMessageContaining("disk.raw")
                .hasMessageContaining("this command already uses the image");
    }

    @Test
    void p52_olderKernelsLockWholeFiles() throws IOException {
        try (Primitive.Absence _ = Primitive.OFD_LOCKS.assumeAbsent()) {
            try (DiskImage _ = Disks.open(file, OpenOptions.WRITE)) {
                refusedTwice();
            }
            try (DiskImage _ = Disks.open(file, OpenOptions.READ);
                    DiskImage _ = Disks.open(file, OpenOptions.READ)) {
                assertThatThrownBy(() -> Disks.open(file, OpenOptions.WRITE)).hasMessageContaining("disk.raw");
            }
        }
    }

    /** Whoever goes from data to hole and back comes to the end. */
    @Test
    void stepsFromDataToHolesNeverStandStill() throws IOException {
        for (int size : new int[] {1, 511, 513, 4097, 65_636, 70_000, 1 << 20}) {
            for (int dataAt : new int[] {0, size / 2, size - 1}) {
                try (var file = new java.io.RandomAccessFile(this.file.toFile(), "rw")) {
                    file.setLength(0);
                    file.setLength(size);
                    file.seek(dataAt);
                    file.write(1);
                }
                try (DiskImage image = Disks.open(file, OpenOptions.READ)) {
                    boolean found = false;
                    for (long at = image.nextData(0), hole; at < image.sizeBytes(); at = image.nextData(hole)) {
                        hole = image.nextHole(at);
                        assertThat(hole).as("%d of %d", at, size).isGreaterThan(at);
                        found |= at <= dataAt && dataAt < hole;
                    }
                    assertThat(found).isTrue();
                }
            }
        }
    }

    @Test
    void holesAreFound() throws IOException {
        Path sparse = directory.resolve("sparse.raw");
        try (var channel = java.nio.channels.FileChannel.open(
                sparse, java.nio.file.StandardOpenOption.CREATE, java.nio.file.StandardOpenOption.WRITE)) {
            channel.write(java.nio.ByteBuffer.wrap(new byte[] {1}), 8 << 20);
        }
        try (DiskImage image = Disks.open(sparse, OpenOptions.READ)) {
            assertThat(image.nextData(0)).isLessThanOrEqualTo(8 << 20);
            assertThat(image.nextHole(8 << 20)).isEqualTo(image.sizeBytes());
        }
    }
}
