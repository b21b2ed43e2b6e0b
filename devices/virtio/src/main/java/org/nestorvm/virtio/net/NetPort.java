package org.nestorvm.virtio.net;

import java.io.IOException;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.EventLoop;

/**
 * One way in and out of a back end: what a pair of queues is connected to. Everything but {@link #close} happens on the
 * pair's loop, one call at a time; nothing blocks.
 *
 * <p>Packets always have place for a {@link NetHeader} in front. A port with {@link NetBackend#hasHeader} passes it on
 * and sends whole packets; one without takes finished frames, and leaves the header of what it receives alone.
 */
public interface NetPort extends AutoCloseable {
    /** What a port tells its device, on the loop. */
    interface Listener {
        /** There may be packets. */
        void readable();

        /** A port that was blocked is so no more. */
        void writable();

        void linkChanged(boolean up);
    }

    /** Connects the port with a loop, once. Nothing is told before {@link #listen}, but for changes of the link. */
    void start(EventLoop loop, Listener listener) throws IOException;

    boolean isUp();

    /** Whether {@link Listener#readable} is wanted. */
    void listen(boolean on);

    /**
     * Takes the next packet.
     *
     * @return its bytes with the header's; when that is more than the vector has, the packet stays the next one, and
     *     what the vector points to is undefined. -EAGAIN when there is none.
     */
    long receive(IoVector into);

    /** Whether a packet has been read from the host already, so that no {@link Listener#readable} need come for it. */
    boolean hasBuffered();

    /** Drops the packet that {@link #receive} could not place. */
    void discard();

    /**
     * Sends one packet, or one frame of it, not before {@link #flush} perhaps. The memory stays until then. @return 0,
     * or a negated errno when it is lost
     */
    int put(IoVector packet);

    /** Ends what belongs to one packet of the driver. */
    void endPacket();

    /** Whether a {@link #flush} is due. */
    boolean isFull();

    /**
     * @return how many of the packets ended since the last flush are on their way. The others were not sent at all, and
     *     the port is blocked.
     */
    int flush();

    /** Nothing can be sent until {@link Listener#writable}. */
    boolean isBlocked();

    /** The pair takes part, or not, with drivers that can use several (5.1.6.5.6). */
    default void activate(boolean on) throws IOException {}

    /** From any thread, when no queue runs and before the loop ends. */
    @Override
    void close();
}
