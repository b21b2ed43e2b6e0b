package org.nestorvm.isolation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.disk.Converter;
import org.nestorvm.disk.ImageOptions;
import org.nestorvm.disk.Images;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.DescriptorListener;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Primitive;
import org.nestorvm.memory.sys.Privileges;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.net.NetOptions;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

/** A driver, with the device in a confined process of its own. */
class IsolatedDeviceTest {
    private static final int READ = 0, WRITE = 1, FLUSH = 4, WRITE_ZEROES = 13, SECTOR = 512;
    private static final long FLUSHES = 1L << 9, ZEROES = 1L << 14;

    @Test
    void rngFillsBuffersFromAConfinedProcess() throws Exception {
        try (DriverMemory memory = new DriverMemory();
                IsolatedDevice rng = IsolatedDevice.rng("rng0", RestartPolicy.USUAL)) {
            try (TestDriver driver = TestDriver.start(rng, memory, rng.features(), 8)) {
                assertThat(driver.request(0, new byte[0], 4096)).hasSize(4096).isNotEqualTo(new byte[4096]);
                if (Primitive.SECCOMP.present())
                    assertThat(threads(rng.process().pid()))
                            .hasSizeGreaterThan(3)
                            .allMatch(status -> status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"));
                assertThat(opened(rng.process().pid()))
                        .as("what it has open")
                        .allMatch(target -> target.matches(
                                        "/dev/null|(pipe|socket):.*|anon_inode:.*|/memfd:.*|.*\\.jar|.*/lib/modules")
                                && !target.contains("/etc/"));
            }
            int pid = rng.process().pid();
            rng.close();
            assertThat(Path.of("/proc/" + pid)).doesNotExist();
        }
    }

    /** Where this user can make them: root, or who may make user namespaces. */
    @Test
    void aDeviceIsInNamespacesOfItsOwnAndCanGetNoCapability() throws Exception {
        boolean root = Privileges.geteuid() == 0;
        assumeTrue(canUnshare(root), "skipped: no namespaces can be made here");
        try (IsolatedDevice rng = IsolatedDevice.rng("rng0", RestartPolicy.USUAL)) {
            int pid = rng.process().pid();
            if (root)
                assertThat(threads(pid))
                        .allMatch(status -> !status.contains("CapBnd")
                                || status.matches("(?s).*CapPrm:\t0+\nCapEff:\t0+\nCapBnd:\t0+\nCapAmb:\t0+\n.*"));
            // Another user's links cannot be read by who is not root.
            if (root)
                for (String namespace : new String[] {"net", "ipc", "uts"})
                    assertNotEquals(
                            namespace(ProcessHandle.current().pid(), namespace), namespace(pid, namespace), namespace);
            else assertThat(threads(pid)).isNotEmpty();
        }
    }

    private static boolean canUnshare(boolean root) throws Exception {
        List<String> command = root
                ? List.of("/usr/bin/unshare", "--net", "--ipc", "--uts", "/bin/true")
                : List.of("/usr/bin/unshare", "--user", "--net", "--ipc", "--uts", "/bin/true");
        return Files.isExecutable(Path.of(command.getFirst()))
                && new ProcessBuilder(command).redirectErrorStream(true).start().waitFor() == 0;
    }

    private static String namespace(long pid, String name) throws IOException {
        return Files.readSymbolicLink(Path.of("/proc/" + pid + "/ns/" + name)).toString();
    }

    /** It is asked for something that would change it. */
    @Test
    void aDiskThatIsOnlyReadIsOpenForReadingOnly(@TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("disk.img"), new byte[64 << 10]);
        try (RandomAccessFile writable = new RandomAccessFile(file.toFile(), "rw")) {
            int given = Descriptors.open(file.toString(), Descriptors.O_RDWR);
            int narrowed = BlkArguments.readOnly("disk0", given);
            assertEquals(
                    Descriptors.O_RDONLY,
                    Descriptors.fcntl("disk0", narrowed, Descriptors.F_GETFL, 0) & Descriptors.O_ACCMODE);
            Descriptors.close(narrowed);
            assertThat(writable.length()).isEqualTo(64 << 10);
        }
        try (IsolatedDevice disk = IsolatedDevice.disk(
                "disk0", file, OpenOptions.READ.withFormat("raw"), null, 1, 4, RestartPolicy.USUAL)) {
            Path descriptors = Path.of("/proc/" + disk.process().pid() + "/fd");
            List<String> flags = new ArrayList<>();
            for (String name : descriptors.toFile().list()) {
                if (!Files.readSymbolicLink(descriptors.resolve(name)).equals(file.toRealPath())) continue;
                flags.add(Files.readString(descriptors.resolveSibling("fdinfo").resolve(name))
                        .lines()
                        .filter(line -> line.startsWith("flags:"))
                        .findAny()
                        .orElseThrow());
            }
            assertThat(flags).isNotEmpty().allMatch(line -> line.endsWith("0"), "O_RDONLY");
        }
    }

    @Test
    void aKilledDeviceGoesOnInAnotherProcess() throws Exception {
        try (DriverMemory memory = new DriverMemory();
                IsolatedDevice rng = IsolatedDevice.rng("rng0", RestartPolicy.USUAL);
                TestDriver driver = TestDriver.start(rng, memory, rng.features(), 8)) {
            driver.request(0, new byte[0], 64);
            for (int round = 0; round < 2; round++) {
                int pid = rng.process().pid();
                Processes.tryKill(pid, Processes.SIGSTOP);
                driver.queue(0).offer(new byte[0], 512); // under way when the process dies
                driver.forceKick(0);
                Processes.tryKill(pid, Processes.SIGKILL);
                Used used = driver.await(0);
                assertEquals(512, used.written());
                assertNotEquals(pid, rng.process().pid());
            }
            assertThat(driver.reasons()).isEmpty();
        }
    }

    @Test
    void aDeviceWhoseProcessDiesTooOftenNeedsAReset() throws Exception {
        try (DriverMemory memory = new DriverMemory();
                IsolatedDevice rng = IsolatedDevice.rng("rng0", RestartPolicy.NEVER);
                TestDriver driver = TestDriver.start(rng, memory, rng.features(), 8)) {
            driver.request(0, new byte[0], 64);
            rng.process().kill();
            assertThat(driver.awaitNeedsReset()).contains("rng0", "more than 0 times");
        }
    }

    @Test
    void diskKeepsWhatWasWrittenAcrossADeath(@TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("disk.img"), new byte[64 << 10]);
        byte[] data = new byte[2 * SECTOR];
        Arrays.fill(data, (byte) 0x5a);
        try (DriverMemory memory = new DriverMemory();
                IsolatedDevice disk = IsolatedDevice.disk(
                        "disk0", file, OpenOptions.WRITE.withFormat("raw"), "serial", 1, 4, RestartPolicy.USUAL);
                TestDriver driver = TestDriver.start(disk, memory, disk.features(), 16)) {
            assertEquals(128, disk.config().get(0, 8), "sectors");
            assertArrayEquals(new byte[] {0}, driver.request(0, request(WRITE, 7, data), 1));
            disk.process().kill();
            byte[] read = driver.request(0, request(READ, 7, new byte[0]), data.length + 1);
            assertArrayEquals(data, Arrays.copyOf(read, data.length));
            assertEquals(0, read[data.length], "status");
        }
        assertArrayEquals(data, Arrays.copyOfRange(Files.readAllBytes(file), 7 * SECTOR, 9 * SECTOR));
    }

    /**
     * Flushes and zeroes are with the workers when the process is killed, and are given back in any order: its
     * successor finishes what was under way, each once.
     */
    @ParameterizedTest
    @ValueSource(longs = {0, Features.RING_PACKED})
    void aKilledDiskLosesNothingOfWhatItsWorkersHad(long ring, @TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("disk.img"), new byte[64 << 10]);
        long features = Features.VERSION_1 | Features.EVENT_IDX | FLUSHES | ZEROES | ring;
        try (DriverMemory memory = new DriverMemory();
                IsolatedDevice disk = IsolatedDevice.disk(
                        "disk0", file, OpenOptions.WRITE.withFormat("raw"), "serial", 1, 4, RestartPolicy.USUAL);
                TestDriver driver = TestDriver.start(disk, memory, features, 64)) {
            List<Job> jobs =
                    IntStream.range(0, 12).mapToObj(i -> new Job(driver, i)).toList();
            Map<Integer, Job> under = new HashMap<>();
            for (int done = 0, kills = 0; done < 1500; done++) {
                for (Job job : jobs)
                    if (!under.containsValue(job)) assertNull(under.put(job.offer(), job), "an id twice");
                driver.kick(0);
                if (done == 500 * kills + 300) {
                    kills++;
                    Processes.tryKill(disk.process().pid(), Processes.SIGKILL);
                }
                Job job = under.remove(driver.await(0).id());
                assertNotNull(job, "used and not offered");
                job.check();
            }
            assertThat(driver.reasons()).isEmpty();
        }
    }

    /** One sector's life, again and again: written, flushed, read, zeroed, read. */
    private static final class Job {
        private final TestDriver driver;
        private final int sector;
        private final long header, data, status;
        private int step;

        Job(TestDriver driver, int sector) {
            this.driver = driver;
            this.sector = sector;
            header = driver.memory().allocate(32, 16);
            data = driver.memory().allocate(SECTOR, 16);
            status = driver.memory().allocate(1, 1);
        }

        private byte[] content() {
            byte[] content = new byte[SECTOR];
            if (step % 5 < 3) Arrays.fill(content, (byte) (step / 5 * 7 + sector + 1));
            return content;
        }

        int offer() {
            int type = new int[] {WRITE, FLUSH, READ, WRITE_ZEROES, READ}[step % 5];
            byte[] range = ByteBuffer.allocate(16)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(sector)
                    .putInt(1)
                    .array();
            driver.memory().write(header, request(type, sector, type == WRITE_ZEROES ? range : new byte[0]));
            driver.memory().write(data, type == WRITE ? content() : new byte[SECTOR]);
            driver.memory().write(status, new byte[] {-1});
            List<Buffer> chain = new ArrayList<>(List.of(new Buffer(header, type == WRITE_ZEROES ? 32 : 16, false)));
            if (type == READ || type == WRITE) chain.add(new Buffer(data, SECTOR, type == READ));
            chain.add(new Buffer(status, 1, true));
            return driver.queue(0).offer(chain);
        }

        void check() {
            assertArrayEquals(new byte[] {0}, driver.memory().read(status, 1));
            if (step % 5 == 2 || step % 5 == 4)
                assertArrayEquals(
                        content(), driver.memory().read(data, SECTOR), "sector " + sector + " in step " + step);
            step++;
        }
    }

    /**
     * The overlay and what it is based on are opened here; the library that unpacks zstd is loaded before the process
     * is confined.
     */
    @Test
    void compressedImageWithABackingFileIsReadByDescriptor(@TempDir Path directory) throws Exception {
        byte[] data = new byte[128 << 10];
        for (int i = 0; i < data.length; i++) data[i] = (byte) (i >> 9);
        Path raw = Files.write(directory.resolve("base.img"), data),
                base = directory.resolve("base.qcow2"),
                overlay = directory.resolve("overlay.qcow2");
        Converter.convert(
                raw,
                OpenOptions.READ.withFormat("raw"),
                base,
                "qcow2",
                ImageOptions.parse("qcow2", "compression_type=zstd"),
                true,
                _ -> {});
        Images.create(
                overlay,
                "qcow2",
                data.length,
                ImageOptions.parse("qcow2", "backing_file=base.qcow2,backing_fmt=qcow2"));
        try (DriverMemory memory = new DriverMemory();
                IsolatedDevice disk = IsolatedDevice.disk(
                        "disk0", overlay, OpenOptions.WRITE.withFormat("qcow2"), null, 1, 4, RestartPolicy.USUAL);
                TestDriver driver = TestDriver.start(disk, memory, disk.features(), 16)) {
            byte[] read = driver.request(0, request(READ, 200, new byte[0]), SECTOR + 1);
            assertArrayEquals(Arrays.copyOfRange(data, 200 * SECTOR, 201 * SECTOR), Arrays.copyOf(read, SECTOR));
            assertArrayEquals(new byte[] {0}, driver.request(0, request(WRITE, 201, new byte[SECTOR]), 1));
            assertEquals(0, driver.request(0, request(READ, 201, new byte[0]), SECTOR + 1)[17]);
        }
    }

    private static byte[] request(int type, long sector, byte[] data) {
        return ByteBuffer.allocate(16 + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(0)
                .putLong(sector)
                .put(data)
                .array();
    }

    @Test
    void netConnectsAgainForTheSuccessor(@TempDir Path directory) throws Exception {
        Path path = directory.resolve("peer");
        byte[] frame = new byte[60];
        Arrays.fill(frame, (byte) 0x33);
        try (DescriptorListener peer = DescriptorListener.listen(path);
                DriverMemory memory = new DriverMemory();
                IsolatedDevice net = IsolatedDevice.net(
                        "net0", NetOptions.parse("unix=" + path + ",mac=52:54:00:12:34:56"), RestartPolicy.USUAL);
                TestDriver driver = TestDriver.start(net, memory, net.features(), 16)) {
            assertEquals(0x52, net.config().get(0, 1));
            try (DescriptorChannel stream = peer.accept()) {
                driver.request(1, packet(frame), 0);
                assertArrayEquals(frame, receive(stream));
            }
            net.process().kill();
            driver.request(1, packet(frame), 0);
            try (DescriptorChannel stream = peer.accept()) {
                driver.request(1, packet(frame), 0);
                assertArrayEquals(frame, receive(stream));
            }
        }
        assertThatThrownBy(() ->
                        IsolatedDevice.net("net0", NetOptions.parse("unix=" + path + ",server"), RestartPolicy.USUAL))
                .hasMessageContaining("isolate=off");
    }

    /** With the next passt comes the next process. */
    @Test
    void netGoesOnAfterItsPasstHasEnded() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/passt")), "passt is not here: apt-get install passt");
        try (DriverMemory memory = new DriverMemory();
                IsolatedDevice net = IsolatedDevice.net(
                        "net0", NetOptions.parse("user,mac=52:54:00:12:34:56"), RestartPolicy.USUAL);
                TestDriver driver = TestDriver.start(net, memory, Features.VERSION_1, 16)) {
            driver.queue(0).offer(new byte[0], 2048);
            driver.kick(0);
            ProcessHandle former = passt();
            int device = net.process().pid();
            former.destroyForcibly();
            former.onExit().get(20, TimeUnit.SECONDS);
            FutureTask<Used> answer = new FutureTask<>(() -> driver.await(0));
            Thread.ofPlatform().start(answer);
            while (!answer.isDone()) { // as one does who has no answer
                driver.request(1, packet(question()), 0);
                Thread.sleep(20);
            }
            assertThat(answer.get().written()).as("an answer of ARP").isGreaterThanOrEqualTo(12 + 42);
            assertNotEquals(former.pid(), passt().pid());
            assertNotEquals(device, net.process().pid());
        }
    }

    private static ProcessHandle passt() {
        return ProcessHandle.current()
                .children()
                .filter(child -> ForegroundDeviceTest.name(child).startsWith("passt"))
                .findAny()
                .orElseThrow();
    }

    /** Who has 192.0.2.1? passt answers for all. */
    private static byte[] question() {
        byte[] mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
        return ByteBuffer.allocate(42)
                .putLong(-1L)
                .position(6)
                .put(mac)
                .putShort((short) 0x0806)
                .putLong(0x0001080006040001L)
                .put(mac)
                .putInt(0xc0000202)
                .position(38)
                .putInt(0xc0000201)
                .array();
    }

    /** After a header of twelve zero bytes. */
    private static byte[] packet(byte[] frame) {
        return ByteBuffer.allocate(12 + frame.length).put(12, frame).array();
    }

    private static byte[] receive(DescriptorChannel stream) throws IOException {
        try (DescriptorChannel.Message length = stream.receive(4, 0);
                DescriptorChannel.Message frame =
                        stream.receive(ByteBuffer.wrap(length.bytes()).getInt(), 0)) {
            return frame.bytes();
        }
    }

    /** The device process finds the fault, since only it reads the file. */
    @Test
    void aDiskThatCannotBeOpenedSaysWhy(@TempDir Path directory) throws Exception {
        Path file = Files.write(directory.resolve("disk.img"), new byte[4096]);
        assertThatThrownBy(() -> IsolatedDevice.disk(
                        "disk0", directory.resolve("none.img"), OpenOptions.WRITE, null, 1, 4, RestartPolicy.USUAL))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("none.img");
        assertThatThrownBy(
                        () -> IsolatedDevice.disk("disk0", file, OpenOptions.WRITE, null, 1000, 4, RestartPolicy.USUAL))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("--queues 1000 must be 1 to 64");
    }

    @Test
    void withoutPidfdsAndCloseFromItIsTheSame() throws Exception {
        try (Primitive.Absence _ = Primitive.PIDFD.assumeAbsent();
                Primitive.Absence _ = Primitive.CLOSE_FROM.assumeAbsent();
                DriverMemory memory = new DriverMemory();
                IsolatedDevice rng = IsolatedDevice.rng("rng0", RestartPolicy.USUAL);
                TestDriver driver = TestDriver.start(rng, memory, rng.features(), 8)) {
            driver.request(0, new byte[0], 64);
            rng.process().kill();
            assertThat(driver.request(0, new byte[0], 64)).hasSize(64);
        }
    }

    @Test
    void theProcessDiesWithTheProgramThatStartedIt() throws Exception {
        Process program = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Starter.class.getName())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String line = program.inputReader().readLine();
        assumeTrue(line != null, "the program has printed nothing");
        ProcessHandle device = ProcessHandle.of(Long.parseLong(line)).orElseThrow();
        program.destroyForcibly().waitFor();
        device.onExit().get(20, java.util.concurrent.TimeUnit.SECONDS);
    }

    /** Main class of that program. */
    static final class Starter {
        private Starter() {}

        public static void main(String[] arguments) throws Exception {
            IsolatedDevice rng = IsolatedDevice.rng("rng0", RestartPolicy.USUAL);
            System.out.println(rng.process().pid());
            Thread.sleep(60_000);
        }
    }

    private static List<String> threads(int pid) throws IOException {
        try (Stream<Path> tasks = Files.list(Path.of("/proc/" + pid + "/task"))) {
            return tasks.map(task -> read(task.resolve("status"))).toList();
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return "Seccomp:\t2 NoNewPrivs:\t1"; // a thread that has ended meanwhile
        }
    }

    private static List<String> opened(int pid) throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/" + pid + "/fd"))) {
            return open.map(link -> {
                        try {
                            return Files.readSymbolicLink(link).toString();
                        } catch (IOException e) {
                            return "pipe:";
                        }
                    })
                    .toList();
        }
    }
}
