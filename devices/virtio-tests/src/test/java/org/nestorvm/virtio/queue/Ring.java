package org.nestorvm.virtio.queue;

import org.nestorvm.virtio.Features;

/** The kinds of rings that every test of queues is run with; a packed one need not have a power of two of entries. */
public enum Ring {
    SPLIT(8, Features.VERSION_1),
    SPLIT_EVENT(8, Features.VERSION_1 | Features.EVENT_IDX),
    PACKED(7, Features.VERSION_1 | Features.RING_PACKED),
    PACKED_EVENT(7, Features.VERSION_1 | Features.RING_PACKED | Features.EVENT_IDX);

    final int size;
    final long features;

    Ring(int size, long features) {
        this.size = size;
        this.features = features | Features.INDIRECT_DESC;
    }

    public long features() {
        return features;
    }

    boolean isPacked() {
        return this == PACKED || this == PACKED_EVENT;
    }

    boolean hasEventIndex() {
        return this == SPLIT_EVENT || this == PACKED_EVENT;
    }
}
