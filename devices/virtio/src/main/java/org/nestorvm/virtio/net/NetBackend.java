package org.nestorvm.virtio.net;

import java.io.IOException;

/**
 * The host's side of a network device. Opened, and so known to work, before a device is made with it; belongs to the
 * device from then on.
 */
public interface NetBackend extends AutoCloseable {
    /** For people: {@code tap tap0}. */
    String name();

    int pairs();

    NetPort port(int pair);

    /**
     * Whether packets go in and out with a {@link NetHeader}; otherwise they are plain frames, and what the driver
     * leaves to us is done in software.
     */
    boolean hasHeader();

    /** A driver has come, with these features, or a reset: 0. For ports with headers: how packets may come in. */
    default void negotiated(long features) throws IOException {}

    /** Ports are closed first. */
    @Override
    void close();
}
