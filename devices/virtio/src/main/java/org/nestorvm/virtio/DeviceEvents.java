package org.nestorvm.virtio;

/** What a device tells its transport. Called on the device's threads; never waits for one of them. */
public interface DeviceEvents {
    /** There are used buffers that the driver wants to hear of. */
    void interrupt(int queue);

    /** The configuration space has changed. */
    void configChanged();

    /**
     * The driver broke the protocol: DEVICE_NEEDS_RESET, virtio 1.2, 2.1.2. The device does nothing more until it is
     * reset. @param why one line
     */
    void needsReset(String why);

    /**
     * A device in another process signals this eventfd instead of {@link #interrupt}: who can have it delivered without
     * a thread of this process answers true.
     *
     * @return false when the caller must wait for the eventfd and call {@link #interrupt} itself
     */
    default boolean connectInterrupt(int queue, int eventfd) {
        return false;
    }

    /** The eventfd of {@link #connectInterrupt} is about to be closed. */
    default void disconnectInterrupt(int queue, int eventfd) {}
}
