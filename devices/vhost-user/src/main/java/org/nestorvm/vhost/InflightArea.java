package org.nestorvm.vhost;

import java.io.IOException;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.vhost.Payloads.Inflight;
import org.nestorvm.virtio.queue.Virtqueue;

/**
 * The buffer of "Inflight I/O tracking": a region for each queue, in memory that the front end keeps while back ends
 * come and go.
 */
final class InflightArea {
    private static final int ALIGNMENT = 64, PAGE = 4096;

    private final SharedArea area;
    private final Inflight description;

    /** @param descriptor the area's from now on, even when this fails */
    InflightArea(int descriptor, Inflight description) throws IOException {
        area = new SharedArea("in-flight area", descriptor, description.offset(), description.sizeBytes(), ALIGNMENT);
        this.description = description;
        if (description.sizeBytes() >= bytes(description)) return;
        area.release();
        throw new ProtocolException("in-flight area: " + description.sizeBytes() + " bytes are too few for "
                + description.queues() + " queues of " + description.queueSize() + " entries");
    }

    private static long queueBytes(int queueSize) {
        return Virtqueue.inflightBytes(queueSize) + ALIGNMENT - 1 & -ALIGNMENT;
    }

    private static long bytes(Inflight description) {
        return queueBytes(description.queueSize()) * description.queues();
    }

    /** For as many queues of this size, all zero. Held by the caller. */
    static MemoryObject create(int queues, int queueSize) throws IOException {
        return MemoryObject.create("inflight", objectBytes(queues, queueSize));
    }

    static long objectBytes(int queues, int queueSize) {
        return queueBytes(queueSize) * queues + PAGE - 1 & -PAGE;
    }

    /** Where a queue's requests are recorded. */
    long queue(int index, int queueSize) throws ProtocolException {
        if (index >= description.queues() || queueSize > description.queueSize()) {
            throw new ProtocolException(
                    "queue " + index + " of " + queueSize + " entries has no place in the in-flight area for "
                            + description.queues() + " queues of " + description.queueSize());
        }
        return area.hostAddress() + index * queueBytes(description.queueSize());
    }

    void release() throws IOException {
        area.release();
    }
}
