package org.nestorvm.virtio.vsock;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.nestorvm.virtio.vsock.VsockDevice.EVENT;
import static org.nestorvm.virtio.vsock.VsockDevice.RX;
import static org.nestorvm.virtio.vsock.VsockDevice.TX;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;

@Timeout(120)
class VsockDeviceTest {
    private static final long SPLIT = Features.VERSION_1;
    private static final int PORT = 1234, GUEST_PORT = 700;

    @TempDir
    Path directory;

    private Path path() {
        return directory.resolve("v");
    }

    private Guest guest() throws IOException {
        return new Guest(path(), SPLIT, 64, 32, 4096);
    }

    private ServerSocketChannel listen(int port) throws IOException {
        return listen(path(), port);
    }

    static ServerSocketChannel listen(Path path, int port) throws IOException {
        return ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                .bind(UnixDomainSocketAddress.of(path + "_" + port), 128);
    }

    static SocketChannel connect(Path path, String line) throws IOException {
        SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path));
        write(channel, line);
        return channel;
    }

    static void write(SocketChannel channel, String text) throws IOException {
        channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    }

    static String read(SocketChannel channel, int length) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length);
        while (buffer.hasRemaining() && channel.read(buffer) >= 0) {}
        return new String(buffer.array(), 0, buffer.position(), StandardCharsets.UTF_8);
    }

    static String readLine(SocketChannel channel) throws IOException {
        StringBuilder line = new StringBuilder();
        for (String c; !(c = read(channel, 1)).isEmpty() && !c.equals("\n"); ) line.append(c);
        return line.toString();
    }

    /** The end of the stream, or its reset. */
    private static boolean isEnded(SocketChannel channel) {
        try {
            return read(channel, 1).isEmpty();
        } catch (IOException e) {
            return true;
        }
    }

    /** A program connects and the guest takes it. */
    private GuestStream accept(Guest guest, SocketChannel program, int window) throws Exception {
        Packet request = guest.next();
        assertEquals(Header.OP_REQUEST, request.op());
        GuestStream stream = guest.stream(request.srcPort(), request.dstPort(), window);
        stream.take(request);
        stream.send(Header.OP_RESPONSE, 0);
        assertEquals("OK " + Integer.toUnsignedString(request.srcPort()), readLine(program));
        return stream;
    }

    @ParameterizedTest
    @ValueSource(longs = {SPLIT, SPLIT | Features.EVENT_IDX, SPLIT | Features.RING_PACKED | Features.EVENT_IDX})
    void guestReachesAProgram(long features) throws Exception {
        try (Guest guest = new Guest(path(), features | VsockDevice.F_STREAM, 4, 8, 256);
                ServerSocketChannel server = listen(PORT)) {
            assertEquals(Guest.CID, guest.device.config().get(0, 8));
            GuestStream stream = guest.connect(PORT, GUEST_PORT, 1000);
            assertTrue(stream.open);
            assertThat(stream.credit()).isEqualTo(256 << 10);
            SocketChannel program = server.accept();
            stream.write("to the host".getBytes(StandardCharsets.UTF_8), 100, 10, 36);
            assertEquals("to the host", read(program, 11));
            write(program, "to the guest");
            while (stream.received.size() < 12) guest.pump();
            assertEquals("to the guest", stream.text());
            program.close();
            while (stream.hostShut != Header.SHUTDOWN_BOTH) guest.pump();
            stream.send(Header.OP_RST, 0);
            assertFalse(guest.connect(PORT + 1, GUEST_PORT, 10).open, "nobody listens there");
        }
    }

    @Test
    void programReachesTheGuest() throws Exception {
        try (Guest guest = guest();
                SocketChannel program = connect(path(), "CONNECT 52\n");
                SocketChannel other = connect(path(), "connect 4294967294\nhello")) {
            GuestStream stream = accept(guest, program, 1000);
            assertEquals(52, stream.guestPort);
            assertThat(Integer.toUnsignedLong(stream.hostPort)).isGreaterThanOrEqualTo(1L << 30);
            write(program, "question");
            while (stream.received.size() < 8) guest.pump();
            stream.write("answer".getBytes(StandardCharsets.UTF_8), 6);
            assertEquals("answer", read(program, 6));
            assertEquals("question", stream.text());
        }
        // The second asked in another order than it was heard, perhaps; by itself:
        try (Guest guest = guest();
                SocketChannel program = connect(path(), "connect 4294967294\nhello")) {
            GuestStream stream = accept(guest, program, 1000);
            assertEquals(-2, stream.guestPort);
            while (stream.received.size() < 5) guest.pump();
            assertEquals("hello", stream.text(), "what was sent before the answer");
        }
    }

    @Test
    void programThatNobodyListensForIsHungUpOn() throws Exception {
        try (Guest guest = guest();
                SocketChannel program = connect(path(), "CONNECT 52\n")) {
            Packet request = guest.next();
            guest.stream(request.srcPort(), request.dstPort(), 10).send(Header.OP_RST, 0);
            assertTrue(isEnded(program));
            for (String line : List.of(
                    "CONNECT\n",
                    "CONNECT x\n",
                    "GET / HTTP/1.0\n",
                    "CONNECT 4294967295\n",
                    "CONNECT 99999999999\n",
                    "C".repeat(100))) {
                try (SocketChannel rude = connect(path(), line)) {
                    assertTrue(isEnded(rude), line);
                }
            }
        }
    }

    /** Nothing else happens that would make the device look again. */
    @Test
    void programThatCouldNotBeAcceptedIsAcceptedLater() throws Exception {
        try (Guest guest = guest()) {
            EventLoop loop = guest.device.loop();
            CompletableFuture<FaultPoints.Plan> armed = new CompletableFuture<>();
            loop.exclusive(() -> loop.again(_ -> armed.complete(FaultPoints.failAll("accept4", Errno.EMFILE))));
            try (FaultPoints.Plan shortage = armed.get();
                    SocketChannel program = connect(path(), "CONNECT " + GUEST_PORT + "\n")) {
                while (!shortage.fired()) Thread.onSpinWait();
                shortage.close();
                accept(guest, program, 1000);
            }
        }
    }

    /** They hold every place there is; one has said a part of what it should. */
    @Test
    void programsThatSayNothingDoNotKeepOthersOut() throws Exception {
        try (Guest guest = new Guest(path(), SPLIT, 4, 8, 256, 300_000_000L)) {
            List<SocketChannel> silent = new ArrayList<>();
            for (int i = 0; i < 9; i++) silent.add(connect(path(), i == 0 ? "CONNECT 7" : ""));
            try (SocketChannel program = connect(path(), "CONNECT " + GUEST_PORT + "\n")) {
                accept(guest, program, 1000);
                for (SocketChannel each : silent) assertTrue(isEnded(each));
                write(program, "still here");
                assertEquals("still here", new String(guest.next().data(), StandardCharsets.UTF_8));
            }
            for (SocketChannel each : silent) each.close();
        }
    }

    @Test
    void programThatGivesUpWaitingIsForgotten() throws Exception {
        try (Guest guest = guest()) {
            SocketChannel program = connect(path(), "CONNECT 52\n");
            Packet request = guest.next();
            program.close();
            Packet reset = guest.next();
            assertEquals(Header.OP_RST, reset.op());
            assertEquals(request.srcPort(), reset.srcPort());
            guest.stream(request.srcPort(), request.dstPort(), 10).send(Header.OP_RESPONSE, 0);
            assertEquals(Header.OP_RST, guest.next().op(), "unknown by now");
        }
    }

    @Test
    void eachDirectionEndsByItself() throws Exception {
        try (Guest guest = guest();
                ServerSocketChannel server = listen(PORT)) {
            GuestStream stream = guest.connect(PORT, GUEST_PORT, 1000);
            SocketChannel program = server.accept();
            write(program, "last words");
            program.shutdownOutput();
            while (stream.hostShut == 0) guest.pump();
            assertEquals(Header.SHUTDOWN_SEND, stream.hostShut);
            assertEquals("last words", stream.text());
            stream.write("still here".getBytes(StandardCharsets.UTF_8), 100);
            assertEquals("still here", read(program, 10));
            stream.send(Header.OP_SHUTDOWN, Header.SHUTDOWN_SEND);
            assertTrue(isEnded(program));
            stream.send(Header.OP_SHUTDOWN, Header.SHUTDOWN_RECEIVE);
            while (!stream.reset) guest.pump();

            GuestStream second = guest.connect(PORT, GUEST_PORT, 1000);
            SocketChannel reader = server.accept();
            second.write("abc".getBytes(StandardCharsets.UTF_8), 100);
            second.send(Header.OP_SHUTDOWN, Header.SHUTDOWN_SEND);
            assertEquals("abc", read(reader, 10), "three bytes, and the end");
            write(reader, "answer after the end");
            while (second.received.size() < 20) guest.pump();
            assertEquals("answer after the end", second.text());
            second.send(Header.OP_SHUTDOWN, Header.SHUTDOWN_BOTH);
            while (!second.reset) guest.pump();
            assertTrue(isEnded(reader));
        }
    }

    @Test
    void guestThatDoesNotReceiveStopsTheProgram() throws Exception {
        try (Guest guest = guest();
                ServerSocketChannel server = listen(PORT)) {
            GuestStream stream = guest.connect(PORT, GUEST_PORT, 1000);
            SocketChannel program = server.accept();
            stream.send(Header.OP_SHUTDOWN, Header.SHUTDOWN_RECEIVE);
            assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> write(program, "x")))
                    .isInstanceOf(IOException.class);
            stream.write("y".getBytes(StandardCharsets.UTF_8), 1);
            assertEquals("y", read(program, 1));
            program.close();
            while (stream.hostShut != Header.SHUTDOWN_BOTH) guest.pump();
        }
    }

    @Test
    void deviceSendsNoMoreThanTheGuestHasRoomFor() throws Exception {
        try (Guest guest = guest();
                ServerSocketChannel server = listen(PORT)) {
            GuestStream stream = guest.connect(PORT, GUEST_PORT, 1000);
            stream.consumes = false;
            SocketChannel program = server.accept();
            write(program, "x".repeat(2500));
            program.close();
            for (int window = 1; window <= 2; window++) {
                while (stream.creditRequests < window) guest.pump();
                assertEquals(1000 * window, stream.received.size(), "exactly the window");
                assertEquals(0, stream.hostShut, "there is more to read");
                stream.send(Header.OP_CREDIT_UPDATE, 0); // nothing new: no answer
                stream.consume();
            }
            while (stream.hostShut != Header.SHUTDOWN_BOTH) guest.pump();
            assertEquals(2500, stream.received.size());
        }
    }

    @Test
    void guestMayFillItsWindowAndNotAByteMore() throws Exception {
        try (Guest guest = guest();
                ServerSocketChannel server = listen(PORT)) {
            byte[] piece = new byte[32 << 10];
            for (boolean oneMore : new boolean[] {false, true}) {
                GuestStream stream = guest.connect(PORT, GUEST_PORT, 1000);
                SocketChannel program = server.accept();
                int window = stream.credit(), sent = 0;
                while (stream.credit() > 0) {
                    int size = Math.min(piece.length, stream.credit());
                    stream.sendData(java.util.Arrays.copyOf(piece, size));
                    sent += size;
                    stream.send(Header.OP_CREDIT_REQUEST, 0); // what the socket took is room again
                    guest.fence();
                }
                assertThat(sent - stream.peerForwarded())
                        .as("kept for the program")
                        .isEqualTo(window);
                if (oneMore) {
                    stream.sendData(new byte[1]);
                    while (!stream.reset) guest.pump();
                } else {
                    assertEquals(sent, read(program, sent).length());
                    while (stream.peerForwarded() != sent) {
                        stream.send(Header.OP_CREDIT_REQUEST, 0);
                        guest.fence();
                    }
                    assertEquals(window, stream.credit());
                    program.close();
                    while (stream.hostShut != Header.SHUTDOWN_BOTH) guest.pump();
                    stream.send(Header.OP_SHUTDOWN, Header.SHUTDOWN_BOTH);
                    while (!stream.reset) guest.pump();
                }
            }
        }
    }

    @Test
    void whatIsWrittenBeforeTheEndArrives() throws Exception {
        try (Guest guest = guest();
                ServerSocketChannel server = listen(PORT)) {
            GuestStream stream = guest.connect(PORT, GUEST_PORT, 1000);
            SocketChannel program = server.accept();
            byte[] all = new byte[500_000];
            new Random(1).nextBytes(all);
            CompletableFuture<byte[]> slow = CompletableFuture.supplyAsync(() -> readAll(program));
            stream.write(all, 60_000);
            stream.send(Header.OP_SHUTDOWN, Header.SHUTDOWN_BOTH); // with a backlog, mostly
            while (!stream.reset) guest.pump();
            assertArrayEquals(all, slow.get());
        }
    }

    static byte[] readAll(SocketChannel channel) {
        java.io.ByteArrayOutputStream all = new java.io.ByteArrayOutputStream();
        ByteBuffer buffer = ByteBuffer.allocate(10_000);
        try {
            while (channel.read(buffer.clear()) >= 0) all.write(buffer.array(), 0, buffer.position());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return all.toByteArray();
    }

    @Test
    void programThatDiesWithABacklogEndsTheGuestsSending() throws Exception {
        try (Guest guest = guest();
                ServerSocketChannel server = listen(PORT)) {
            GuestStream stream = guest.connect(PORT, GUEST_PORT, 1000);
            SocketChannel program = server.accept();
            byte[] piece = new byte[60_000];
            int sent = 0;
            for (; sent < 400_000 && stream.credit() >= piece.length; sent += piece.length) {
                stream.sendData(piece);
                stream.send(Header.OP_CREDIT_REQUEST, 0);
                while (guest.pump().op() != Header.OP_CREDIT_UPDATE) {}
            }
            program.close();
            while (stream.hostShut != Header.SHUTDOWN_BOTH) guest.pump();
            assertEquals(sent, stream.peerForwarded(), "dropped, and accounted for");
        }
    }

    @Test
    void connectionsAreBoundedAndNobodyIsLostByIt() throws Exception {
        int limit = 40;
        try (Guest guest = new Guest(path(), SPLIT, limit, 100, 4096);
                ServerSocketChannel server = listen(PORT)) {
            List<GuestStream> streams = new ArrayList<>();
            List<SocketChannel> programs = new ArrayList<>();
            for (int i = 0; i < limit; i++) {
                streams.add(guest.connect(PORT, i, 10_000));
                programs.add(server.accept());
            }
            assertTrue(guest.connect(PORT, limit, 1000).reset, "one too many");
            SocketChannel late = connect(path(), "CONNECT 9\n");
            for (int i = 0; i < limit; i++) write(programs.get(i), "number " + i);
            for (GuestStream stream : streams) {
                while (stream.received.size() < 8 + (stream.guestPort > 9 ? 1 : 0)) guest.pump();
                assertEquals("number " + stream.guestPort, stream.text());
            }
            streams.getFirst().send(Header.OP_RST, 0);
            assertTrue(isEnded(programs.getFirst()));
            accept(guest, late, 100);
            programs.get(1).close(); // shut, and the guest does not say the last word
            while (streams.get(1).hostShut != Header.SHUTDOWN_BOTH) guest.pump();
            assertTrue(guest.connect(PORT, limit + 1, 1000).open, "in its place");
            assertTrue(streams.get(1).reset);
        }
    }

    @Test
    void repliesWaitForBuffersAndPacketsForReplies() throws Exception {
        try (Guest guest = new Guest(path(), SPLIT, 4, 0, 0)) {
            int offered = 0;
            for (; offered < 128; offered++) guest.send(stray(offered));
            for (; offered < 160; offered++) guest.offer(stray(160));
            guest.driver.kick(TX);
            guest.addBuffers(4, 64);
            for (int i = 0; i < 160; i++) {
                Packet reset = guest.next();
                assertEquals(Header.OP_RST, reset.op());
                if (i < 128) assertEquals(i, reset.dstPort());
            }
            for (int i = 128; i < 160; i++) guest.driver.await(TX);
            assertThat(guest.driver.reasons()).isEmpty();
        }
    }

    private static Packet stray(int guestPort) {
        return new Packet(Guest.CID, 2, guestPort, 5, 0, 1, Header.OP_RW, 0, 0, 0, new byte[0]);
    }

    @Test
    void p37_resetWhileTrafficFlowsLeavesNothingBehind() throws Exception {
        try (DriverMemory memory = new DriverMemory();
                VsockDevice device = new VsockDevice("vsock", VsockOptions.parse(path().toString()));
                ServerSocketChannel server = listen(PORT)) {
            long before = descriptors();
            for (int round = 0; round < 10; round++) {
                try (TestDriver driver = TestDriver.start(device, memory, SPLIT, 64)) {
                    long buffers = memory.allocate(4096 * 4, 4096);
                    for (int i = 0; i < 4; i++)
                        driver.queue(RX).offer(List.of(new Buffer(buffers + 4096L * i, 4096, true)));
                    driver.kick(RX);
                    driver.queue(TX)
                            .offer(
                                    new Packet(
                                                    Guest.CID,
                                                    2,
                                                    9,
                                                    PORT,
                                                    0,
                                                    1,
                                                    Header.OP_REQUEST,
                                                    0,
                                                    1 << 20,
                                                    0,
                                                    new byte[0])
                                            .header(),
                                    0);
                    driver.kick(TX);
                    SocketChannel program = server.accept();
                    CompletableFuture<Void> traffic = CompletableFuture.runAsync(() -> writeForEver(program));
                    driver.await(RX);
                    driver.await(RX); // data flows; buffers run out, or not
                    driver.reset();
                    traffic.get(); // its socket has ended
                }
            }
            assertThat(descriptors()).isLessThanOrEqualTo(before + 13); // the ends of the programs, the loop
        }
    }

    private static long descriptors() throws IOException {
        try (var list = java.nio.file.Files.list(Path.of("/proc/self/fd"))) {
            return list.count();
        }
    }

    private static void writeForEver(SocketChannel channel) {
        try {
            for (; ; ) channel.write(ByteBuffer.allocate(3000));
        } catch (IOException e) {
            // The device has hung up.
        }
    }

    @Test
    void pausedQueuesGoOnWhereTheyWere() throws Exception {
        try (Guest guest = guest();
                ServerSocketChannel server = listen(PORT)) {
            GuestStream stream = guest.connect(PORT, GUEST_PORT, 1 << 20);
            SocketChannel program = server.accept();
            CompletableFuture<Void> traffic = CompletableFuture.runAsync(() -> {
                try {
                    for (int i = 0; i < 300; i++) write(program, "0123456789".repeat(100));
                    program.close();
                } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            for (int i = 0; i < 20; i++) {
                for (int queue = 0; queue < 3; queue++) guest.driver.stopQueue(queue);
                for (int queue = 0; queue < 3; queue++) guest.driver.startQueue(queue);
                guest.pump();
            }
            while (stream.hostShut != Header.SHUTDOWN_BOTH) guest.pump();
            traffic.get();
            assertEquals("0123456789".repeat(30_000), stream.text());
        }
    }

    @Test
    void transportResetIsToldOnceAndListenersStay() throws Exception {
        try (Guest guest = guest();
                ServerSocketChannel server = listen(PORT)) {
            guest.connect(PORT, GUEST_PORT, 1000);
            SocketChannel program = server.accept();
            guest.device.transportReset();
            assertTrue(isEnded(program));
            assertArrayEquals(new byte[4], guest.driver.request(EVENT, new byte[0], 4));
            assertTrue(guest.connect(PORT, GUEST_PORT, 1000).open);
        }
    }
}
