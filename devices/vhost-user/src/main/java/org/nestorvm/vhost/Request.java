package org.nestorvm.vhost;

/**
 * What a front end asks, {@code VHOST_USER_*}, with what a message of each kind looks like. Requests for what this back
 * end does not offer (IOTLB, postcopy, crypto, in-band notifications, device state, ...) are not listed: they are
 * answered like unknown ones.
 */
enum Request {
    GET_FEATURES(1, 0, 0, 0, 0, true),
    SET_FEATURES(2, 8, 8, 0, 0, false),
    SET_OWNER(3, 0, 0, 0, 0, false),
    RESET_OWNER(4, 0, 0, 0, 0, false),
    SET_MEM_TABLE(5, 8, 8 + 8 * 32, 0, 8, false),
    SET_LOG_BASE(6, 16, 16, 1, 1, true),
    SET_LOG_FD(7, 0, 8, 0, 1, false),
    SET_VRING_NUM(8, 8, 8, 0, 0, false),
    SET_VRING_ADDR(9, 40, 40, 0, 0, false),
    SET_VRING_BASE(10, 8, 8, 0, 0, false),
    GET_VRING_BASE(11, 8, 8, 0, 0, true),
    SET_VRING_KICK(12, 8, 8, 0, 1, false),
    SET_VRING_CALL(13, 8, 8, 0, 1, false),
    SET_VRING_ERR(14, 8, 8, 0, 1, false),
    GET_PROTOCOL_FEATURES(15, 0, 0, 0, 0, true),
    SET_PROTOCOL_FEATURES(16, 8, 8, 0, 0, false),
    GET_QUEUE_NUM(17, 0, 0, 0, 0, true),
    SET_VRING_ENABLE(18, 8, 8, 0, 0, false),
    SET_BACKEND_REQ_FD(21, 0, 8, 1, 1, false),
    GET_CONFIG(24, 12, 12 + 256, 0, 0, true),
    SET_CONFIG(25, 12, 12 + 256, 0, 0, false),
    GET_INFLIGHT_FD(31, 20, 24, 0, 0, true),
    SET_INFLIGHT_FD(32, 20, 24, 1, 1, false),
    RESET_DEVICE(34, 0, 0, 0, 0, false),
    GET_MAX_MEM_SLOTS(36, 0, 0, 0, 0, true),
    ADD_MEM_REG(37, 40, 40, 1, 1, false),
    /** With a descriptor from front ends of an earlier day. */
    REM_MEM_REG(38, 40, 40, 0, 1, false),
    SET_STATUS(39, 8, 8, 0, 0, false),
    GET_STATUS(40, 0, 0, 0, 0, true);

    /** Of a request that is not known, and so not understood. */
    static final int UNKNOWN_LIMIT_BYTES = 4096;
    /** Of any message, in either direction. */
    static final int DESCRIPTOR_LIMIT = 8;

    private static final Request[] BY_ID = new Request[41];

    static {
        for (Request request : values()) BY_ID[request.id] = request;
    }

    final int id, minBytes, maxBytes, minDescriptors, maxDescriptors;
    /** There is an answer of its own, whether or not one is asked for. */
    final boolean answered;

    Request(int id, int minBytes, int maxBytes, int minDescriptors, int maxDescriptors, boolean answered) {
        this.id = id;
        this.minBytes = minBytes;
        this.maxBytes = maxBytes;
        this.minDescriptors = minDescriptors;
        this.maxDescriptors = maxDescriptors;
        this.answered = answered;
    }

    /** Null when there is none of this number. */
    static Request of(int id) {
        return id >= 0 && id < BY_ID.length ? BY_ID[id] : null;
    }

    static int limitBytes(int id) {
        Request request = of(id);
        return request == null ? UNKNOWN_LIMIT_BYTES : request.maxBytes;
    }

    static String name(int id) {
        Request request = of(id);
        return request == null ? "request " + id : request.name();
    }

    void check(Message message) throws ProtocolException {
        int bytes = message.payload().length, descriptors = message.descriptorCount();
        if (bytes < minBytes || bytes > maxBytes)
            throw new ProtocolException(name() + " has " + range(minBytes, maxBytes, "byte") + ", not " + bytes);
        if (descriptors < minDescriptors || descriptors > maxDescriptors) {
            throw new ProtocolException(name() + " comes with " + range(minDescriptors, maxDescriptors, "descriptor")
                    + ", not " + descriptors);
        }
    }

    private static String range(int low, int high, String unit) {
        return (low == high ? "" + low : low + " to " + high) + ' ' + unit + (high == 1 ? "" : "s");
    }
}
