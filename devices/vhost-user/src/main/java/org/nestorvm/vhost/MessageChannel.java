package org.nestorvm.vhost;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import org.nestorvm.memory.DescriptorChannel;

/**
 * Messages on a stream socket. Believes nothing that comes: sizes are bounded before anything is allocated, and who has
 * begun a message must end it soon.
 */
final class MessageChannel implements Closeable {
    /** For all the rest of a message that has begun, and for a peer to take what is sent. */
    private static final int PATIENCE_MS = 10_000;

    private static final long NS_PER_MS = 1_000_000;

    private final DescriptorChannel channel;

    MessageChannel(DescriptorChannel channel) {
        this.channel = channel;
    }

    /** For who waits for its events; the channel's. */
    int descriptor() {
        return channel.descriptor();
    }

    /** @param descriptors stay the caller's */
    void send(int request, int flags, byte[] payload, int... descriptors) throws IOException {
        if (!channel.awaitRoom(PATIENCE_MS)) throw new ProtocolException(channel + ": the peer does not read");
        ByteBuffer message = Message.buffer(Message.HEADER_BYTES + payload.length);
        message.putInt(request)
                .putInt(Message.VERSION | flags)
                .putInt(payload.length)
                .put(payload);
        channel.send(message.array(), descriptors);
    }

    /** {@link #send}, unless it would have to wait. @return whether it was sent */
    boolean trySend(int request, int flags, byte[] payload) throws IOException {
        if (!channel.awaitRoom(0)) return false;
        send(request, flags, payload);
        return true;
    }

    /**
     * @param timeoutMs for the beginning of a message; negative for ever. The rest must come within
     *     {@value #PATIENCE_MS} ms
     * @param limitBytes of the payload, by request
     * @return null when the peer has closed
     * @throws ProtocolException when it sends what is no message, or nothing in time
     */
    Message receive(int timeoutMs, IntUnaryOperator limitBytes) throws IOException {
        return receive(timeoutMs, PATIENCE_MS, limitBytes);
    }

    /** @param restMs for the rest of a message that has begun, however it is cut in pieces */
    Message receive(int timeoutMs, int restMs, IntUnaryOperator limitBytes) throws IOException {
        if (!channel.awaitMessage(timeoutMs))
            throw new ProtocolException(channel + ": no answer within " + timeoutMs + " ms");
        try (DescriptorChannel.Message first = channel.receiveSome(Message.HEADER_BYTES, Request.DESCRIPTOR_LIMIT)) {
            if (first == null) return null;
            long deadlineNs = System.nanoTime() + restMs * NS_PER_MS;
            byte[] header = Arrays.copyOf(first.bytes(), Message.HEADER_BYTES);
            fill(header, first.bytes().length, deadlineNs);
            ByteBuffer fields = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
            int request = fields.getInt(), flags = fields.getInt();
            byte[] payload = new byte[payloadBytes(request, flags, fields.getInt(), limitBytes)];
            fill(payload, 0, deadlineNs);
            int[] descriptors = new int[first.descriptorCount()];
            for (int i = 0; i < descriptors.length; i++) descriptors[i] = first.take(i);
            return new Message(request, flags, payload, descriptors);
        }
    }

    private int payloadBytes(int request, int flags, int sizeBytes, IntUnaryOperator limitBytes)
            throws ProtocolException {
        if ((flags & Message.VERSION_MASK) != Message.VERSION) {
            throw new ProtocolException(channel + ": " + Request.name(request) + " of version "
                    + (flags & Message.VERSION_MASK) + " of the protocol; there is only 1");
        }
        int limit = limitBytes.applyAsInt(request);
        if (sizeBytes < 0 || sizeBytes > limit) {
            throw new ProtocolException(channel + ": " + Request.name(request) + " with a payload of "
                    + Integer.toUnsignedString(sizeBytes) + " bytes; at most " + limit + " make sense");
        }
        return sizeBytes;
    }

    /** The rest of a part, without descriptors: these come with the first byte. */
    private void fill(byte[] part, int from, long deadlineNs) throws IOException {
        for (int at = from; at < part.length; ) {
            if (!channel.awaitMessage((int) Math.max(0, (deadlineNs - System.nanoTime()) / NS_PER_MS)))
                throw new ProtocolException(channel + ": half a message");
            try (DescriptorChannel.Message more = channel.receiveSome(part.length - at, 0)) {
                if (more == null) throw new ProtocolException(channel + ": the peer closed in the middle of a message");
                System.arraycopy(more.bytes(), 0, part, at, more.bytes().length);
                at += more.bytes().length;
            }
        }
    }

    /** Ends the connection; whoever waits for a message hears of it. */
    void end() {
        channel.end();
    }

    @Override
    public void close() {
        channel.close();
    }

    @Override
    public String toString() {
        return channel.toString();
    }
}
