package org.nestorvm.virtio.vsock;

import java.io.IOException;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.queue.QueueViolation;

/**
 * One stream between a port of the guest and a program of the host: virtio 1.2, 5.10.6.6, with the flow control of
 * 5.10.6.3. Bytes go from the guest's buffers to the socket and back without a copy, except what the program does not
 * take at once ({@link Backlog}). All on the device's loop.
 *
 * <p>Each direction ends by itself. The program's end (read gives 0) becomes SHUTDOWN with SEND, the guest's becomes
 * shutdown(2) once all is written. Who has shut both is answered with RST.
 */
final class Connection {
    enum State {
        /** The program waits for a listener of the guest to answer REQUEST. */
        REQUESTED,
        OPEN,
        /** Shut towards the guest in both directions, its RST is to come; no socket. */
        CLOSING,
        /** RST is to be sent; no socket. */
        DEAD,
        GONE
    }

    /** What waits to be sent, in this order; RST stands alone. */
    private static final int REQUEST = 1, RESPONSE = 2, CREDIT_UPDATE = 4, CREDIT_REQUEST = 8, SHUTDOWN = 16, RST = 32;

    private static final int ABSENT = -1;
    /** Bytes from one socket before others get their turn. */
    private static final long TURN = 64 << 10;
    /** Of a guest's window no more is used, so that counters are compared as signed differences. */
    private static final long LARGEST_WINDOW = 1 << 30;

    final int hostPort, guestPort;
    /** In the table. */
    Connection next;
    /** Waits in the device's list for a receive buffer. */
    boolean queued;

    private final VsockDevice device;
    private final int window;
    private final Backlog backlog;
    private State state;
    private int socket;
    private int interest = ABSENT;
    private int pending;
    private boolean readable, starved;
    private boolean guestSends = true, guestReceives = true, hostSends = true, hostReceives = true;
    private int received, forwarded, toldForwarded; // rx_cnt, fwd_cnt
    private int sent, peerForwarded, peerWindow; // tx_cnt, peer_fwd_cnt, peer_buf_alloc

    /** @param window bytes the guest may send before some have gone on, buf_alloc */
    Connection(VsockDevice device, int hostPort, int guestPort, int socket, int window, State state) {
        this.device = device;
        this.hostPort = hostPort;
        this.guestPort = guestPort;
        this.socket = socket;
        this.window = window;
        this.state = state;
        backlog = new Backlog(device.pool);
    }

    State state() {
        return state;
    }

    int window() {
        return window;
    }

    /** The program has asked for a port of the guest. */
    void request() {
        send(REQUEST);
        watch();
    }

    /** The guest has asked for a port of the host, and a program has answered. */
    void respond(Header header) {
        if (peer(header)) send(RESPONSE);
        else reset();
        watch();
    }

    private void send(int what) {
        if (state == State.DEAD && what != RST) return;
        pending |= what;
        device.enqueue(this);
    }

    /** A packet of the guest. */
    void packet(Header header, IoVector payload) {
        if (state == State.DEAD) return; // RST is on its way
        if (header.op == Header.OP_RST) {
            end();
            return;
        }
        if (!peer(header)) {
            reset();
            return;
        }
        switch (header.op) {
            case Header.OP_RESPONSE -> established();
            case Header.OP_SHUTDOWN -> guestShuts(header.flags);
            case Header.OP_RW -> data(payload);
            case Header.OP_CREDIT_REQUEST -> send(CREDIT_UPDATE);
            case Header.OP_CREDIT_UPDATE -> {}
            default -> reset(); // REQUEST for what exists, or no operation at all
        }
        watch();
    }

    /** Takes over what every packet tells. @return false when the guest says that it has more than was sent */
    private boolean peer(Header header) {
        int more = header.fwdCnt - peerForwarded;
        if (more > sent - peerForwarded) return false;
        if (more >= 0) { // else a packet that another one has overtaken in the guest
            peerForwarded = header.fwdCnt;
            peerWindow = header.bufAlloc;
        }
        if (starved && credit() > 0) {
            starved = false;
            readable = hostSends && guestReceives;
            device.enqueue(this);
        }
        return true;
    }

    private long credit() {
        return Math.min(peerWindow & 0xffffffffL, LARGEST_WINDOW) - (sent - peerForwarded);
    }

    private void established() {
        if (state != State.REQUESTED) {
            reset();
            return;
        }
        state = State.OPEN;
        if (!device.greet(socket, hostPort)) reset();
    }

    private void data(IoVector payload) {
        long bytes = payload.totalBytes();
        if (state == State.CLOSING) return; // sent before our SHUTDOWN arrived
        if (state != State.OPEN || !guestSends || (received - forwarded) + bytes > window) {
            reset();
            return;
        }
        received += (int) bytes;
        if (hostReceives && backlog.isEmpty() && !write(payload)) hostIsDeaf();
        if (!hostReceives) forwarded += (int) payload.totalBytes();
        else if (!backlog.append(payload)) reset();
        tellCredit();
    }

    /**
     * Writes as much as the socket takes, and cuts the vector. @return false when the program takes no more for ever
     */
    private boolean write(IoVector from) {
        while (!from.isEmpty()) {
            long count = Descriptors.tryWritev(socket, from.address(), Math.min(from.count(), IoVector.KERNEL_LIMIT));
            if (count == -Errno.EINTR) continue;
            if (count < 0) return count == -Errno.EAGAIN;
            from.skip(count);
            forwarded += (int) count;
        }
        return true;
    }

    private void tellCredit() {
        if (state == State.OPEN && forwarded - toldForwarded >= window / 4) send(CREDIT_UPDATE);
    }

    private void guestShuts(int flags) {
        if (state == State.REQUESTED) {
            reset();
            return;
        }
        if ((flags & Header.SHUTDOWN_SEND) != 0) guestSends = false;
        if ((flags & Header.SHUTDOWN_RECEIVE) != 0 && guestReceives) {
            guestReceives = false;
            readable = false;
            if (socket >= 0) Sockets.tryShutdown(socket, Sockets.SHUT_RD);
        }
        passShutdown();
    }

    /** What the guest has shut becomes true when all is written. */
    private void passShutdown() {
        if (guestSends || !backlog.isEmpty()) return;
        if (!guestReceives) reset();
        else if (socket >= 0) Sockets.tryShutdown(socket, Sockets.SHUT_WR);
    }

    /** The socket has events. */
    void ready(int events) {
        if (state == State.REQUESTED) {
            if (isHungUp(events)) reset();
        } else if (state == State.OPEN) {
            if (!backlog.isEmpty() && (events & ~Events.EPOLLIN) != 0) writeBacklog();
            if (state == State.OPEN) readOrHangUp(events);
        }
        device.deliver();
        watch();
    }

    private void writeBacklog() {
        IoVector vector = device.vector;
        backlog.list(vector);
        long before = vector.totalBytes();
        boolean takes = write(vector);
        backlog.skip(before - vector.totalBytes());
        if (!takes) hostIsDeaf();
        tellCredit();
        passShutdown();
    }

    private void readOrHangUp(int events) {
        if (hostSends && guestReceives) {
            readable |= (events & ~Events.EPOLLOUT) != 0;
            if (readable) device.enqueue(this);
        } else if (isHungUp(events)) {
            hostSends = false;
            hostIsDeaf();
            closeSocket();
        }
    }

    /** Asks again: the event may be that of a socket which had the same number a moment ago. */
    private boolean isHungUp(int events) {
        return (events & (Events.EPOLLHUP | Events.EPOLLERR)) != 0
                && (Events.tryPoll(socket, 0, 0) & (Events.POLLHUP | Events.POLLERR)) != 0;
    }

    /** Nobody takes what the guest sends; it is dropped from now on. */
    private void hostIsDeaf() {
        hostReceives = false;
        forwarded += (int) backlog.bytes();
        backlog.clear();
        if (!guestReceives) hostSends = false;
        send(SHUTDOWN);
        passShutdown();
    }

    /**
     * Sends what waits for receive buffers, and one turn of data. @return false when there was no buffer for all of it
     */
    boolean transmit(Receiver receiver, Header header) throws QueueViolation {
        do {
            while (pending != 0) {
                if (!receiver.reserve()) return false;
                control(receiver, header, Integer.lowestOneBit(pending));
            }
            if (!readable || state != State.OPEN) return true;
            if (credit() <= 0) starve();
            else if (!receive(receiver, header)) return false;
        } while (pending != 0);
        return true;
    }

    private void starve() {
        readable = false;
        starved = true;
        send(CREDIT_REQUEST);
    }

    private void control(Receiver receiver, Header header, int what) {
        pending &= ~what;
        fill(
                header,
                switch (what) {
                    case REQUEST -> Header.OP_REQUEST;
                    case RESPONSE -> Header.OP_RESPONSE;
                    case CREDIT_UPDATE -> Header.OP_CREDIT_UPDATE;
                    case CREDIT_REQUEST -> Header.OP_CREDIT_REQUEST;
                    case SHUTDOWN -> Header.OP_SHUTDOWN;
                    default -> Header.OP_RST;
                });
        if (what == SHUTDOWN)
            header.flags = (hostReceives ? 0 : Header.SHUTDOWN_RECEIVE) | (hostSends ? 0 : Header.SHUTDOWN_SEND);
        receiver.send(header);
        if (what == RST) end();
        else if (what == SHUTDOWN && header.flags == Header.SHUTDOWN_BOTH) {
            closeSocket();
            state = State.CLOSING;
        }
    }

    private void fill(Header header, int op) {
        header.srcCid = VsockDevice.HOST_CID;
        header.dstCid = device.guestCid();
        header.srcPort = hostPort;
        header.dstPort = guestPort;
        header.type = Header.TYPE_STREAM;
        header.op = op;
        header.flags = 0;
        header.bufAlloc = window;
        header.fwdCnt = forwarded;
        toldForwarded = forwarded;
    }

    private boolean receive(Receiver receiver, Header header) throws QueueViolation {
        IoVector vector = device.vector;
        if (!receiver.gather(vector, Math.min(credit(), TURN))) return false;
        readable = false; // if there is more the loop says so, after the others' turns
        long count;
        do {
            count = Descriptors.tryReadv(socket, vector.address(), Math.min(vector.count(), IoVector.KERNEL_LIMIT));
        } while (count == -Errno.EINTR);
        if (count > 0) {
            fill(header, Header.OP_RW);
            receiver.send(header, count);
            sent += (int) count;
        } else if (count != -Errno.EAGAIN) {
            hostSends = false;
            if (count < 0) hostIsDeaf();
            send(SHUTDOWN);
        }
        return true;
    }

    /** Has the loop wait for what the socket is wanted for now. */
    void watch() {
        int wanted = wanted();
        if (wanted == interest) return;
        int before = interest;
        interest = wanted;
        try {
            if (wanted == ABSENT) device.loop().remove(socket);
            else if (before == ABSENT) device.loop().add(socket, wanted, this::ready);
            else device.loop().change(socket, wanted);
        } catch (IOException e) {
            if (before == ABSENT) interest = ABSENT;
            device.failed(e);
            reset();
        }
    }

    private int wanted() {
        if (socket < 0) return ABSENT;
        if (state == State.REQUESTED) return 0; // a hang-up is told without being asked for
        boolean reads = hostSends && guestReceives;
        int events = (reads && !starved && !readable ? Events.EPOLLIN : 0) | (backlog.isEmpty() ? 0 : Events.EPOLLOUT);
        // A hang-up, too, would be told again and again, and means nothing before all is read.
        return events == 0 && reads ? ABSENT : events;
    }

    /** Ends it from this side: the guest gets RST, the program an end of its socket. */
    void reset() {
        if (state == State.DEAD || state == State.GONE) return;
        closeSocket();
        backlog.clear();
        state = State.DEAD;
        pending = 0;
        send(RST);
    }

    /** Ends it without a word to the guest, and forgets it. */
    void end() {
        if (state == State.GONE) return;
        closeSocket();
        backlog.clear();
        state = State.GONE;
        pending = 0;
        readable = false;
        device.forget(this);
    }

    private void closeSocket() {
        if (socket < 0) return;
        if (interest != ABSENT) device.loop().remove(socket);
        interest = ABSENT;
        Descriptors.close(socket);
        socket = -1;
    }
}
