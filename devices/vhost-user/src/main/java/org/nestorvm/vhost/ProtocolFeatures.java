package org.nestorvm.vhost;

import java.util.StringJoiner;

/**
 * The bits {@code VHOST_USER_PROTOCOL_F_*} that Nestor speaks of, and two device features that mean something to vhost
 * only.
 */
final class ProtocolFeatures {
    static final long MQ = 1L << 0,
            LOG_SHMFD = 1L << 1,
            REPLY_ACK = 1L << 3,
            BACKEND_REQ = 1L << 5,
            CONFIG = 1L << 9,
            INFLIGHT_SHMFD = 1L << 12,
            RESET_DEVICE = 1L << 13,
            CONFIGURE_MEM_SLOTS = 1L << 15,
            STATUS = 1L << 16;

    /** {@code VHOST_F_LOG_ALL}, {@code VIRTIO_F_ACCESS_PLATFORM}. */
    static final long LOG_ALL = 1L << 26, ACCESS_PLATFORM = 1L << 33;

    private static final String[] NAMES = {
        "MQ",
        "LOG_SHMFD",
        "RARP",
        "REPLY_ACK",
        "MTU",
        "BACKEND_REQ",
        "CROSS_ENDIAN",
        "CRYPTO_SESSION",
        "PAGEFAULT",
        "CONFIG",
        "BACKEND_SEND_FD",
        "HOST_NOTIFIER",
        "INFLIGHT_SHMFD",
        "RESET_DEVICE",
        "INBAND_NOTIFICATIONS",
        "CONFIGURE_MEM_SLOTS",
        "STATUS"
    };

    private ProtocolFeatures() {}

    static String names(long features) {
        StringJoiner names = new StringJoiner(" ");
        for (int bit = 0; bit < Long.SIZE; bit++) {
            if ((features >>> bit & 1) != 0) names.add(bit < NAMES.length ? NAMES[bit] : "bit " + bit);
        }
        return names.toString();
    }
}
