package org.nestorvm.vhost;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;

/** Our front end with back ends of others. */
class ForeignBackEndTest {
    private static final Path STORAGE_DAEMON = Path.of("/usr/bin/qemu-storage-daemon"),
            VIRTIOFSD = Path.of("/usr/lib/qemu/virtiofsd");
    private static final int BLOCK = 2, SECTOR = 512;
    private static final int IN = 0, OUT = 1, FLUSH = 4;
    private static final int FUSE_INIT = 26;

    private final List<Process> processes = new ArrayList<>();

    @TempDir
    private Path directory;

    @AfterEach
    void endProcesses() throws InterruptedException {
        for (Process process : processes) {
            process.destroyForcibly();
            process.waitFor();
        }
    }

    private Process start(Path program, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(program.toString()));
        command.addAll(Arrays.asList(arguments));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(
                        directory.resolve(program.getFileName() + ".log").toFile()))
                .start();
        processes.add(process);
        return process;
    }

    private static byte[] header(int type, long sector) {
        return ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(0)
                .putLong(sector)
                .array();
    }

    /** One request of virtio 1.2, 5.2.6. @return what was read */
    private static byte[] disk(TestDriver driver, int queue, int type, long sector, byte[] written, int readBytes)
            throws InterruptedException {
        DriverMemory memory = driver.memory();
        List<Buffer> chain = new ArrayList<>();
        byte[] header = header(type, sector);
        chain.add(new Buffer(memory.allocate(header.length, 16), header.length, false));
        memory.write(chain.getLast().gpa(), header);
        if (written.length > 0) {
            chain.add(new Buffer(memory.allocate(written.length, 16), written.length, false));
            memory.write(chain.getLast().gpa(), written);
        }
        if (readBytes > 0) chain.add(new Buffer(memory.allocate(readBytes, 16), readBytes, true));
        Buffer status = new Buffer(memory.allocate(1, 1), 1, true);
        memory.write(status.gpa(), new byte[] {-1});
        chain.add(status);
        driver.queue(queue).offer(chain);
        driver.kick(queue);
        driver.await(queue);
        assertEquals(0, memory.read(status.gpa(), 1)[0]);
        return readBytes > 0 ? memory.read(chain.get(chain.size() - 2).gpa(), readBytes) : new byte[0];
    }

    @Test
    void qemuStorageDaemonServesADisk() throws Exception {
        assumeTrue(Files.isExecutable(STORAGE_DAEMON), STORAGE_DAEMON + " is not there (package qemu-system-common)");
        Path image = directory.resolve("disk"), socket = directory.resolve("s");
        byte[] content = new byte[64 * SECTOR];
        new Random(3).nextBytes(content);
        Files.write(image, content);
        Process[] daemon = new Process[1];
        Connector connector = _ -> {
            if (daemon[0] != null) daemon[0].destroyForcibly().waitFor();
            Files.deleteIfExists(socket);
            daemon[0] = start(
                    STORAGE_DAEMON,
                    "--blockdev",
                    "driver=file,node-name=disk,filename=" + image,
                    "--export",
                    "type=vhost-user-blk,id=e,node-name=disk,addr.type=unix,addr.path=" + socket
                            + ",writable=on,num-queues=2");
            return Connector.path(socket, 20_000).connect(0);
        };
        try (DriverMemory memory = new DriverMemory(null, 0, 4 << 20, 1L << 32, 1 << 20);
                FrontEnd front = FrontEnd.connect(FrontEndOptions.of(BLOCK, "qsd", 2, 64, connector))) {
            assertEquals(64, front.config().get(0, 8));
            assertEquals(2, front.config().get(34, 2));
            long features = front.features()
                    & (Features.VERSION_1 | Features.EVENT_IDX | Features.INDIRECT_DESC | 1 << 9 | 1 << 12);
            for (int round = 0; round < 2; round++) {
                try (TestDriver driver = TestDriver.start(front, memory, features, 64)) {
                    checkDisk(driver, image, content, daemon);
                }
            }
        }
    }

    private static void checkDisk(TestDriver driver, Path image, byte[] content, Process[] daemon) throws Exception {
        byte[] data = new byte[3 * SECTOR];
        for (int i = 0; i < 20; i++) {
            int queue = i & 1;
            assertArrayEquals(
                    Arrays.copyOfRange(content, i * SECTOR, (i + 2) * SECTOR),
                    disk(driver, queue, IN, i, new byte[0], 2 * SECTOR));
            Arrays.fill(data, (byte) i);
            disk(driver, queue, OUT, 40, data, 0);
            disk(driver, queue, FLUSH, 0, new byte[0], 0);
            System.arraycopy(data, 0, content, 40 * SECTOR, data.length);
            assertArrayEquals(content, Files.readAllBytes(image));
            assertArrayEquals(content, Files.readAllBytes(image));
            if (i == 7) daemon[0].destroyForcibly();
            if (i == 12) {
                driver.stopQueue(queue);
                driver.startQueue(queue);
            }
        }
        assertEquals(List.of(), driver.reasons());
    }

    @Test
    void virtiofsdGreets() throws Exception {
        assumeTrue(Files.isExecutable(VIRTIOFSD), VIRTIOFSD + " is not there (package qemu-system-common before 8.0)");
        assumeTrue(
                Files.isWritable(Path.of("/proc/self/uid_map")) && "root".equals(System.getProperty("user.name")),
                "virtiofsd wants to be root");
        Path socket = directory.resolve("s");
        start(
                VIRTIOFSD,
                "--socket-path=" + socket,
                "-o",
                "source=" + Files.createDirectory(directory.resolve("shared")),
                "-o",
                "sandbox=chroot",
                "-f");
        FrontEndOptions options = FrontEndOptions.fileSystem("share", "home", 1, 64, Connector.path(socket, 20_000));
        try (FrontEnd front = FrontEnd.connect(options);
                DriverMemory memory = new DriverMemory();
                TestDriver driver = TestDriver.start(front, memory, Features.VERSION_1, 64)) {
            assertEquals('h', front.config().get(0, 1));
            assertEquals(1, front.config().get(36, 4));
            ByteBuffer init = ByteBuffer.allocate(56).order(ByteOrder.LITTLE_ENDIAN);
            init.putInt(56)
                    .putInt(FUSE_INIT)
                    .putLong(77)
                    .putLong(0)
                    .putInt(0)
                    .putInt(0)
                    .putInt(1)
                    .putInt(0)
                    .putInt(7)
                    .putInt(31)
                    .putInt(1 << 17)
                    .putInt(0);
            ByteBuffer answer =
                    ByteBuffer.wrap(driver.request(1, init.array(), 80)).order(ByteOrder.LITTLE_ENDIAN);
            assertEquals(80, answer.getInt());
            assertEquals(0, answer.getInt());
            assertEquals(77, answer.getLong());
            assertEquals(7, answer.getInt()); // the major version of FUSE
        } catch (Exception | AssertionError e) {
            throw new AssertionError(Files.readString(directory.resolve("virtiofsd.log")), e);
        }
    }
}
