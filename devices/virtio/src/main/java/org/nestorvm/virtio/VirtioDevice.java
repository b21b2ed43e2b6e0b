package org.nestorvm.virtio;

import java.io.IOException;

/**
 * A virtio device as its transport sees it (virtio 1.2, section 2), be it in this process or at the other end of a
 * vhost-user socket.
 *
 * <p>Life: {@link #activate}, then {@link #startQueue} for each queue that the driver has enabled; {@link #stopQueue}
 * for each and {@link #deactivate} at a reset; and again. To pause is to stop the queues and start them again where
 * they were. A transport makes these calls one at a time. {@link #close} ends it in any state.
 */
public interface VirtioDevice extends AutoCloseable {
    /** The device's number in section 5 of the specification. */
    int type();

    /** For people: {@code disk0}. */
    String name();

    /** All that is offered. */
    long features();

    int queueCount();

    /** @return the most entries the queue can have: a power of two, at most 32768 */
    int maxQueueSize(int queue);

    ConfigSpace config();

    /**
     * The driver has set DRIVER_OK. @throws IOException when the device cannot start; the guest sees a device that
     * needs a reset
     */
    void activate(DeviceSession session) throws IOException;

    /** Begins to serve a queue. What is wrong with where it lies is told to {@link DeviceEvents#needsReset}. */
    void startQueue(QueueSetup setup) throws IOException;

    /**
     * When this returns no thread of the device touches the queue or buffers that came from it; what was taken from it
     * is completed.
     *
     * @return the position to go on from; as it was started when it did not run
     */
    int stopQueue(int queue);

    void deactivate();

    /**
     * The driver has notified a queue that was set up without an eventfd: the device serves it on the caller's thread.
     */
    void notified(int queue);

    @Override
    void close();
}
