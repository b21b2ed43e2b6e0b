package org.nestorvm.virtio.net;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.EventLoop;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A descriptor that keeps the borders of packets and has the {@link NetHeader} in front of each: a tap interface, or
 * one end of a pair of message sockets. Bytes go between it and the guest's memory without a copy, one call of the
 * kernel for each packet; what the driver leaves to us the other side does.
 */
class MessagePort implements NetPort {
    private static final Logger LOG = LoggerFactory.getLogger(MessagePort.class);
    /** The longest that comes in. */
    static final int MAX_BYTES = NetHeader.BYTES + SoftwareOffload.MAX_FRAME_BYTES;

    @SuppressWarnings("unused") // keeps the memory
    private final Arena arena = Arena.ofAuto();
    /** A packet that did not fit into the guest's buffers, and behind it where the end of it is read to. */
    private final long held = arena.allocate(2L * MAX_BYTES, Long.BYTES).address(), overflow = held + MAX_BYTES;

    private final String name;
    final int descriptor;
    private EventLoop loop;
    private Listener listener;
    private long heldBytes;
    private int ended;
    private boolean listening, up = true;
    private volatile boolean added;

    /** @param descriptor the port's from now on; set to non-blocking */
    MessagePort(String name, int descriptor) throws IOException {
        this.name = name;
        this.descriptor = descriptor;
        Descriptors.nonBlocking(name, descriptor, true);
    }

    @Override
    public final void start(EventLoop newLoop, Listener newListener) throws IOException {
        loop = newLoop;
        listener = newListener;
        watch(true);
    }

    /** Without it the descriptor is not looked at at all. */
    final void watch(boolean on) throws IOException {
        if (on && !added) loop.add(descriptor, listening ? Events.EPOLLIN : 0, this::ready);
        if (!on && added) loop.remove(descriptor);
        added = on;
    }

    final EventLoop loop() {
        return loop;
    }

    private void ready(int events) {
        if ((events & Events.EPOLLIN) != 0) listener.readable();
        else if ((events & (Events.EPOLLERR | Events.EPOLLHUP)) != 0) fail("the other side is gone");
    }

    private void fail(String why) {
        if (!up) return;
        LOG.warn("{}: {}; the link is down", name, why);
        up = false;
        if (added) loop.remove(descriptor);
        added = false;
        listener.linkChanged(false);
    }

    @Override
    public final boolean isUp() {
        return up;
    }

    @Override
    public final void listen(boolean on) {
        if (on == listening) return;
        listening = on;
        if (!added) return;
        try {
            loop.change(descriptor, on ? Events.EPOLLIN : 0);
        } catch (IOException e) {
            throw new IllegalStateException(name, e);
        }
    }

    @Override
    public final long receive(IoVector into) {
        long capacity = into.totalBytes();
        if (heldBytes > 0) return takeHeld(into, capacity);
        if (!up) return -Errno.EAGAIN;
        into.add(overflow, MAX_BYTES);
        long read;
        do {
            read = Descriptors.tryReadv(descriptor, into.address(), into.count());
        } while (read == -Errno.EINTR);
        into.truncate(capacity);
        if (read > capacity) hold(into, capacity, read);
        else if (read <= 0 && read != -Errno.EAGAIN)
            fail(read == 0 ? "the other side is gone" : "read: " + Errno.describe((int) -read));
        return read <= 0 ? -Errno.EAGAIN : read;
    }

    private void hold(IoVector from, long capacity, long read) {
        from.copyOut(0, held, capacity);
        HostMemory.copy(overflow, held + capacity, Math.min(read, MAX_BYTES) - Math.min(capacity, MAX_BYTES));
        heldBytes = read;
    }

    private long takeHeld(IoVector into, long capacity) {
        long bytes = heldBytes;
        if (bytes > capacity) return bytes;
        into.copyIn(0, held, bytes);
        heldBytes = 0;
        return bytes;
    }

    @Override
    public final boolean hasBuffered() {
        return heldBytes > 0;
    }

    @Override
    public final void discard() {
        heldBytes = 0;
    }

    /**
     * An interface that is down, a full queue or a header that the kernel does not believe: the packet is lost, as on a
     * wire.
     */
    @Override
    public final int put(IoVector packet) {
        long written;
        do {
            written = Descriptors.tryWritev(
                    descriptor, packet.address(), Math.min(packet.count(), IoVector.KERNEL_LIMIT));
        } while (written == -Errno.EINTR);
        return written < 0 ? (int) written : 0;
    }

    @Override
    public final void endPacket() {
        ended++;
    }

    @Override
    public final boolean isFull() {
        return false;
    }

    @Override
    public final int flush() {
        int packets = ended;
        ended = 0;
        return packets;
    }

    @Override
    public final boolean isBlocked() {
        return false;
    }

    @Override
    public final void close() {
        if (added) loop.remove(descriptor);
        Descriptors.close(descriptor);
    }
}
