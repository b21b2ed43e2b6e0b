package org.nestorvm.virtio;

/** Feature bits that belong to no device: virtio 1.2, section 6. */
public final class Features {
    public static final long INDIRECT_DESC = 1L << 28;
    public static final long EVENT_IDX = 1L << 29;
    /** vhost-user's: the back end speaks of protocol features. Never offered to a guest. */
    public static final long VHOST_PROTOCOL = 1L << 30;

    public static final long VERSION_1 = 1L << 32;
    public static final long RING_PACKED = 1L << 34;
    public static final long RING_RESET = 1L << 40;

    /** What every device of ours offers, since the queues do it. */
    public static final long QUEUE = INDIRECT_DESC | EVENT_IDX | VERSION_1 | RING_PACKED;

    private Features() {}
}
