package org.nestorvm.virtio.net;

import java.util.concurrent.atomic.AtomicLongArray;

/** What has gone through one pair of queues. Written by the pair's loop, read by anybody. */
public final class NetCounters {
    /** Received is what the guest receives. */
    public enum Kind {
        RECEIVED_PACKETS,
        RECEIVED_BYTES,
        /** Frames for which the guest's buffers were too small. */
        RECEIVE_DROPPED,
        /** Frames that the driver has said it does not want. */
        RECEIVE_FILTERED,
        SENT_PACKETS,
        SENT_BYTES,
        /** Packets that the host did not take: no link, or nobody who reads. */
        SEND_DROPPED,
        /** Packets of the guest's that are too short or too long, or whose header makes no sense. */
        SEND_MALFORMED
    }

    private final AtomicLongArray counts = new AtomicLongArray(Kind.values().length);

    void add(Kind kind, long amount) {
        counts.setOpaque(kind.ordinal(), counts.getPlain(kind.ordinal()) + amount);
    }

    public long get(Kind kind) {
        return counts.getOpaque(kind.ordinal());
    }
}
