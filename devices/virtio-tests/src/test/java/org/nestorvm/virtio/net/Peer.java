package org.nestorvm.virtio.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;

/**
 * The other end of a back end's socket: a stream of frames with their lengths, or messages that are packets with their
 * headers. Used by one thread at a time.
 */
final class Peer implements AutoCloseable {
    private static final int PATIENCE_MS = 30_000, BUFFER_BYTES = 1 << 18;

    private final int socket;
    private final boolean stream;
    private final Arena arena = Arena.ofShared();
    private final long buffer = arena.allocate(BUFFER_BYTES, 8).address();
    private byte[] pending = new byte[0];
    private boolean open = true;

    Peer(int socket, boolean stream) {
        this.socket = socket;
        this.stream = stream;
    }

    /** Sends one frame of a stream, or one message. */
    void send(byte[] packet) throws IOException {
        sendRaw(
                stream
                        ? ByteBuffer.allocate(4 + packet.length)
                                .putInt(packet.length)
                                .put(packet)
                                .array()
                        : packet);
    }

    void sendRaw(byte[] bytes) throws IOException {
        for (int at = 0; at < bytes.length; ) {
            int piece = Math.min(bytes.length - at, BUFFER_BYTES);
            HostMemory.copyIn(bytes, at, buffer, piece);
            at += (int) Descriptors.write("peer", socket, buffer, piece);
        }
    }

    /** Waits for the next one. */
    byte[] receive() {
        if (!stream) return read();
        fillTo(4);
        int length = ByteBuffer.wrap(pending).getInt();
        fillTo(4 + length);
        byte[] frame = java.util.Arrays.copyOfRange(pending, 4, 4 + length);
        pending = java.util.Arrays.copyOfRange(pending, 4 + length, pending.length);
        return frame;
    }

    private void fillTo(int length) {
        while (pending.length < length) {
            byte[] more = read();
            assertTrue(more.length > 0, "the connection has ended");
            pending = Packets.join(pending, more);
        }
    }

    private byte[] read() {
        assertTrue(Events.tryPoll(socket, Events.POLLIN, PATIENCE_MS) > 0, "nothing comes");
        long read = Descriptors.tryRead(socket, buffer, BUFFER_BYTES);
        assertTrue(read >= 0, () -> Errno.describe((int) -read));
        byte[] bytes = new byte[(int) read];
        HostMemory.copyOut(buffer, bytes, 0, bytes.length);
        return bytes;
    }

    boolean isSilent() {
        return pending.length == 0 && Events.tryPoll(socket, Events.POLLIN, 0) == 0;
    }

    void awaitEnd() {
        assertEquals(0, read().length, "not the end");
    }

    @Override
    public void close() {
        if (!open) return;
        open = false;
        Descriptors.close(socket);
        arena.close();
    }
}
