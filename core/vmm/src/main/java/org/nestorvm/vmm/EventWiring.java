package org.nestorvm.vmm;

import java.io.IOException;

/**
 * What an engine may offer beside {@link EngineVm}, and a transport asks for with {@code instanceof}: eventfds
 * connected to the guest by the host's kernel, so that neither a driver's notification nor a device's interrupt needs a
 * thread of the monitor. Without it the transport signals and waits itself. All methods may be called from any thread.
 */
public interface EventWiring {
    /**
     * A guest's write that signals an eventfd and does nothing else.
     *
     * @param port whether {@code address} is a port or guest-physical
     * @param sizeBytes of the access: 1, 2, 4 or 8, or 0 for any
     * @param value the only value that signals, or null for every value
     */
    record Doorbell(boolean port, long address, int sizeBytes, Long value) {}

    /** @throws IOException when another doorbell is at this place already, or the host has no room for more */
    void connect(Doorbell doorbell, int eventfd) throws IOException;

    void disconnect(Doorbell doorbell, int eventfd) throws IOException;

    /** Makes a route for an interrupt message (SDM vol. 3A, 11.11). @return its number */
    int addMessage(long address, int data) throws IOException;

    /** The guest has programmed another message. */
    void changeMessage(int route, long address, int data) throws IOException;

    /** After {@link #disconnectInterrupt}. */
    void removeMessage(int route) throws IOException;

    /** From now on a signal of the eventfd sends the route's message. */
    void connectInterrupt(int eventfd, int route) throws IOException;

    void disconnectInterrupt(int eventfd, int route) throws IOException;
}
