package org.nestorvm.isolation;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.memory.sys.Primitive;
import org.nestorvm.memory.sys.Privileges;
import org.nestorvm.vhost.Connector;
import org.nestorvm.vhost.FrontEnd;
import org.nestorvm.vhost.FrontEndOptions;
import org.nestorvm.virtio.balloon.BalloonDevice;
import org.nestorvm.virtio.console.ConsoleDevice;
import org.nestorvm.virtio.scsi.ScsiCdDevice;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;
import org.nestorvm.virtio.vsock.VsockDevice;

/**
 * {@code nestor device} of each kind that has nothing to do with disks and networks: a driver, our front end, and the
 * device in a confined process of its own, which leaves no file of its own behind.
 */
@Timeout(60)
class DeviceKindsTest {
    @TempDir
    Path directory;

    /** The command, and a driver at its socket. */
    private final class Running implements AutoCloseable {
        final FutureTask<Integer> status;
        final DriverMemory memory = new DriverMemory();
        final FrontEnd front;
        final TestDriver driver;

        Running(int type, String... arguments) throws IOException {
            Path socket = directory.resolve("front");
            List<String> all = new ArrayList<>(List.of(arguments));
            all.addAll(List.of("--socket", socket.toString()));
            status = new FutureTask<>(() -> ForegroundDevice.run(all.toArray(String[]::new)));
            Thread.ofPlatform().start(status);
            front = FrontEnd.connect(FrontEndOptions.of(
                    type, arguments[0], FrontEndOptions.ALL_QUEUES, 64, Connector.path(socket, 20_000)));
            driver = TestDriver.start(front, memory, front.features(), 64);
        }

        /** As every device process is, those with sockets too. */
        void assertConfined() throws IOException {
            if (!Primitive.SECCOMP.present()) return;
            long pid = ProcessHandle.current()
                    .children()
                    .filter(child -> ForegroundDeviceTest.name(child).startsWith("java"))
                    .findAny()
                    .orElseThrow()
                    .pid();
            String user = Privileges.geteuid() == 0 ? "Uid:\t(19\\d{8}|65534)\t" : "Uid:\t";
            try (Stream<Path> tasks = Files.list(Path.of("/proc/" + pid + "/task"))) {
                for (Path task : (Iterable<Path>) tasks::iterator) {
                    if (!Files.exists(task)) continue;
                    assertThat(Files.readString(task.resolve("status")))
                            .contains("Seccomp:\t2")
                            .containsPattern(user);
                }
            }
        }

        @Override
        public void close() throws Exception {
            driver.close();
            front.close();
            assertEquals(0, status.get(30, TimeUnit.SECONDS));
            memory.close();
        }
    }

    private void assertOnly(String... left) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactlyInAnyOrder(left);
        }
    }

    private static ByteBuffer bytes(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    // --- vsock

    private static final int POLL_MS = 20;
    private static final int RX = 0, TX = 1, HEADER = 44;
    private static final int REQUEST = 1, RESPONSE = 2, RST = 3, RW = 5;
    private static final int SERVICE = 52, NOBODY = 53, GUEST_PORT = 9;

    private static byte[] packet(int hostPort, int guestPort, int op, String data) {
        return bytes(HEADER + data.length())
                .putLong(42)
                .putLong(2)
                .putInt(guestPort)
                .putInt(hostPort)
                .putInt(data.length())
                .putShort((short) 1)
                .putShort((short) op)
                .putInt(0)
                .putInt(1 << 16)
                .putInt(0)
                .put(data.getBytes(US_ASCII))
                .array();
    }

    /** The next packet of an operation; others are credit, which this guest has enough of. */
    private static ByteBuffer receive(Running running, int op) throws InterruptedException {
        for (; ; ) {
            running.driver.queue(RX).offer(new byte[0], 4096);
            List<Buffer> buffer = running.driver.queue(RX).lastBuffers();
            running.driver.kick(RX);
            Used used = running.driver.await(RX);
            ByteBuffer packet = ByteBuffer.wrap(
                            running.memory.read(buffer.getFirst().gpa(), (int) used.written()))
                    .order(ByteOrder.LITTLE_ENDIAN);
            if (packet.getShort(30) == op) return packet;
        }
    }

    private static String read(SocketChannel channel, int length) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length);
        while (buffer.hasRemaining() && channel.read(buffer) >= 0) {}
        return new String(buffer.array(), 0, buffer.position(), US_ASCII);
    }

    @Test
    void vsockConnectsBothWaysFromAProcessThatCanMakeNoSocket() throws Exception {
        Path path = directory.resolve("vsock");
        try (ServerSocketChannel service = ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                        .bind(UnixDomainSocketAddress.of(path + "_" + SERVICE));
                Running running = new Running(VsockDevice.TYPE, "vsock", "--vsock", "path=" + path + ",cid=42")) {
            assertEquals(42, running.front.config().get(0, 8));
            running.driver.request(TX, packet(SERVICE, GUEST_PORT, REQUEST, ""), 0);
            try (SocketChannel program = service.accept()) {
                receive(running, RESPONSE);
                running.driver.request(TX, packet(SERVICE, GUEST_PORT, RW, "from the guest"), 0);
                assertEquals("from the guest", read(program, 14));
                program.write(ByteBuffer.wrap("from the host".getBytes(US_ASCII)));
                assertEquals("from the host", new String(receive(running, RW).array(), HEADER, 13, US_ASCII));
            }
            running.driver.request(TX, packet(NOBODY, GUEST_PORT + 1, REQUEST, ""), 0);
            assertEquals(NOBODY, receive(running, RST).getInt(16));
            try (SocketChannel program = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                program.write(ByteBuffer.wrap("CONNECT 9\n".getBytes(US_ASCII)));
                int hostPort = receive(running, REQUEST).getInt(16);
                running.driver.request(TX, packet(hostPort, GUEST_PORT, RESPONSE, ""), 0);
                assertEquals("OK " + hostPort + "\n", read(program, ("OK " + hostPort + "\n").length()));
            }
            running.assertConfined();
        }
        assertOnly("vsock_" + SERVICE);
    }

    // --- console

    private static final int AGENT_RX = 4, AGENT_TX = 5, DEVICE_READY = 0, PORT_READY = 3, PORT_OPEN = 6;

    private static byte[] control(int id, int event, int value) {
        return bytes(8).putInt(id)
                .putShort((short) event)
                .putShort((short) value)
                .array();
    }

    @Test
    void consolePortsTakeConnectionsFromAConfinedProcess() throws Exception {
        Path agent = directory.resolve("agent");
        try (Running running =
                new Running(ConsoleDevice.TYPE, "console", "--virtio-console", "cols=90,rows=30,port=agent:" + agent)) {
            assertEquals(6, running.front.queueCount());
            assertEquals(90, running.front.config().get(0, 2));
            running.driver.request(ConsoleDevice.CONTROL_TRANSMIT, control(0, DEVICE_READY, 1), 0);
            running.driver.request(ConsoleDevice.CONTROL_TRANSMIT, control(1, PORT_READY, 1), 0);
            running.driver.request(ConsoleDevice.CONTROL_TRANSMIT, control(1, PORT_OPEN, 1), 0);
            for (String word : new String[] {"first", "again"}) {
                try (SocketChannel program = SocketChannel.open(UnixDomainSocketAddress.of(agent))) {
                    program.write(ByteBuffer.wrap(word.getBytes(US_ASCII)));
                    assertEquals(
                            word,
                            new String(
                                    running.driver.request(AGENT_RX, new byte[0], 64),
                                    US_ASCII)); // so it has connected
                    running.driver.request(AGENT_TX, "answer".getBytes(US_ASCII), 0);
                    assertEquals("answer", read(program, 6));
                }
            }
            running.assertConfined();
        }
        assertOnly();
    }

    // --- cdrom

    private static final int SCSI_REQUEST = 2, HEADER_BYTES = 19, CDB_BYTES = 32, ANSWER_BYTES = 12 + 96, BLOCK = 2048;

    private static byte[] command(int... cdb) {
        ByteBuffer request = bytes(HEADER_BYTES + CDB_BYTES)
                .put(new byte[] {1, 0, 0x40, 0, 0, 0, 0, 0})
                .position(HEADER_BYTES);
        for (int b : cdb) request.put((byte) b);
        return request.array();
    }

    @Test
    void cdromReadsAnImageThatWasOpenedBefore() throws Exception {
        byte[] content = new byte[40 * BLOCK];
        new SplittableRandom(9).nextBytes(content);
        Path iso = Files.write(directory.resolve("x.iso"), content);
        try (Running running = new Running(ScsiCdDevice.TYPE, "cdrom", "--file", iso.toString())) {
            assertEquals(1, running.front.config().get(0, 4), "request queues");
            running.front.config().write(20, 4, 96); // Linux does: sense_size
            running.driver.request(SCSI_REQUEST, command(0), ANSWER_BYTES);
            byte[] answer = running.driver.request(
                    SCSI_REQUEST, command(0x28, 0, 0, 0, 0, 7, 0, 0, 3), ANSWER_BYTES + 3 * BLOCK);
            assertArrayEquals(
                    Arrays.copyOfRange(content, 7 * BLOCK, 10 * BLOCK),
                    Arrays.copyOfRange(answer, ANSWER_BYTES, answer.length));
            running.assertConfined();
        }
        assertOnly("x.iso");
    }

    // --- balloon

    private static long heldBytes(Running running) throws IOException {
        return FileStatus.of(
                        "guest memory",
                        running.memory.memory().regions().getFirst().descriptor())
                .allocatedBytes();
    }

    /** The front end's mapping stays where it is, and what the guest touches again is there, and zero. */
    @Test
    void balloonGivesPagesBackThroughTheirFile() throws Exception {
        try (Running running = new Running(BalloonDevice.TYPE, "balloon", "--balloon", "target=8M")) {
            assertEquals(8 << 20 >> 12, running.front.config().get(0, 4));
            long gpa = running.memory.allocate(16 * 4096, 4096);
            byte[] full = new byte[16 * 4096], zero = new byte[4096];
            Arrays.fill(full, (byte) 0x77);
            running.memory.write(gpa, full);
            long before = heldBytes(running);
            ByteBuffer numbers = bytes(4 * 10);
            for (int i = 0; i < 8; i++) numbers.putInt((int) (gpa >> 12) + i);
            numbers.putInt((int) (gpa >> 12) + 10).putInt(-1); // the last is no memory at all
            running.driver.request(BalloonDevice.INFLATE, numbers.array(), 0);
            assertThat(before - heldBytes(running)).isGreaterThanOrEqualTo(8 * 4096);
            for (int i = 0; i < 16; i++)
                assertArrayEquals(
                        i < 8 || i == 10 ? zero : Arrays.copyOf(full, 4096),
                        running.memory.read(gpa + i * 4096L, 4096),
                        "page " + i);
            running.driver.queue(BalloonDevice.REPORTING).offer(List.of(new Buffer(gpa + 12 * 4096, 2 * 4096, true)));
            running.driver.kick(BalloonDevice.REPORTING);
            running.driver.await(BalloonDevice.REPORTING);
            assertArrayEquals(zero, running.memory.read(gpa + 13 * 4096, 4096));
            running.memory.write(gpa, full);
            assertArrayEquals(full, running.memory.read(gpa, full.length));
            running.front.config().write(4, 4, 9);
            running.assertConfined();
        }
        assertOnly();
    }

    // --- the command

    @Test
    void optionsThatCannotBeAreToldBeforeAnythingIsMade() throws Exception {
        String[][] wrong = {
            {"vsock"},
            {"vsock", "--vsock", "cid=3"},
            {"console", "--virtio-console", "port=a b:/x"},
            {"console", "--socket", ""}
        };
        String[] words = {"needs --vsock PATH", "has no path", "must be NAME:PATH", "1 to 107"};
        for (int i = 0; i < wrong.length; i++) {
            String[] arguments = wrong[i];
            assertThatThrownBy(() -> ForegroundDevice.run(arguments))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining(words[i]);
        }
        Path file = Files.write(directory.resolve("file"), new byte[1]);
        assertThatThrownBy(() -> ForegroundDevice.run("rng", "--socket", file.toString()))
                .hasMessageContaining("exists and is not a socket");
        DeviceArguments statistics = new DeviceArguments().with("balloon", "stats=5"), nowhere = new DeviceArguments();
        assertThatThrownBy(() -> DeviceKind.BALLOON.open("b", statistics)).hasMessageContaining("leave out stats=5");
        assertThatThrownBy(() -> DeviceKind.CONSOLE.open("c", nowhere)).hasMessageContaining("leads nowhere");
        assertThatThrownBy(() -> DeviceKind.CDROM.open("c", nowhere)).hasMessageContaining("needs --file NAME");
        assertOnly("file");
    }

    /**
     * Ended by SIGTERM, while it waits for its front end; killed, it may leave its files, which the next one replaces.
     */
    @Test
    void aCommandThatIsEndedLeavesNoSocketBehind() throws Exception {
        Path socket = directory.resolve("front"), vsock = directory.resolve("vsock");
        for (boolean kill : new boolean[] {true, false}) {
            Process command = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-XX:+UseSerialGC",
                            "--enable-native-access=ALL-UNNAMED",
                            "-cp",
                            System.getProperty("java.class.path"),
                            Command.class.getName(),
                            "vsock",
                            "--socket",
                            socket.toString(),
                            "--vsock",
                            vsock.toString())
                    .inheritIO()
                    .start();
            assertTrue(awaitListener(vsock, command), "it listens");
            if (kill) command.destroyForcibly();
            else command.destroy();
            command.waitFor();
            while (listens(vsock)) Thread.sleep(POLL_MS); // the device ends with its command, a moment later
        }
        assertOnly();
    }

    private static boolean awaitListener(Path path, Process command) throws InterruptedException {
        while (!listens(path)) {
            if (!command.isAlive()) return false;
            Thread.sleep(POLL_MS);
        }
        return true;
    }

    private static boolean listens(Path path) {
        try (SocketChannel _ = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /** Main class of that program. */
    static final class Command {
        private Command() {}

        public static void main(String[] arguments) throws Exception {
            System.exit(ForegroundDevice.run(arguments));
        }
    }
}
