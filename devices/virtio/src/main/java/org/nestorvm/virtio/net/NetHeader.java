package org.nestorvm.virtio.net;

/**
 * struct virtio_net_hdr, in front of every packet: virtio 1.2, 5.1.6. Little endian, {@link #BYTES} long. The host's
 * kernel has the same for tap interfaces.
 */
public final class NetHeader {
    public static final int BYTES = 12;
    static final int FLAGS = 0,
            GSO_TYPE = 1,
            HDR_LEN = 2,
            GSO_SIZE = 4,
            CSUM_START = 6,
            CSUM_OFFSET = 8,
            NUM_BUFFERS = 10;
    static final int F_NEEDS_CSUM = 1, F_DATA_VALID = 2;
    static final int GSO_NONE = 0, GSO_TCPV4 = 1, GSO_TCPV6 = 4, GSO_ECN = 0x80;

    private NetHeader() {}
}
