package org.nestorvm.virtio.console;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.virtio.queue.Ring;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;
import org.nestorvm.virtio.testkit.Used;

@Timeout(60)
class ConsoleDeviceTest {
    private static final int RX = 0,
            TX = 1,
            CONTROL_RX = ConsoleDevice.CONTROL_RECEIVE,
            CONTROL_TX = ConsoleDevice.CONTROL_TRANSMIT,
            RX1 = 4,
            TX1 = 5,
            RX2 = 6;

    /** A stream that somebody may hold up. */
    private static final class Sink extends OutputStream {
        final Semaphore open = new Semaphore(Integer.MAX_VALUE / 2);
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        @Override
        public void write(int b) {
            throw new AssertionError("bytes come in one by one");
        }

        @Override
        public void write(byte[] from, int offset, int length) {
            open.acquireUninterruptibly();
            synchronized (this) {
                bytes.write(from, offset, length);
                notifyAll();
            }
        }

        synchronized byte[] await(int length) throws InterruptedException {
            while (bytes.size() < length) wait();
            return bytes.toByteArray();
        }

        void hold() {
            open.drainPermits();
        }

        void letGo() {
            open.release(Integer.MAX_VALUE / 2);
        }
    }

    @TempDir
    Path folder;

    private DriverMemory memory;
    private final Sink sink = new Sink();

    @BeforeEach
    void open() throws IOException {
        memory = new DriverMemory(null, 0, 64 << 20);
    }

    @AfterEach
    void close() throws IOException {
        sink.letGo();
        memory.close();
    }

    private ConsoleDevice plain() throws IOException {
        return new ConsoleDevice("console", ConsoleOptions.DEFAULT, sink);
    }

    private ConsoleDevice withPorts(String... names) throws IOException {
        StringBuilder text = new StringBuilder("cols=80,rows=25");
        for (String name : names) text.append(",port=").append(name).append(':').append(folder.resolve(name));
        return new ConsoleDevice("console", ConsoleOptions.parse(text.toString()), sink);
    }

    private TestDriver start(ConsoleDevice device, Ring ring) throws IOException {
        return TestDriver.start(device, memory, ring.features() | device.features() & 7, 16);
    }

    private SocketChannel connect(String port) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(folder.resolve(port)));
        return channel;
    }

    private static byte[] noise(int length) {
        byte[] bytes = new byte[length];
        new Random(length).nextBytes(bytes);
        return bytes;
    }

    /** The driver's side of the control queues. */
    private static final class Control {
        final TestDriver driver;
        final List<Long> buffers = new ArrayList<>();

        Control(TestDriver driver) {
            this.driver = driver;
            for (int i = 0; i < 16; i++) offer(driver.memory().allocate(64, 16));
            driver.kick(CONTROL_RX);
        }

        private void offer(long gpa) {
            driver.queue(CONTROL_RX).offer(List.of(new Buffer(gpa, 64, true)));
            buffers.add(gpa);
        }

        void send(int id, int event, int value) throws InterruptedException {
            driver.request(
                    CONTROL_TX,
                    ByteBuffer.allocate(8)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putInt(id)
                            .putShort((short) event)
                            .putShort((short) value)
                            .array(),
                    0);
        }

        /** The next message, as text: port, event, value, and what follows. */
        String next() throws InterruptedException {
            return text(driver.await(CONTROL_RX));
        }

        String text(Used used) {
            long gpa = buffers.removeFirst();
            ByteBuffer bytes = ByteBuffer.wrap(driver.memory().read(gpa, (int) used.written()))
                    .order(ByteOrder.LITTLE_ENDIAN);
            String text = bytes.getInt() + " " + bytes.getShort() + " " + bytes.getShort();
            if (text.contains(" 5 ")) text += " " + bytes.getShort() + " " + bytes.getShort();
            if (bytes.hasRemaining()) text += " " + UTF_8.decode(bytes);
            offer(gpa);
            driver.kick(CONTROL_RX);
            return text;
        }

        void begin(int ports) throws InterruptedException {
            send(0, ConsoleDevice.DEVICE_READY, 1);
            for (int i = 0; i < ports; i++) assertEquals(i + " 1 1", next());
            for (int i = 0; i < ports; i++) send(i, ConsoleDevice.PORT_READY, 1);
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatTheGuestPrintsIsOnTheStream(Ring ring) throws Exception {
        byte[] expected = noise(100_000);
        try (ConsoleDevice console = plain();
                TestDriver driver = start(console, ring)) {
            for (int at = 0; at < expected.length; at += 10_000)
                assertEquals(0, driver.request(TX, Arrays.copyOfRange(expected, at, at + 10_000), 0).length);
            assertArrayEquals(expected, sink.await(expected.length));
            driver.request(TX, new byte[0], 5); // nothing to print, and room that nobody fills
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatSomebodyTypesReachesTheGuest(Ring ring) throws Exception {
        try (ConsoleDevice console = plain();
                TestDriver driver = start(console, ring)) {
            assertEquals(3, console.offer("xabcx".getBytes(UTF_8), 1, 3)); // before the guest has a buffer
            long gpa = memory.allocate(16, 16);
            driver.queue(RX).offer(List.of(new Buffer(gpa, 2, true)));
            driver.queue(RX).offer(List.of(new Buffer(gpa + 8, 8, true)));
            driver.kick(RX);
            assertEquals(2, driver.await(RX).written());
            assertEquals(1, driver.await(RX).written());
            assertArrayEquals("ab".getBytes(UTF_8), memory.read(gpa, 2));
            assertArrayEquals("c".getBytes(UTF_8), memory.read(gpa + 8, 1));
            driver.queue(RX).offer(List.of(new Buffer(gpa, 8, true)));
            driver.kick(RX);
            console.offer("later".getBytes(UTF_8), 0, 5); // while it waits with one
            assertEquals(5, driver.await(RX).written());
            assertArrayEquals("later".getBytes(UTF_8), memory.read(gpa, 5));
        }
    }

    @Test
    void aGuestThatDoesNotReadStopsTheTyping() throws Exception {
        try (ConsoleDevice console = plain();
                TestDriver driver = start(console, Ring.SPLIT)) {
            byte[] typed = noise(100_000);
            int accepted = console.offer(typed, 0, typed.length);
            assertEquals(StreamEnd.BUFFER_BYTES, accepted);
            assertEquals(0, console.offer(typed, accepted, typed.length - accepted));
            FutureTask<Boolean> waits = new FutureTask<>(console::awaitRoom);
            Thread.ofPlatform().daemon().start(waits);
            ByteArrayOutputStream heard = new ByteArrayOutputStream();
            while (heard.size() < typed.length) {
                heard.writeBytes(driver.request(RX, new byte[0], 5_000));
                accepted += console.offer(typed, accepted, typed.length - accepted);
            }
            assertArrayEquals(typed, heard.toByteArray());
            assertTrue(waits.get());
        }
    }

    @Test
    void whoWaitsToTypeIsToldThatNobodyReadsAnyMore() throws Exception {
        FutureTask<Boolean> waits;
        try (ConsoleDevice console = plain()) {
            console.offer(new byte[StreamEnd.BUFFER_BYTES], 0, StreamEnd.BUFFER_BYTES);
            waits = new FutureTask<>(console::awaitRoom);
            Thread typist = Thread.ofPlatform().daemon().start(waits);
            while (typist.getState() != Thread.State.WAITING) Thread.onSpinWait();
        }
        assertFalse(waits.get());
    }

    /** The guest waits for a stream that does not take; nothing is lost, not even by a pause amid a request. */
    @ParameterizedTest
    @EnumSource
    void aStreamThatDoesNotTakeStopsThePort(Ring ring) throws Exception {
        try (ConsoleDevice console = withPorts("other");
                TestDriver driver = start(console, ring)) {
            new Control(driver).begin(2);
            sink.hold();
            byte[] expected = noise(8 * 50_000);
            int back = 0;
            for (int i = 0; i < 8; i++)
                driver.queue(TX).offer(Arrays.copyOfRange(expected, i * 50_000, (i + 1) * 50_000), 0);
            driver.kick(TX);
            for (int i = 0; i < 5; i++) {
                driver.request(TX1, new byte[] {1}, 0); // the other port goes on
                driver.stopQueue(TX);
                driver.startQueue(TX);
            }
            while (driver.queue(TX).take() != null) back++;
            assertThat(back).isLessThan(4);
            sink.letGo();
            for (; back < 8; back++) driver.await(TX);
            assertArrayEquals(expected, sink.await(expected.length));
            assertTrue(driver.reasons().isEmpty());
        }
    }

    @Test
    void whatIsLeftIsWrittenAtTheEnd() throws Exception {
        try (ConsoleDevice console = plain();
                TestDriver driver = start(console, Ring.SPLIT)) {
            driver.request(TX, "the last words".getBytes(UTF_8), 0);
        }
        assertEquals("the last words", new String(sink.await(0), UTF_8));
    }

    @Test
    void aStreamThatFailsDoesNotKeepTheGuest() throws Exception {
        OutputStream fails = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("test: no space left");
            }
        };
        try (ConsoleDevice console = new ConsoleDevice("console", ConsoleOptions.DEFAULT, fails);
                TestDriver driver = start(console, Ring.SPLIT)) {
            for (int i = 0; i < 10; i++) driver.request(TX, noise(50_000), 0);
        }
    }

    @Test
    void aGuestInDistressNeedsNoDriver() throws Exception {
        try (ConsoleDevice console = plain()) {
            for (byte b : "panic".getBytes(UTF_8)) console.config().write(ConsoleDevice.EMERG_WR, 4, 0xabcdef00L | b);
            console.config().write(ConsoleDevice.EMERG_WR + 1, 1, 'x'); // not the byte that counts
            console.config().write(ConsoleDevice.COLS, 2, 99); // not the guest's to write
            assertEquals("panic", new String(sink.await(5), UTF_8));
            assertEquals(0, console.config().get(ConsoleDevice.COLS, 2));
        }
    }

    @Test
    void aNewSizeIsInTheConfiguration() throws Exception {
        try (ConsoleDevice console = new ConsoleDevice("console", ConsoleOptions.parse("cols=132,rows=50"), sink)) {
            assertEquals(0, console.features() & ConsoleDevice.F_MULTIPORT);
            assertEquals(132 | 50 << 16, console.config().get(0, 4));
            assertEquals(1, console.config().get(ConsoleDevice.MAX_NR_PORTS, 4));
            console.setSize(80, 24);
            try (TestDriver driver = start(console, Ring.PACKED)) {
                assertEquals(80 | 24 << 16, console.config().get(0, 4));
                driver.awaitConfigChange(); // without which Linux does not look
                console.setSize(100, 40);
                driver.awaitConfigChange();
                assertEquals(100 | 40 << 16, console.config().get(0, 4));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void portsAreMadeNamedAndOpened(Ring ring) throws Exception {
        try (ConsoleDevice console = withPorts("agent", "log");
                TestDriver driver = start(console, ring)) {
            assertEquals(3, console.config().get(ConsoleDevice.MAX_NR_PORTS, 4));
            Control control = new Control(driver);
            control.send(0, ConsoleDevice.DEVICE_READY, 1);
            assertEquals("0 1 1", control.next());
            assertEquals("1 1 1", control.next());
            assertEquals("2 1 1", control.next());
            control.send(0, ConsoleDevice.PORT_READY, 1);
            assertEquals("0 4 1", control.next());
            assertEquals("0 5 0 80 25", control.next());
            assertEquals("0 6 1", control.next());
            control.send(1, ConsoleDevice.PORT_READY, 1);
            assertEquals("1 7 1 agent", control.next());
            try (SocketChannel client = connect("agent")) {
                assertTrue(client.isConnected());
                assertEquals("1 6 1", control.next());
                console.setSize(90, 30);
                assertEquals("0 5 0 90 30", control.next());
                control.send(1, ConsoleDevice.PORT_OPEN, 1);
                driver.queue(RX1).offer(new byte[0], 10);
                driver.kick(RX1);
            }
            assertEquals("1 6 0", control.next());
            try (SocketChannel client = connect("log")) {
                assertTrue(client.isConnected());
                control.send(2, ConsoleDevice.PORT_READY, 1);
                assertThat(List.of(control.next(), control.next())).containsExactlyInAnyOrder("2 7 1 log", "2 6 1");
            }
        }
        assertFalse(Files.exists(folder.resolve("agent")));
    }

    /** A program that finds a port by its name finds it open. Each direction ends after its last byte. */
    @ParameterizedTest
    @EnumSource
    void aChannelBeginsOpenAndEndsEachWayAfterTheLastByte(Ring ring) throws Exception {
        Semaphore ended = new Semaphore(0);
        Channel channel = new Channel("stdin", sink, events(ended, new Semaphore(0)));
        try (ConsoleDevice console = new ConsoleDevice("channels", List.of(channel));
                TestDriver driver = start(console, ring)) {
            assertFalse(console.hasConsole());
            Control control = new Control(driver);
            control.send(0, ConsoleDevice.DEVICE_READY, 1);
            assertEquals("1 1 1", control.next()); // and no port 0
            control.send(1, ConsoleDevice.PORT_READY, 1);
            assertEquals("1 6 1", control.next());
            assertEquals("1 7 1 stdin", control.next());
            assertEquals(4, channel.offer("last".getBytes(UTF_8), 0, 4));
            channel.endInput();
            control.send(1, ConsoleDevice.PORT_OPEN, 1);
            assertArrayEquals("last".getBytes(UTF_8), driver.request(RX1, new byte[0], 10));
            assertEquals("1 6 0", control.next());

            byte[] sent =
                    noise(300_000); // more than there is room for, so that the message of the end comes while it waits
            sink.hold();
            driver.queue(TX1).offer(sent, 0);
            driver.kick(TX1);
            control.send(1, ConsoleDevice.PORT_OPEN, 0);
            assertFalse(ended.tryAcquire());
            sink.letGo();
            ended.acquire();
            assertArrayEquals(sent, sink.await(sent.length));
        }
    }

    @Test
    void aChannelWithoutInputBeginsClosedAndOneThatBreaksStillEnds() throws Exception {
        Semaphore ended = new Semaphore(0), broken = new Semaphore(0);
        OutputStream closed = OutputStream.nullOutputStream();
        closed.close();
        Channel channel = new Channel("stdout", closed, events(ended, broken));
        channel.endInput();
        try (ConsoleDevice console = new ConsoleDevice("channels", List.of(channel));
                TestDriver driver = start(console, Ring.SPLIT_EVENT)) {
            Control control = new Control(driver);
            control.send(0, ConsoleDevice.DEVICE_READY, 1);
            assertEquals("1 1 1", control.next());
            control.send(1, ConsoleDevice.PORT_READY, 1);
            assertEquals("1 7 1 stdout", control.next());
            control.send(1, ConsoleDevice.PORT_OPEN, 1);
            driver.request(TX1, noise(100), 0);
            broken.acquire();
            driver.request(TX1, noise(300_000), 0); // dropped
            control.send(1, ConsoleDevice.PORT_OPEN, 0);
            ended.acquire();
        }
    }

    private static Channel.Events events(Semaphore ended, Semaphore broken) {
        return new Channel.Events() {
            @Override
            public void ended() {
                ended.release();
            }

            @Override
            public void broken() {
                broken.release();
            }
        };
    }

    @ParameterizedTest
    @EnumSource
    void bytesGoBothWaysThroughASocket(Ring ring) throws Exception {
        try (ConsoleDevice console = withPorts("agent");
                TestDriver driver = start(console, ring)) {
            Control control = new Control(driver);
            control.begin(2);
            long gpa = memory.allocate(16, 16);
            for (int round = 0; round < 3; round++) {
                driver.queue(RX1).offer(List.of(new Buffer(gpa, 3, true), new Buffer(gpa + 8, 8, true)));
                driver.kick(RX1);
                try (SocketChannel client = connect("agent")) {
                    client.write(ByteBuffer.wrap("early".getBytes(UTF_8)));
                    driver.stopQueue(RX1);
                    driver.startQueue(RX1);
                    assertNull(driver.queue(RX1).take(), "no program of the guest has the port open yet");
                    control.send(1, ConsoleDevice.PORT_OPEN, 1);
                    assertEquals(5, driver.await(RX1).written());
                    assertArrayEquals("ear".getBytes(UTF_8), memory.read(gpa, 3));
                    assertArrayEquals("ly".getBytes(UTF_8), memory.read(gpa + 8, 2));
                    byte[] sent = noise(3_000);
                    driver.request(TX1, sent, 0);
                    ByteBuffer heard = ByteBuffer.allocate(sent.length);
                    while (heard.hasRemaining()) client.read(heard);
                    assertArrayEquals(sent, heard.array());
                    client.write(ByteBuffer.wrap("last".getBytes(UTF_8)));
                }
                driver.queue(RX1).offer(List.of(new Buffer(gpa, 8, true)));
                driver.kick(RX1);
                assertEquals(4, driver.await(RX1).written(), "what was said before the end arrives");
                driver.queue(TX1).offer(new byte[1], 0); // whether the end was seen or not
                driver.kick(TX1);
                driver.await(TX1);
                for (String message = ""; !message.equals("1 6 0"); ) message = control.next();
                control.send(1, ConsoleDevice.PORT_OPEN, 0);
                driver.request(TX1, noise(300_000), 0); // lost: nobody is there
            }
            assertTrue(driver.reasons().isEmpty());
        }
    }

    /** A program that does not read keeps its own port only; when it reads, it has everything. */
    @ParameterizedTest
    @EnumSource
    void aProgramThatDoesNotReadStopsItsPort(Ring ring) throws Exception {
        byte[] expected = noise(10 * 100_000);
        try (ConsoleDevice console = withPorts("agent");
                TestDriver driver = start(console, ring);
                SocketChannel client = connect("agent")) {
            Control control = new Control(driver);
            control.begin(2);
            for (String message = ""; !message.equals("1 6 1"); ) message = control.next();
            for (int i = 0; i < 10; i++)
                driver.queue(TX1).offer(Arrays.copyOfRange(expected, i * 100_000, (i + 1) * 100_000), 0);
            driver.kick(TX1);
            for (int i = 0; i < 5; i++) {
                driver.request(TX, "console".getBytes(UTF_8), 0);
                driver.stopQueue(TX1);
                driver.startQueue(TX1);
            }
            int back = 0;
            while (driver.queue(TX1).take() != null) back++;
            assertThat(back).isLessThan(10);
            ByteBuffer heard = ByteBuffer.allocate(expected.length);
            while (heard.hasRemaining()) client.read(heard);
            assertArrayEquals(expected, heard.array());
            for (; back < 10; back++) driver.await(TX1);
        }
    }

    /** And one that writes more than the guest takes waits, without the device being busy meanwhile. */
    @Test
    void aGuestThatDoesNotReadStopsTheProgram() throws Exception {
        byte[] expected = noise(2_000_000);
        try (ConsoleDevice console = withPorts("agent");
                TestDriver driver = start(console, Ring.SPLIT_EVENT);
                SocketChannel client = connect("agent")) {
            Control control = new Control(driver);
            control.begin(2);
            control.send(1, ConsoleDevice.PORT_OPEN, 1);
            client.configureBlocking(false);
            ByteBuffer bytes = ByteBuffer.wrap(expected);
            while (client.write(bytes) > 0) {}
            assertTrue(bytes.hasRemaining());
            driver.request(TX, "console".getBytes(UTF_8), 0);
            ByteArrayOutputStream heard = new ByteArrayOutputStream();
            while (heard.size() < expected.length) {
                heard.writeBytes(driver.request(RX1, new byte[0], 60_000));
                client.write(bytes);
            }
            assertArrayEquals(expected, heard.toByteArray());
        }
    }

    @Test
    void p34_controlMessagesOfAHostileGuest() throws Exception {
        Random random = new Random(3);
        try (ConsoleDevice console = withPorts("a", "b");
                TestDriver driver = start(console, Ring.SPLIT)) {
            for (int i = 0; i < 500; i++) {
                byte[] message = new byte[1 + random.nextInt(12)];
                random.nextBytes(message);
                if (random.nextBoolean())
                    for (int at = 1; at < message.length; at++) if (at != 4 && at != 6) message[at] = 0;
                if (message.length > 6 && random.nextBoolean()) {
                    message[0] = (byte) random.nextInt(4);
                    message[4] = (byte) random.nextInt(8);
                    message[6] = (byte) random.nextInt(2);
                }
                driver.request(CONTROL_TX, message, 0);
            }
            int told = 0;
            for (int i = 0; i < 40; i++) {
                driver.queue(CONTROL_RX).offer(List.of(new Buffer(0, random.nextInt(20), true)));
                driver.forceKick(CONTROL_RX);
                driver.stopQueue(CONTROL_RX);
                driver.startQueue(CONTROL_RX);
                if (driver.queue(CONTROL_RX).take() == null) break;
                told++;
            }
            assertThat(told).isLessThan(20); // however often it asked
            driver.request(TX, "still here".getBytes(UTF_8), 0);
            driver.queue(RX2).offer(new byte[4], 0); // nothing to write into, where the device only writes
            driver.kick(RX2);
            assertTrue(driver.reasons().isEmpty());
        }
    }

    /** After a reset a driver finds the device as new, and the program at the other end is still there. */
    @Test
    void aResetForgetsTheGuestAndKeepsTheHost() throws Exception {
        try (ConsoleDevice console = withPorts("agent")) {
            SocketChannel client = null;
            for (int i = 0; i < 3; i++) {
                try (TestDriver driver = start(console, i % 2 == 0 ? Ring.SPLIT : Ring.PACKED)) {
                    if (client == null) client = connect("agent");
                    Control control = new Control(driver);
                    control.begin(2);
                    for (String message = ""; !message.equals("1 6 1"); ) message = control.next();
                    driver.request(TX1, new byte[] {(byte) i}, 0);
                    ByteBuffer heard = ByteBuffer.allocate(1);
                    client.read(heard);
                    assertEquals(i, heard.get(0));
                }
            }
            client.close();
        }
    }

    @Test
    void aPathThatIsTakenIsNamed() throws Exception {
        Files.writeString(folder.resolve("b"), "a file");
        assertThatThrownBy(() -> withPorts("a", "b"))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("virtio console port b")
                .hasMessageContaining("is not a socket");
        assertFalse(Files.exists(folder.resolve("a")), "nothing is left behind");
        try (ConsoleDevice first = withPorts("a")) {
            assertThatThrownBy(() -> withPorts("a"))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("in use");
            first.close(); // once more at the end does nothing
        }
    }

    @Test
    void optionsAreReadAsWritten() throws Exception {
        assertEquals(ConsoleOptions.DEFAULT, ConsoleOptions.parse("on"));
        assertEquals(
                new ConsoleOptions(
                        80,
                        25,
                        List.of(
                                new ConsoleOptions.PortOptions("org.agent.0", Path.of("/run/a:b")),
                                new ConsoleOptions.PortOptions("log", Path.of("log.sock")))),
                ConsoleOptions.parse("port=org.agent.0:/run/a:b,rows=25,cols=80,port=log:log.sock"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "off",
                "cols=80",
                "rows=25",
                "cols=0,rows=25",
                "cols=80,rows=65536",
                "cols=-1,rows=2",
                "port",
                "port=a",
                "port=:x",
                "port=a:",
                "port=a b:x",
                "port=a/b:x",
                "port=a:x,port=a:y",
                "port=a:x,port=b:x",
                "size=80x25",
                "on,cols=1"
            })
    void optionsThatCannotBeAreNamed(String text) {
        assertThatThrownBy(() -> ConsoleOptions.parse(text))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith("virtio console")
                .hasMessageNotContaining("\n");
    }
}
