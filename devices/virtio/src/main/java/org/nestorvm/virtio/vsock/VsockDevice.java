package org.nestorvm.virtio.vsock;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.LimitedLog;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.UnixListener;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Socket device: virtio 1.2, section 5.10, stream sockets. The host's side are Unix sockets, in the way that
 * Firecracker and Cloud Hypervisor have them: a program that connects to PATH and writes {@code CONNECT port} is
 * connected to the guest's listener at that port, and reads {@code OK hostport} when it has answered; what the guest
 * connects to at CID 2 is the program that listens at PATH_port.
 *
 * <p>What a guest can make the host hold is bounded: sockets by the option {@code connections}, bytes by the windows
 * that the connections are given from one budget, replies by what is left of each connection's state, and by a ring of
 * RSTs after which the guest's packets wait (5.10.6.1).
 */
public final class VsockDevice extends RingDevice {
    public static final int TYPE = 19;
    public static final int RX = 0, TX = 1, EVENT = 2;
    public static final long F_STREAM = 1;
    static final long HOST_CID = 2;
    private static final Logger LOG = LoggerFactory.getLogger(VsockDevice.class);
    private static final int QUEUE_SIZE = 256, EVENT_QUEUE_SIZE = 128;
    private static final int GUEST_CID = 0, CONFIG_BYTES = 8;
    private static final int EVENT_BYTES = 4;
    /** Packets served before other handlers and a stop get their turn; no less than the queue has. */
    private static final int SHARE = 256;

    private static final int ACCEPT_SHARE = 16;
    /**
     * After a connection could not be accepted: for want of descriptors, say, of which nobody tells when there are some
     * again.
     */
    private static final long RETRY_NS = 500_000_000;
    /**
     * For a program that has connected to say which port of the guest it wants: until then it takes a place that
     * another could have.
     */
    static final long GREETING_NS = 10_000_000_000L;
    /** Ports above these are given to programs of the host that connect. */
    private static final int FIRST_HOST_PORT = 1 << 30;

    private static final int LARGEST_WINDOW = 256 << 10, SMALLEST_WINDOW = 16 << 10;
    /**
     * Bytes that windows are given from; each takes a small part of what is left, so that the first ones are large and
     * it lasts.
     */
    private static final long BUDGET = 64 << 20;

    /** For one call at a time. */
    final IoVector vector = new IoVector(64);

    final Backlog.Pool pool = new Backlog.Pool();
    private final LimitedLog log = new LimitedLog(LOG);
    private final VsockOptions options;
    private final HostPorts ports;
    private final UnixListener listener;
    private final int retry, silence;
    private final long greetingNs;
    private final ConnectionTable table;
    private final Set<Greeting> greetings = new LinkedHashSet<>(); // the oldest first
    private final ArrayDeque<Connection> waiting = new ArrayDeque<>();
    private final Receiver receiver = new Receiver();
    private final Resets resets = new Resets();
    private final Header in = new Header(), out = new Header();
    private int nextHostPort = FIRST_HOST_PORT;
    private long windows;
    private boolean delivering, senderWaits, listenerWaits, acceptFails, eventPending, closed;

    /**
     * Listens at the path from now on; who connects is answered when a driver is there. @throws IOException when
     * another program listens at the path, for instance
     */
    public VsockDevice(String name, VsockOptions options) throws IOException {
        this(name, options, UnixListener.listen("vsock", options.path()), HostPorts.of(options));
    }

    /**
     * For a process that can neither listen nor connect by itself.
     *
     * @param listener the device's from now on, even when this fails
     */
    public VsockDevice(String name, VsockOptions options, UnixListener listener, HostPorts ports) throws IOException {
        this(name, options, listener, ports, GREETING_NS);
    }

    VsockDevice(String name, VsockOptions options, UnixListener listener, HostPorts ports, long greetingNs)
            throws IOException {
        super(
                TYPE,
                name,
                F_STREAM,
                new ConfigSpace(CONFIG_BYTES).set(GUEST_CID, 8, options.cid()),
                1,
                QUEUE_SIZE,
                QUEUE_SIZE,
                EVENT_QUEUE_SIZE);
        this.options = options;
        this.listener = listener;
        this.ports = ports;
        this.greetingNs = greetingNs;
        table = new ConnectionTable(options.connections());
        int first = -1;
        try {
            first = Events.timerfd(name);
            silence = Events.timerfd(name);
        } catch (IOException e) {
            if (first >= 0) Descriptors.close(first);
            listener.close();
            throw e;
        }
        retry = first;
    }

    EventLoop loop() {
        return loop(RX);
    }

    long guestCid() {
        return options.cid();
    }

    @Override
    public void activate(DeviceSession session) throws IOException {
        super.activate(session);
        loop().add(listener.descriptor(), Events.EPOLLIN, _ -> acceptPrograms());
        loop().add(retry, Events.EPOLLIN, _ -> retry());
        loop().add(silence, Events.EPOLLIN, _ -> endSilentOnes());
        listenerWaits = false;
    }

    @Override
    public void deactivate() {
        if (loop() != null) loop().exclusive(this::disconnect);
        super.deactivate();
    }

    private void disconnect() {
        loop().remove(listener.descriptor());
        loop().remove(retry);
        loop().remove(silence);
        listenerWaits = false;
        greetings.forEach(Greeting::close);
        greetings.clear();
        dropConnections();
        eventPending = false;
    }

    private void dropConnections() {
        table.clear(Connection::end);
        waiting.clear();
        resets.clear();
        senderWaits = false;
    }

    /**
     * Connections are gone: the guest is told that its transport was reset (5.10.6.8), and programs find their sockets
     * ended. For who moves or restores a guest.
     */
    public void transportReset() {
        EventLoop loop = loop();
        if (loop == null) return;
        loop.exclusive(() -> {
            dropConnections();
            eventPending = true;
            serve(EVENT);
        });
    }

    @Override
    protected void queueStarted(int index, Virtqueue queue) {
        if (index == RX) receiver.start(queue);
    }

    @Override
    protected void queueStopped(int index, Virtqueue queue) {
        if (index == RX) receiver.stop();
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        switch (index) {
            case RX -> deliver(queue);
            case TX -> accept(queue);
            default -> event(queue);
        }
    }

    private void event(Virtqueue queue) throws QueueViolation {
        if (!eventPending) return;
        Chain chain = queue.poll();
        if (chain == null) return;
        if (chain.writable().totalBytes() < EVENT_BYTES)
            throw new QueueViolation(
                    "event buffer of " + chain.writable().totalBytes() + " bytes: an event has " + EVENT_BYTES);
        chain.writable().fill(0, EVENT_BYTES, (byte) 0); // TRANSPORT_RESET
        queue.push(chain, EVENT_BYTES);
        eventPending = false;
        interrupt(queue);
    }

    // --- to the guest

    /** A connection has something to send. */
    void enqueue(Connection connection) {
        if (connection.queued) return;
        connection.queued = true;
        waiting.add(connection);
    }

    /** Sends what there is and buffers are for. */
    void deliver() {
        serve(RX);
    }

    private void deliver(Virtqueue queue) throws QueueViolation {
        if (delivering) return;
        delivering = true;
        try {
            queue.disableNotifications();
            while (!resets.isEmpty() && receiver.reserve()) {
                resets.take(out);
                receiver.send(out);
            }
            while (!waiting.isEmpty() && receiver.reserve()) {
                Connection first = waiting.peek();
                boolean done = first.transmit(receiver, out);
                if (done) {
                    waiting.poll();
                    first.queued = false;
                }
                first.watch();
                if (!done) break;
            }
        } finally {
            delivering = false;
        }
        interrupt(queue);
        if (senderWaits && resets.hasRoom()) again(TX);
    }

    // --- from the guest

    private void accept(Virtqueue queue) throws QueueViolation {
        boolean own = !hasKick(TX); // the driver's thread: finds done what it has offered
        int left = SHARE;
        senderWaits = false;
        do {
            queue.disableNotifications();
            for (Chain chain;
                    left > 0 && resets.hasRoom() && (chain = queue.poll()) != null;
                    left = !own && loop().isWanted() ? 0 : left - 1) {
                packet(chain.readable());
                queue.push(chain, 0);
            }
            senderWaits = !resets.hasRoom();
        } while (!senderWaits && left > 0 && queue.enableNotifications());
        interrupt(queue);
        if (left == 0) again(TX);
        deliver();
        if (listenerWaits) listenAgain();
    }

    /** What is no packet at all is dropped: there is nobody to answer. */
    private void packet(IoVector payload) {
        if (!in.take(payload)) return;
        Connection connection =
                in.srcCid == guestCid() && in.dstCid == HOST_CID ? table.find(in.dstPort, in.srcPort) : null;
        boolean whole = in.length <= payload.totalBytes() - Header.BYTES;
        if (in.type != Header.TYPE_STREAM || connection == null || !whole) {
            if (connection != null) connection.reset();
            else if (in.op == Header.OP_REQUEST && whole && isForHost()) request();
            else refuse();
            return;
        }
        connection.packet(in, payload.skip(Header.BYTES).truncate(in.length));
    }

    private boolean isForHost() {
        return in.type == Header.TYPE_STREAM && in.srcCid == guestCid() && in.dstCid == HOST_CID;
    }

    private void refuse() {
        if (in.op != Header.OP_RST) resets.add(in.dstCid, in.dstPort, guestCid(), in.srcPort, in.type);
    }

    /** The guest connects. */
    private void request() {
        if (isFull() && !evict()) {
            refuse();
            return;
        }
        int socket;
        try {
            socket = ports.connect(in.dstPort);
        } catch (IOException e) {
            LOG.debug("{}: {}", name(), e.getMessage());
            refuse();
            return;
        }
        open(in.dstPort, in.srcPort, socket, Connection.State.OPEN).respond(in);
    }

    private Connection open(int hostPort, int guestPort, int socket, Connection.State state) {
        int window = (int) Math.clamp((BUDGET - windows) / 64 & -4096, SMALLEST_WINDOW, LARGEST_WINDOW);
        windows += window;
        Connection connection = new Connection(this, hostPort, guestPort, socket, window, state);
        table.add(connection);
        return connection;
    }

    void forget(Connection connection) {
        table.remove(connection);
        windows -= connection.window();
        if (listenerWaits) listenAgain();
    }

    // --- programs of the host

    private boolean isFull() {
        return table.count() + greetings.size() >= options.connections();
    }

    /** Ends a connection that waits for nothing but the guest's last word. */
    private boolean evict() {
        Connection closing =
                resets.hasRoom() ? table.findFirst(connection -> connection.state() == Connection.State.CLOSING) : null;
        if (closing == null) return false;
        resets.add(HOST_CID, closing.hostPort, guestCid(), closing.guestPort, Header.TYPE_STREAM);
        closing.end();
        return true;
    }

    private void acceptPrograms() {
        try {
            acceptSome();
        } catch (IOException e) {
            if (!acceptFails) failed(e);
            acceptFails = true;
            listenLater();
            Events.trySetTimer(retry, RETRY_NS);
        }
        deliver();
    }

    private void retry() {
        Events.tryDrain(retry);
        if (listenerWaits) listenAgain();
    }

    private void acceptSome() throws IOException {
        for (int left = ACCEPT_SHARE; left > 0; left--) {
            if (isFull() && !evict()) {
                listenLater();
                return;
            }
            int socket = listener.accept();
            if (socket < 0) return;
            greetings.add(greeting(socket));
            if (greetings.size() == 1) Events.trySetTimer(silence, greetingNs);
            acceptFails = false;
        }
    }

    private Greeting greeting(int socket) throws IOException {
        try {
            return new Greeting(this, socket, System.nanoTime() + greetingNs);
        } catch (IOException e) {
            Descriptors.close(socket);
            throw e;
        }
    }

    /** Programs that have said nothing for too long give their places to others. */
    private void endSilentOnes() {
        Events.tryDrain(silence);
        long now = System.nanoTime(), left = 0;
        for (Greeting each : List.copyOf(greetings)) {
            left = each.deadlineNs() - now;
            if (left > 0) break;
            log.warn(
                    "{}: a program that connected to {} has not said CONNECT PORT within {} ms; its connection ends",
                    name(),
                    options.path(),
                    TimeUnit.NANOSECONDS.toMillis(greetingNs));
            refuse(each);
        }
        if (!greetings.isEmpty()) Events.trySetTimer(silence, Math.max(1, left));
    }

    /** Programs wait in the socket's queue meanwhile. */
    private void listenLater() {
        loop().remove(listener.descriptor());
        listenerWaits = true;
    }

    private void listenAgain() {
        if (session() == null || isFull()) return;
        try {
            loop().add(listener.descriptor(), Events.EPOLLIN, _ -> acceptPrograms());
            listenerWaits = false;
        } catch (IOException e) {
            failed(e);
            Events.trySetTimer(retry, RETRY_NS);
        }
    }

    void failed(IOException e) {
        log.warn("{}: {}", name(), e.getMessage());
    }

    void refuse(Greeting greeting) {
        greetings.remove(greeting);
        greeting.close();
        if (listenerWaits) listenAgain();
    }

    /** A program wants a port of the guest. */
    void wanted(Greeting greeting, int guestPort) {
        greetings.remove(greeting);
        open(freeHostPort(guestPort), guestPort, greeting.release(), Connection.State.REQUESTED)
                .request();
        deliver();
    }

    private int freeHostPort(int guestPort) {
        int port;
        do {
            port = nextHostPort;
            nextHostPort = port + 1 == -1 ? FIRST_HOST_PORT : port + 1;
        } while (table.find(port, guestPort) != null);
        return port;
    }

    /** Tells a program that the guest has answered. @return false when its socket does not take even that */
    boolean greet(int socket, int hostPort) {
        byte[] text = ("OK " + Integer.toUnsignedString(hostPort) + "\n").getBytes(StandardCharsets.US_ASCII);
        try (Arena arena = Arena.ofConfined()) {
            long at = arena.allocate(text.length).address();
            HostMemory.copyIn(text, 0, at, text.length);
            return Descriptors.tryWrite(socket, at, text.length) == text.length;
        }
    }

    @Override
    public void close() {
        if (closed) return;
        closed = true;
        if (loop() != null) loop().exclusive(this::disconnect);
        super.close();
        Descriptors.close(retry);
        Descriptors.close(silence);
        listener.close();
    }
}
