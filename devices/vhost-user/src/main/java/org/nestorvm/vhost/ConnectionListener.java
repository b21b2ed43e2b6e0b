package org.nestorvm.vhost;

/**
 * Hears what becomes of a front end's connection; the guest hears nothing of it. Called on the front end's threads, and
 * under its lock: not the place to call it, or to wait.
 */
public interface ConnectionListener {
    /**
     * The back end is gone while the device is in use or ready for it; another one will be looked for. @param why one
     * line
     */
    default void disconnected(String why) {}

    /** There is another one, and it goes on where the former was. */
    default void reconnected() {}

    /** There is none to be had: the guest sees a device that needs a reset, and at that another connection is tried. */
    default void gaveUp(String why) {}
}
