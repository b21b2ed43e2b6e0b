package org.nestorvm.virtio.vsock;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.virtio.Features;

/** Transfers with any cutting of packets and buffers, and guests that break every rule of the protocol. */
class VsockHostileTest {
    private static final int PORT = 1234, GUEST_PORT = 700;
    private static final byte[] NONE = {};

    @Property(tries = 25)
    void everyByteArrivesInItsOrder(
            @ForAll long seed,
            @ForAll @IntRange(min = 45, max = 9000) int rxBytes,
            @ForAll @IntRange(min = 1, max = 40) int rxBuffers,
            @ForAll @IntRange(min = 1, max = 200_000) int window,
            @ForAll @IntRange(min = 1, max = 65536) int mostSent,
            @ForAll boolean packed)
            throws Exception {
        Random random = new Random(seed);
        byte[] toHost = bytes(random), toGuest = bytes(random);
        // Few bytes where each would be a packet.
        int scale = Math.min(window, Math.min(mostSent, (rxBytes - 44) * rxBuffers));
        if (scale < 500) {
            toHost = java.util.Arrays.copyOf(toHost, Math.min(toHost.length, 2000));
            toGuest = java.util.Arrays.copyOf(toGuest, Math.min(toGuest.length, 2000));
        }
        Path directory = Files.createTempDirectory("vsock");
        Path path = directory.resolve("v");
        long features = Features.VERSION_1
                | (packed ? Features.RING_PACKED : 0)
                | (random.nextBoolean() ? Features.EVENT_IDX : 0);
        try (Guest guest = new Guest(path, features, 4, rxBuffers, rxBytes);
                ServerSocketChannel server = VsockDeviceTest.listen(path, PORT)) {
            GuestStream stream = guest.connect(PORT, GUEST_PORT, window);
            SocketChannel program = server.accept();
            byte[] out = toGuest;
            CompletableFuture<Void> writer = CompletableFuture.runAsync(() -> writeInPieces(program, out, seed));
            CompletableFuture<byte[]> reader = CompletableFuture.supplyAsync(() -> VsockDeviceTest.readAll(program));
            stream.write(toHost, mostSent, 1 + random.nextInt(100), random.nextInt(3000), random.nextInt(3000));
            stream.send(Header.OP_SHUTDOWN, Header.SHUTDOWN_SEND);
            while ((stream.hostShut & Header.SHUTDOWN_SEND) == 0) guest.pump();
            writer.get();
            assertArrayEquals(toHost, reader.get());
            assertArrayEquals(toGuest, stream.received.toByteArray());
            assertThat(guest.driver.reasons()).isEmpty();
        } finally {
            Files.deleteIfExists(Path.of(path + "_" + PORT));
            Files.delete(directory);
        }
    }

    private static byte[] bytes(Random random) {
        byte[] bytes = new byte[random.nextInt(600_000)];
        random.nextBytes(bytes);
        return bytes;
    }

    private static void writeInPieces(SocketChannel channel, byte[] bytes, long seed) {
        Random random = new Random(seed);
        try {
            for (int at = 0; at < bytes.length; )
                at += channel.write(
                        ByteBuffer.wrap(bytes, at, Math.min(1 + random.nextInt(100_000), bytes.length - at)));
            channel.shutdownOutput();
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void whatIsWrongEndsInRst(@TempDir Path directory) throws Exception {
        Path path = directory.resolve("v");
        try (Guest guest = new Guest(path, Features.VERSION_1, 8, 32, 4096);
                ServerSocketChannel server = VsockDeviceTest.listen(path, PORT)) {
            Packet[] strays = {
                packet(3, 2, 1, Header.OP_RESPONSE, 0, 0),
                packet(3, 2, 1, Header.OP_SHUTDOWN, 3, 0),
                packet(3, 2, 1, 0, 0, 0),
                packet(3, 2, 1, 77, 0, 0),
                packet(3, 2, 2, Header.OP_REQUEST, 0, 0),
                packet(3, 2, 0, Header.OP_REQUEST, 0, 0),
                packet(4, 2, 1, Header.OP_REQUEST, 0, 0),
                packet(3, 5, 1, Header.OP_REQUEST, 0, 0),
                packet(3 | 1L << 32, 2, 1, Header.OP_REQUEST, 0, 0),
                packet(3, 2, 1, Header.OP_REQUEST, 0, 1)
            };
            for (Packet stray : strays) {
                guest.send(stray);
                Packet reset = guest.next();
                assertEquals(Header.OP_RST, reset.op(), stray.toString());
                assertEquals(stray.type(), reset.type());
                assertEquals(stray.dstCid(), reset.srcCid());
                assertEquals(stray.srcPort(), reset.dstPort());
            }
            guest.send(packet(3, 2, 1, Header.OP_RST, 0, 0)); // no answer to RST: the next is that of a connection
            Packet[] wrong = {
                packet(3, 2, 1, Header.OP_REQUEST, 0, 0),
                packet(3, 2, 1, Header.OP_RESPONSE, 0, 0),
                packet(3, 2, 1, 0, 0, 0),
                packet(3, 2, 1, 8, 0, 0),
                packet(3, 2, 2, Header.OP_RW, 0, 0),
                packet(3, 2, 1, Header.OP_RW, 0, 1),
                packet(3, 2, 1, Header.OP_RW, 0, -1),
                new Packet(3, 2, GUEST_PORT, PORT, 0, 1, Header.OP_CREDIT_UPDATE, 0, 100, 1, NONE)
            }; // more forwarded than was sent
            for (Packet packet : wrong) {
                GuestStream stream = guest.connect(PORT, GUEST_PORT, 1000);
                assertTrue(stream.open);
                SocketChannel program = server.accept();
                guest.send(packet);
                while (!stream.reset) guest.pump();
                assertEquals("", VsockDeviceTest.read(program, 1), packet.toString());
            }
            guest.driver.queue(VsockDevice.TX).offer(new byte[43], 0);
            guest.driver.kick(VsockDevice.TX);
            guest.driver.await(VsockDevice.TX);
            assertTrue(guest.connect(PORT, GUEST_PORT, 1000).open);
            assertThat(guest.driver.reasons()).isEmpty();
        }
    }

    private static Packet packet(long srcCid, long dstCid, int type, int op, int flags, int length) {
        return new Packet(srcCid, dstCid, GUEST_PORT, PORT, length, type, op, flags, 1000, 0, NONE);
    }

    @Test
    void receiveBufferWithoutRoomAsksForAReset(@TempDir Path directory) throws Exception {
        try (Guest guest = new Guest(directory.resolve("v"), Features.VERSION_1, 4, 1, 44)) {
            guest.send(packet(3, 2, 1, Header.OP_RW, 0, 0));
            assertThat(guest.driver.awaitNeedsReset()).contains("rx buffer of 44 bytes");
        }
    }

    @Property(tries = 15)
    void noPacketsHarmTheDevice(@ForAll long seed) throws Exception {
        Random random = new Random(seed);
        Path directory = Files.createTempDirectory("vsock");
        Path path = directory.resolve("v");
        try (Guest guest = new Guest(path, Features.VERSION_1, 6, 16, 200);
                ServerSocketChannel server = VsockDeviceTest.listen(path, PORT)) {
            Thread programs = Thread.ofPlatform().daemon().start(() -> serve(server));
            for (int i = 0; i < 400; i++) {
                guest.send(random(random), random.nextInt(50), random.nextInt(50));
                while (guest.driver.queue(VsockDevice.RX).take() != null) guest.addBuffers(1, 200);
            }
            guest.device.transportReset();
            guest.send(new Packet(3, 2, 99, 99, 0, 1, Header.OP_RW, 0, 0, 0, NONE));
            while (guest.driver.queue(VsockDevice.RX).take() == null) guest.driver.awaitInterrupt(VsockDevice.RX);
            assertThat(guest.driver.reasons()).isEmpty();
            server.close();
            programs.join();
        } finally {
            Files.deleteIfExists(Path.of(path + "_" + PORT));
            Files.delete(directory);
        }
    }

    /** Programs that write, read a little and go. */
    private static void serve(ServerSocketChannel server) {
        try {
            for (; ; ) {
                try (SocketChannel program = server.accept()) {
                    program.configureBlocking(false);
                    program.write(ByteBuffer.allocate(5000));
                    program.read(ByteBuffer.allocate(100));
                }
            }
        } catch (java.io.IOException e) {
            // Closed.
        }
    }

    private static Packet random(Random random) {
        byte[] data = new byte[random.nextInt(4) == 0 ? random.nextInt(3000) : 0];
        boolean fair = random.nextInt(8) != 0;
        return new Packet(
                fair ? 3 : random.nextLong(),
                fair ? 2 : random.nextLong(),
                random.nextInt(3),
                PORT + (random.nextInt(6) == 0 ? 1 : 0),
                random.nextInt(8) == 0 ? random.nextInt() : data.length,
                random.nextInt(10) == 0 ? random.nextInt(4) : 1,
                random.nextInt(9),
                random.nextInt(5),
                random.nextInt(3) == 0 ? random.nextInt() : 10_000,
                random.nextInt(4) == 0 ? random.nextInt(9000) : 0,
                data);
    }
}
