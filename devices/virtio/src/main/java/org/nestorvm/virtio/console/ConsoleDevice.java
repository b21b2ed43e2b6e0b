package org.nestorvm.virtio.console;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.UnixListener;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;

/**
 * Console device: virtio 1.2, section 5.3. Port 0 is a console on a stream of the host, as COM1 is; further ports have
 * names, and a Unix socket each, or are {@link Channel}s. Ports do not come and go while a guest runs.
 *
 * <p>In the message of a new size the columns come first, as the specification has it. Linux of before 2025 reads the
 * rows there, and so has the two exchanged; not so without named ports, since then it reads the size from the
 * configuration space.
 */
public final class ConsoleDevice extends RingDevice {
    public static final int TYPE = 3;
    public static final long F_SIZE = 1, F_MULTIPORT = 1 << 1, F_EMERG_WRITE = 1 << 2;
    static final int COLS = 0, ROWS = 2, MAX_NR_PORTS = 4, EMERG_WR = 8, CONFIG_BYTES = 12;
    public static final int CONTROL_RECEIVE = 2, CONTROL_TRANSMIT = 3;
    static final int DEVICE_READY = 0,
            DEVICE_ADD = 1,
            PORT_READY = 3,
            CONSOLE_PORT = 4,
            RESIZE = 5,
            PORT_OPEN = 6,
            PORT_NAME = 7;
    static final int CONTROL_BYTES = 8;
    private static final int QUEUE_SIZE = 128;

    private final List<Port> ports = new ArrayList<>();
    private final StreamEnd console;
    private final byte[] message = new byte[CONTROL_BYTES];
    private boolean deviceReady;

    /**
     * @param output where the console's output goes; it may make its writer wait. The caller's to close, after the
     *     device
     * @throws IOException when a port's socket cannot be listened on; nothing is left behind
     */
    public ConsoleDevice(String name, ConsoleOptions options, OutputStream output) throws IOException {
        this(name, options, options.listen(), output);
    }

    /**
     * For a process that cannot listen by itself. @param listeners one for each port of the options, in their order;
     * the device's from now on
     */
    public ConsoleDevice(String name, ConsoleOptions options, List<UnixListener> listeners, OutputStream output) {
        super(
                TYPE,
                name,
                F_SIZE | F_EMERG_WRITE | (options.ports().isEmpty() ? 0 : F_MULTIPORT),
                new ConfigSpace(CONFIG_BYTES).allow(EMERG_WR, Integer.BYTES),
                1,
                queues(options.ports().size()));
        config().set(MAX_NR_PORTS, Integer.BYTES, 1 + options.ports().size())
                .set(COLS, Integer.BYTES, options.cols() | options.rows() << 16);
        for (ConsoleOptions.PortOptions port : options.ports()) ports.add(port(port, listeners.get(ports.size())));
        Port first = new Port(0, null);
        console = new StreamEnd(name, output, () -> onLoop(() -> serve(first)));
        first.end = console;
        ports.addFirst(first);
        config().onWrite((offset, size) -> {
            if (offset <= EMERG_WR && offset + size > EMERG_WR) console.take((byte) config().get(EMERG_WR, 1));
        });
    }

    /** Named ports and no console, for a machine that talks with a program of the guest. */
    public ConsoleDevice(String name, List<Channel> channels) {
        super(TYPE, name, F_MULTIPORT, new ConfigSpace(CONFIG_BYTES), 1, queues(channels.size()));
        config().set(MAX_NR_PORTS, Integer.BYTES, 1 + channels.size());
        console = null;
        Port none = new Port(0, null);
        none.end = new NoEnd();
        ports.add(none);
        for (Channel channel : channels) ports.add(port(channel));
    }

    private Port port(Channel channel) {
        Port port = new Port(ports.size(), channel.name);
        StreamEnd end = new StreamEnd(name() + "-" + channel.name, channel.output, () -> onLoop(() -> serve(port)));
        end.tell(channel.events, () -> connectionChanged(port));
        port.end = end;
        channel.bind(end);
        return port;
    }

    /** Whether there is a console beside the named ports. */
    public boolean hasConsole() {
        return console != null;
    }

    private static int[] queues(int namedPorts) {
        int[] sizes = new int[namedPorts == 0 ? 2 : 2 * namedPorts + 4];
        Arrays.fill(sizes, QUEUE_SIZE);
        return sizes;
    }

    private Port port(ConsoleOptions.PortOptions options, UnixListener listener) {
        Port port = new Port(ports.size() + 1, options.name());
        port.end = new SocketEnd(
                name() + " port " + options.name(), listener, () -> serve(port), () -> connectionChanged(port));
        return port;
    }

    /**
     * Types on the console as much as there is room for, and says how much; whoever has more comes again. Any thread.
     */
    public int offer(byte[] bytes, int offset, int length) {
        return console.offer(bytes, offset, length);
    }

    /**
     * Waits until {@link #offer} would take a byte, as long as the guest does not read. @return false when it never
     * will
     */
    public boolean awaitRoom() throws InterruptedException {
        return console.awaitRoom();
    }

    /** The guest has ended: who waits to type need not, and nothing is taken. Any thread. */
    public void hangUp() {
        console.hangUp();
    }

    /** The console's terminal has another size; 0 and 0 when that is not known any more. Any thread. */
    public void setSize(int cols, int rows) {
        config().set(COLS, Integer.BYTES, cols & 0xffff | rows << 16);
        onLoop(() -> {
            DeviceSession now = session();
            if (now == null) return;
            if (!now.has(F_MULTIPORT)) {
                now.events().configChanged();
            } else if (ports.getFirst().ready) {
                ports.getFirst().due |= Port.RESIZE;
                serve(CONTROL_RECEIVE);
            }
        });
    }

    /** Before there is a loop there is nothing to tell anybody. */
    private void onLoop(Runnable action) {
        EventLoop loop = loop(0);
        if (loop != null) loop.exclusive(action);
    }

    private boolean isMultiport() {
        return queueCount() > 2;
    }

    /** Something has changed at the host's end. */
    private void serve(Port port) {
        serve(port.transmitQueue());
        serve(port.receiveQueue());
    }

    /** The caller may be in the midst of one of the port's queues. */
    private void connectionChanged(Port port) {
        port.connectionChanged();
        again(CONTROL_RECEIVE);
        again(port.transmitQueue());
    }

    @Override
    public void activate(DeviceSession newSession) throws IOException {
        super.activate(newSession);
        deviceReady = false;
        for (Port port : ports) {
            port.reset();
            if (port.end instanceof SocketEnd socket) socket.listen(loop(0));
        }
        // Linux reads the size when it hears of a change, and at no other time.
        boolean known = hasConsole() && config().get(COLS, Integer.BYTES) != 0;
        if (known && !newSession.has(F_MULTIPORT)) newSession.events().configChanged();
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        if (isMultiport() && index == CONTROL_RECEIVE) {
            tell(queue);
        } else if (isMultiport() && index == CONTROL_TRANSMIT) {
            drain(queue, chain -> hear(chain.readable()));
            serve(CONTROL_RECEIVE);
        } else {
            transfer(portOf(index), index, queue);
        }
    }

    private Port portOf(int queue) {
        return ports.get(queue < 2 ? 0 : queue / 2 - 1);
    }

    private void transfer(Port port, int index, Virtqueue queue) throws QueueViolation {
        Port.Served served;
        try {
            served = index == port.receiveQueue() ? port.receive(queue) : port.send(queue);
        } finally {
            port.watch();
        }
        interrupt(queue);
        if (served == Port.Served.AGAIN) again(index);
    }

    @Override
    protected void queueStopped(int index, Virtqueue queue) {
        if (isMultiport() && (index == CONTROL_RECEIVE || index == CONTROL_TRANSMIT)) return;
        Port port = portOf(index);
        if (index == port.receiveQueue()) port.receiveStopped();
        else port.transmitStopped(queue);
    }

    // --- control messages, 5.3.6.2

    /** @return bytes written into a buffer of the driver's control queue: none */
    private long hear(IoVector from) {
        if (from.totalBytes() < CONTROL_BYTES) return 0;
        from.copyOut(0, message, 0, CONTROL_BYTES);
        ByteBuffer fields = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
        int id = fields.getInt(0), event = fields.getShort(4) & 0xffff, value = fields.getShort(6) & 0xffff;
        if (event == DEVICE_READY) {
            if (value == 1 && !deviceReady)
                for (Port port : ports) if (hasConsole() || !port.isConsole()) port.due |= Port.ADD;
            deviceReady |= value == 1;
        } else if (id >= 0 && id < ports.size()) {
            Port port = ports.get(id);
            if (event == PORT_READY) portReady(port, value == 1);
            else if (event == PORT_OPEN) guestOpened(port, value == 1);
        }
        return 0;
    }

    private void portReady(Port port, boolean ready) {
        boolean first = ready && !port.ready;
        port.ready = ready;
        if (!first) return;
        port.due |= port.isConsole()
                ? Port.CONSOLE | (config().get(COLS, Integer.BYTES) != 0 ? Port.RESIZE : 0)
                : Port.NAME;
        if (port.end.isConnected()) port.due |= Port.OPENED;
    }

    private void guestOpened(Port port, boolean open) {
        port.guestOpen = open;
        port.guestClosing = !open;
        serve(port.receiveQueue());
        if (!open) serve(port.transmitQueue());
    }

    /** All that is due, as far as there are buffers. */
    private void tell(Virtqueue queue) throws QueueViolation {
        do {
            queue.disableNotifications();
            for (Port port : ports) {
                while (port.due != 0) {
                    Chain chain = queue.poll();
                    if (chain == null) break;
                    int next = Integer.lowestOneBit(port.due);
                    port.due &= ~next;
                    queue.push(chain, write(port, next, chain.writable()));
                }
            }
            interrupt(queue);
        } while (queue.enableNotifications() && ports.stream().anyMatch(port -> port.due != 0));
    }

    /** What a buffer has no room for is cut off. */
    private long write(Port port, int due, IoVector to) {
        byte[] name = due == Port.NAME ? port.name.getBytes(StandardCharsets.UTF_8) : new byte[0];
        ByteBuffer bytes = ByteBuffer.allocate(CONTROL_BYTES + Integer.BYTES + name.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(port.id);
        switch (due) {
            case Port.ADD -> event(bytes, DEVICE_ADD, 1);
            case Port.CONSOLE -> event(bytes, CONSOLE_PORT, 1);
            case Port.RESIZE ->
                event(bytes, RESIZE, 0)
                        .putShort((short) config().get(COLS, Short.BYTES))
                        .putShort((short) config().get(ROWS, Short.BYTES));
            case Port.NAME -> event(bytes, PORT_NAME, 1).put(name);
            case Port.CLOSED -> event(bytes, PORT_OPEN, 0);
            default -> event(bytes, PORT_OPEN, 1);
        }
        int length = (int) Math.min(bytes.position(), to.totalBytes());
        to.copyIn(0, bytes.array(), 0, length);
        return length;
    }

    private static ByteBuffer event(ByteBuffer bytes, int event, int value) {
        return bytes.putShort((short) event).putShort((short) value);
    }

    /** Writes what is left of the console's output, as far as the stream takes it in time. */
    @Override
    public void close() {
        super.close(); // no handler runs from here on
        for (Port port : ports) port.end.close();
    }
}
