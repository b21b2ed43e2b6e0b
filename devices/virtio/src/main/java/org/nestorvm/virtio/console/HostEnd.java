package org.nestorvm.virtio.console;

import org.nestorvm.memory.sys.IoVector;

/** The host's end of a port. Nothing here waits; called on the device's loop. */
interface HostEnd {
    boolean isConnected();

    /**
     * Takes bytes from the guest, the first ones. @return how many; 0 when there is no room now. All of them, if nobody
     * is connected.
     */
    long take(IoVector from);

    /** Has bytes for the guest. @return how many have been put in; 0 when there are none now */
    long give(IoVector to);

    /** What to wait for, before the port is told. */
    void watch(boolean input, boolean output);

    /** The guest has closed the port, and everything that it wrote has been taken. */
    default void guestClosed() {}

    /** Nobody calls any of these any more. */
    void close();
}
