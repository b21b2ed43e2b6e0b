package org.nestorvm.vhost;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.nestorvm.memory.sys.Descriptors;

/**
 * One message: a header of request, flags and size, a payload, and descriptors, which are closed with the message
 * unless somebody takes them.
 */
final class Message implements AutoCloseable {
    static final int HEADER_BYTES = 12;
    static final int VERSION = 1, VERSION_MASK = 3, REPLY = 1 << 2, NEED_REPLY = 1 << 3;
    private static final int TAKEN = -1;

    private final int request, flags;
    private final byte[] payload;
    private final int[] descriptors;

    /** @param descriptors belong to the message from now on */
    Message(int request, int flags, byte[] payload, int... descriptors) {
        this.request = request;
        this.flags = flags;
        this.payload = payload;
        this.descriptors = descriptors;
    }

    static ByteBuffer buffer(int sizeBytes) {
        return ByteBuffer.allocate(sizeBytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    int request() {
        return request;
    }

    boolean isReply() {
        return (flags & REPLY) != 0;
    }

    boolean needsReply() {
        return (flags & NEED_REPLY) != 0;
    }

    byte[] payload() {
        return payload;
    }

    ByteBuffer fields() {
        return ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The first eight bytes. */
    long u64() {
        return fields().getLong(0);
    }

    static byte[] u64(long value) {
        return buffer(Long.BYTES).putLong(value).array();
    }

    int descriptorCount() {
        return descriptors.length;
    }

    /** Hands a descriptor over. */
    int take(int index) {
        int descriptor = descriptors[index];
        if (descriptor == TAKEN)
            throw new IllegalStateException("descriptor " + index + " of " + this + " was taken already");
        descriptors[index] = TAKEN;
        return descriptor;
    }

    @Override
    public void close() {
        for (int i = 0; i < descriptors.length; i++) {
            if (descriptors[i] != TAKEN) Descriptors.close(take(i));
        }
    }

    @Override
    public String toString() {
        return Request.name(request) + (isReply() ? " (reply)" : "");
    }
}
