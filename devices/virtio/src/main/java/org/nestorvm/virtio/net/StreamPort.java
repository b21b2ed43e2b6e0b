package org.nestorvm.virtio.net;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.LimitedLog;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Frames over a stream socket, each after its length in four bytes, big endian: what QEMU's {@code -netdev stream} and
 * passt speak.
 *
 * <p>Out: many frames in one call, from the driver's memory. When the socket takes a part of them the rest of the
 * packet that was cut is copied and sent later, and the driver's queue waits, since TCP suffers less from a wait than
 * from a loss; after {@link #STALL_NS} what comes is dropped, until the peer reads again. In: the socket is read in
 * large pieces, and frames are copied from there, for where one ends is known only when its length has been read. It is
 * read on while the driver has no buffers, as far as about one TCP window: passt drops what its socket does not take,
 * and then sends all of a window again.
 */
final class StreamPort implements NetPort {
    /** How a connection comes back. Called on the loop. */
    interface Connector {
        default void start(EventLoop loop, StreamPort port) throws IOException {}

        default void lost() {}

        /**
         * Whether there will be another connection at once after one that was lost, so that the driver need not know of
         * it.
         */
        default boolean keepsLink() {
            return false;
        }

        default void close() {}
    }

    private static final Logger LOG = LoggerFactory.getLogger(StreamPort.class);
    /** What QEMU takes: its NET_BUFSIZE. */
    static final int MAX_FRAME_BYTES = 4096 + 65536;

    static final long STALL_NS = 500_000_000;
    private static final int LENGTH_BYTES = 4, STAGING_BYTES = 4 << 20, SOCKET_BYTES = 1 << 20;
    private static final int MAX_SEGMENTS = SoftwareOffload.MAX_FRAME_BYTES / SoftwareOffload.MIN_SEGMENT_BYTES + 1;
    private static final int FULL_FRAMES = 256, MAX_FRAMES = FULL_FRAMES + MAX_SEGMENTS, MAX_PACKETS = 128;
    /** One packet of the driver's, in as many segments as it can be. */
    private static final int REST_BYTES =
            SoftwareOffload.SCRATCH_BYTES + SoftwareOffload.MAX_FRAME_BYTES + LENGTH_BYTES * MAX_SEGMENTS;

    @SuppressWarnings("unused") // keeps the memory
    private final Arena arena = Arena.ofAuto();

    private final long staging = arena.allocate(STAGING_BYTES, Long.BYTES).address();
    private final long lengths =
            arena.allocate((long) LENGTH_BYTES * MAX_FRAMES, Integer.BYTES).address();
    private final long rest = arena.allocate(REST_BYTES, Long.BYTES).address();
    private final LimitedLog log = new LimitedLog(LOG);
    private final String name;
    private final Connector connector;
    private final long stallNs;
    private final IoVector out = new IoVector(256);
    private final long[] packetEnds = new long[MAX_PACKETS];
    private final int stallTimer;
    private EventLoop loop;
    private Listener listener;
    private volatile int socket = -1;
    private int stagingStart, stagingEnd, frames, packets, restStart, restEnd;
    private boolean listening, blocked, stalled, closed;

    /** @param socket connected, and the port's from now on, or -1 */
    StreamPort(String name, int socket, Connector connector, long stallNs) throws IOException {
        this.name = name;
        this.connector = connector;
        this.stallNs = stallNs;
        stallTimer = Events.timerfd(name);
        try {
            if (socket >= 0) prepare(socket);
        } catch (IOException e) {
            Descriptors.close(stallTimer);
            throw e;
        }
        this.socket = socket;
    }

    private void prepare(int newSocket) throws IOException {
        Descriptors.nonBlocking(name, newSocket, true);
        Sockets.buffers(name, newSocket, SOCKET_BYTES);
    }

    @Override
    public void start(EventLoop newLoop, Listener newListener) throws IOException {
        synchronized (this) { // replace may come before
            loop = newLoop;
            listener = newListener;
            loop.add(stallTimer, Events.EPOLLIN, _ -> stall());
            if (socket >= 0) loop.add(socket, wanted(), this::ready);
        }
        connector.start(loop, this);
    }

    /** There is a connection again. @param newSocket the port's from now on, also when this fails */
    void connect(int newSocket) throws IOException {
        open(newSocket);
        log.info("{}: connected", name);
        listener.linkChanged(true);
    }

    private void open(int newSocket) throws IOException {
        try {
            prepare(newSocket);
            if (loop != null) loop.add(newSocket, wanted(), this::ready);
        } catch (IOException e) {
            Descriptors.close(newSocket);
            throw e;
        }
        socket = newSocket;
    }

    /** Ends the connection; nobody is told. What the driver sends before {@link #replace} is lost. From any thread. */
    void detach() {
        exclusive(() -> {
            if (drop()) listener.writable();
        });
    }

    /**
     * A connection in place of the one that is gone. From any thread. @param newSocket the port's from now on, also
     * when this fails
     */
    void replace(int newSocket) throws IOException {
        IOException[] failure = new IOException[1];
        exclusive(() -> {
            try {
                if (closed) Descriptors.close(newSocket);
                else open(newSocket);
            } catch (IOException e) {
                failure[0] = e;
            }
        });
        if (failure[0] != null) throw failure[0];
    }

    /** There will be no other connection. From any thread. */
    void giveUp() {
        exclusive(() -> {
            if (!closed && listener != null) listener.linkChanged(false);
        });
    }

    private void exclusive(Runnable action) {
        synchronized (this) {
            if (loop == null) {
                action.run();
                return;
            }
        }
        loop.exclusive(action);
    }

    private void disconnect(String why) {
        boolean waited = drop();
        if (connector.keepsLink()) {
            LOG.debug("{}: {}", name, why);
        } else {
            log.warn("{}: {}; the link is down", name, why);
            listener.linkChanged(false);
        }
        if (waited) listener.writable();
        connector.lost();
    }

    /**
     * Forgets the connection, with what has come or gone in part. @return whether something waited for it to take more
     */
    private boolean drop() {
        if (socket < 0) return false;
        if (loop != null) loop.remove(socket);
        Descriptors.close(socket);
        socket = -1;
        stagingStart = stagingEnd = 0;
        boolean waited = blocked;
        unblock();
        return waited;
    }

    private int wanted() {
        return (listening || hasRoom() ? Events.EPOLLIN : 0) | (blocked ? Events.EPOLLOUT : 0);
    }

    /** Whether to read on for a driver that takes nothing now. */
    private boolean hasRoom() {
        return stagingEnd < STAGING_BYTES || stagingStart >= STAGING_BYTES / 2;
    }

    private void want() {
        if (socket < 0 || loop == null) return;
        try {
            loop.change(socket, wanted());
        } catch (IOException e) {
            throw new IllegalStateException(name, e);
        }
    }

    private void ready(int events) {
        if (socket >= 0 && blocked && (events & Events.EPOLLOUT) != 0) sendRest();
        boolean readable = (events & Events.EPOLLIN) != 0;
        if (readable && listening) {
            listener.readable();
        } else if (readable && socket >= 0 && hasRoom()) {
            fill();
            if (!hasRoom()) want();
        } else if (socket >= 0 && (events & (Events.EPOLLERR | Events.EPOLLHUP)) != 0) {
            disconnect("the peer has closed the connection");
        }
    }

    @Override
    public boolean isUp() {
        return socket >= 0 || connector.keepsLink();
    }

    @Override
    public void listen(boolean on) {
        if (on == listening) return;
        listening = on;
        want();
    }

    @Override
    public long receive(IoVector into) {
        for (; ; ) {
            int available = stagingEnd - stagingStart;
            if (available >= LENGTH_BYTES) {
                int frameBytes = frameBytes();
                if (Integer.compareUnsigned(frameBytes, MAX_FRAME_BYTES) > 0) {
                    disconnect("the peer announces a frame of " + Integer.toUnsignedLong(frameBytes)
                            + " bytes, more than " + MAX_FRAME_BYTES);
                    return -Errno.EAGAIN;
                }
                if (available >= LENGTH_BYTES + frameBytes) {
                    if (frameBytes >= SoftwareOffload.ETHERNET_BYTES) return take(into, frameBytes);
                    discard(); // too short to be one
                    continue;
                }
            }
            if (!fill()) return -Errno.EAGAIN;
        }
    }

    private int frameBytes() {
        return Integer.reverseBytes(HostMemory.getInt(staging + stagingStart));
    }

    private long take(IoVector into, int frameBytes) {
        long total = NetHeader.BYTES + frameBytes;
        if (total > into.totalBytes()) return total;
        into.copyIn(NetHeader.BYTES, staging + stagingStart + LENGTH_BYTES, frameBytes);
        stagingStart += LENGTH_BYTES + frameBytes;
        return total;
    }

    /**
     * Reads as much as there is room for, which is more than one frame when there is not a whole one yet. @return false
     * when nothing came
     */
    private boolean fill() {
        if (socket < 0) return false;
        if (stagingStart == stagingEnd) {
            stagingStart = stagingEnd = 0;
        } else if (stagingStart >= STAGING_BYTES / 2) {
            HostMemory.copy(staging + stagingStart, staging, stagingEnd - stagingStart);
            stagingEnd -= stagingStart;
            stagingStart = 0;
        }
        long read;
        do {
            read = Descriptors.tryRead(socket, staging + stagingEnd, STAGING_BYTES - stagingEnd);
        } while (read == -Errno.EINTR);
        if (read == -Errno.EAGAIN) return false;
        if (read <= 0)
            disconnect(read == 0 ? "the peer has closed the connection" : "read: " + Errno.describe((int) -read));
        else stagingEnd += (int) read;
        return read > 0;
    }

    @Override
    public boolean hasBuffered() {
        int available = stagingEnd - stagingStart;
        return available >= LENGTH_BYTES && Integer.compareUnsigned(frameBytes(), available - LENGTH_BYTES) <= 0;
    }

    @Override
    public void discard() {
        stagingStart += LENGTH_BYTES + frameBytes();
    }

    @Override
    public int put(IoVector frame) {
        if (socket < 0) return -Errno.ENOTCONN;
        if (blocked) return -Errno.EAGAIN;
        long length = lengths + (long) LENGTH_BYTES * frames++;
        HostMemory.putInt(length, Integer.reverseBytes((int) frame.totalBytes()));
        out.add(length, LENGTH_BYTES).add(frame, 0, frame.totalBytes());
        return 0;
    }

    @Override
    public void endPacket() {
        packetEnds[packets++] = out.totalBytes();
    }

    @Override
    public boolean isFull() {
        return packets == MAX_PACKETS || frames >= FULL_FRAMES;
    }

    @Override
    public int flush() {
        int ended = packets;
        long total = out.totalBytes();
        int error = total == 0 ? 0 : write();
        int taken = error == 0 ? ended : settle(total - out.totalBytes(), ended);
        out.clear();
        packets = frames = 0;
        if (error == 0) return taken;
        if (error != Errno.EAGAIN) {
            disconnect("write: " + Errno.describe(error));
            return ended;
        }
        blocked = true;
        Events.trySetTimer(stallTimer, stallNs);
        want();
        return taken;
    }

    /** Sends from the front of what is to go out. @return 0 when all is gone, or an errno */
    private int write() {
        while (!out.isEmpty()) {
            long written = Descriptors.tryWritev(socket, out.address(), Math.min(out.count(), IoVector.KERNEL_LIMIT));
            if (written >= 0) out.skip(written);
            else if (written != -Errno.EINTR) return (int) -written;
        }
        return 0;
    }

    /** Keeps the end of the packet that was sent in part. @return packets that are gone, or kept */
    private int settle(long sent, int ended) {
        int whole = 0;
        while (whole < ended && packetEnds[whole] <= sent) whole++;
        long begin = whole == 0 ? 0 : packetEnds[whole - 1];
        restStart = restEnd = 0;
        if (whole == ended || sent == begin) return whole;
        restEnd = (int) (packetEnds[whole] - sent);
        out.copyOut(0, rest, restEnd);
        return whole + 1;
    }

    private void sendRest() {
        while (restStart < restEnd) {
            long written = Descriptors.tryWrite(socket, rest + restStart, restEnd - restStart);
            if (written == -Errno.EAGAIN) return;
            if (written < 0 && written != -Errno.EINTR) {
                disconnect("write: " + Errno.describe((int) -written));
                return;
            }
            if (written > 0) restStart += (int) written;
        }
        unblock();
        want();
        listener.writable();
    }

    private void unblock() {
        restStart = restEnd = 0;
        blocked = stalled = false;
        Events.trySetTimer(stallTimer, 0);
    }

    private void stall() {
        Events.tryDrain(stallTimer);
        if (!blocked) return;
        LOG.debug("{}: the peer does not read; packets are dropped", name);
        stalled = true;
        listener.writable();
    }

    @Override
    public boolean isBlocked() {
        return blocked && !stalled;
    }

    @Override
    public void close() {
        connector.close();
        exclusive(() -> {
            drop();
            closed = true;
        });
        if (loop != null) loop.remove(stallTimer);
        Descriptors.close(stallTimer);
    }

    /** Another descriptor of the socket, which must be connected. */
    int duplicate() throws IOException {
        return Descriptors.duplicate(name, socket);
    }
}
