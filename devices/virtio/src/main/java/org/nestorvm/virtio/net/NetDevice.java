package org.nestorvm.virtio.net;

import java.io.IOException;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.RingDevice;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Network device: virtio 1.2, section 5.1. Pairs of a receive and a transmit queue, each pair with a loop and a port of
 * the back end to itself, and a control queue.
 *
 * <p>What a back end with headers can do the driver is offered as it is. For others checksums and segments that the
 * driver leaves to us are made in {@link SoftwareOffload}, and checksums of what comes in are looked at here, so that
 * no guest has to: it is always cheaper outside.
 *
 * <p>Left out: VIRTIO_NET_F_GUEST_ANNOUNCE, UFO, CTRL_GUEST_OFFLOADS, RSS and HASH_REPORT, NOTF_COAL, GUEST_HDRLEN,
 * RSC_EXT, STANDBY, SPEED_DUPLEX. A driver that asks for one of them is answered with VIRTIO_NET_ERR.
 */
public final class NetDevice extends RingDevice {
    public static final int TYPE = 1;
    /** Of every queue; Linux takes as many as there are. */
    public static final int QUEUE_SIZE = 256;

    public static final int MIN_MTU = 68, MAX_MTU = 65535;
    private static final int DEFAULT_MTU = 1500, VLAN_TAG_BYTES = 4;
    private static final int CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_PAIRS = 8, CONFIG_MTU = 10, CONFIG_BYTES = 12;
    private static final int S_LINK_UP = 1;
    private static final Logger LOG = LoggerFactory.getLogger(NetDevice.class);

    private final NetBackend backend;
    private final MacAddress mac;
    private final int mtu;
    private final PacketCapture capture;
    private final NetControl control;
    private final Pair[] pairs;
    private boolean closed;

    /** A port with its queues' paths. */
    private final class Pair implements NetPort.Listener {
        final int receiveQueue, transmitQueue;
        final NetPort port;
        final NetCounters counters = new NetCounters();
        final ReceivePath receive;
        final TransmitPath transmit;
        boolean started, served;

        Pair(int index) {
            receiveQueue = 2 * index;
            transmitQueue = 2 * index + 1;
            port = backend.port(index);
            receive = new ReceivePath(port, backend.hasHeader(), counters, capture);
            transmit = new TransmitPath(port, backend.hasHeader(), counters, capture);
        }

        void start(EventLoop loop) throws IOException {
            if (started) return;
            port.start(loop, this);
            started = true;
        }

        /**
         * A queue that is not served, since it does not run or the device waits for a reset, must not be called for
         * again and again.
         */
        @Override
        public void readable() {
            served = false;
            serve(receiveQueue);
            if (!served) port.listen(false);
        }

        @Override
        public void writable() {
            serve(transmitQueue);
        }

        @Override
        public void linkChanged(boolean up) {
            if (this == pairs[0]) tellLink(up);
        }
    }

    /**
     * @param backend belongs to the device from now on
     * @param mtu that the driver is told, 0 for none
     * @param capture of all that goes in and out, or null; belongs to the device from now on
     */
    public NetDevice(String name, NetBackend backend, MacAddress mac, int mtu, PacketCapture capture) {
        super(TYPE, name, offers(backend, mtu), config(backend, mac, mtu), backend.pairs(), sizes(backend.pairs()));
        this.backend = backend;
        this.mac = mac;
        this.mtu = mtu;
        this.capture = capture;
        control = new NetControl(mac, backend.pairs(), new NetControl.Target() {
            @Override
            public void usePairs(int count) throws IOException {
                NetDevice.this.usePairs(count);
            }

            @Override
            public void macChanged(MacAddress newMac) {
                config().set(CONFIG_MAC, newMac.bytes());
            }
        });
        pairs = new Pair[backend.pairs()];
        for (int i = 0; i < pairs.length; i++) pairs[i] = new Pair(i);
    }

    private static long offers(NetBackend backend, int mtu) {
        return NetFeatures.MAC
                | NetFeatures.STATUS
                | NetFeatures.MRG_RXBUF
                | NetFeatures.HOST_OFFLOADS
                | NetFeatures.GUEST_CSUM
                | NetFeatures.CONTROL
                | (backend.hasHeader() ? NetFeatures.GUEST_SEGMENTS : 0)
                | (backend.pairs() > 1 ? NetFeatures.MQ : 0)
                | (mtu != 0 ? NetFeatures.MTU : 0);
    }

    private static ConfigSpace config(NetBackend backend, MacAddress mac, int mtu) {
        return new ConfigSpace(CONFIG_BYTES)
                .set(CONFIG_MAC, mac.bytes())
                .set(CONFIG_STATUS, 2, backend.port(0).isUp() ? S_LINK_UP : 0)
                .set(CONFIG_PAIRS, 2, backend.pairs())
                .set(CONFIG_MTU, 2, mtu);
    }

    private static int[] sizes(int pairs) {
        int[] sizes = new int[2 * pairs + 1];
        java.util.Arrays.fill(sizes, QUEUE_SIZE);
        return sizes;
    }

    @Override
    protected int loopOf(int queue) {
        return queue / 2 % pairs.length;
    }

    /** Index 2 without VIRTIO_NET_F_MQ, however many pairs there are (5.1.2). */
    private int controlQueue() {
        return session().has(NetFeatures.MQ) ? 2 * pairs.length : 2;
    }

    private void tellLink(boolean up) {
        LOG.info("{}: link {}", name(), up ? "up" : "down");
        config().set(CONFIG_STATUS, 2, up ? S_LINK_UP : 0);
        DeviceSession session = session();
        if (session != null && session.has(NetFeatures.STATUS)) session.events().configChanged();
    }

    @Override
    public void activate(DeviceSession session) throws IOException {
        super.activate(session);
        control.begin(session);
        config().set(CONFIG_MAC, mac.bytes());
        for (Pair pair : pairs) pair.start(loop(pair.receiveQueue));
        backend.negotiated(session.features());
        usePairs(1);
    }

    private void usePairs(int count) throws IOException {
        for (int i = 0; i < pairs.length; i++) pairs[i].port.activate(i < count);
    }

    private boolean isReceive(int index) {
        return (index & 1) == 0 && index / 2 < pairs.length && index != controlQueue();
    }

    @Override
    protected void queueStarted(int index, Virtqueue queue) {
        if (!isReceive(index)) return;
        DeviceSession session = session();
        int longest = session.has(NetFeatures.GUEST_TSO4 | NetFeatures.GUEST_TSO6)
                ? SoftwareOffload.MAX_FRAME_BYTES
                : SoftwareOffload.ETHERNET_BYTES + VLAN_TAG_BYTES + (mtu != 0 ? mtu : DEFAULT_MTU);
        pairs[index / 2].receive.start(
                session.has(NetFeatures.MRG_RXBUF), session.has(NetFeatures.GUEST_CSUM), longest);
        queue.disableNotifications();
    }

    @Override
    protected void process(int index, Virtqueue queue) throws QueueViolation {
        if (index == controlQueue()) {
            drain(queue, control::serve);
            return;
        }
        int pair = index / 2;
        if (pair >= pairs.length) return;
        try {
            pairs[pair].served = true;
            boolean more = (index & 1) == 0 ? pairs[pair].receive.run(queue, control) : pairs[pair].transmit.run(queue);
            if (more) again(index);
        } finally {
            interrupt(queue);
        }
    }

    @Override
    protected void queueStopped(int index, Virtqueue queue) {
        if (isReceive(index)) pairs[index / 2].receive.stop();
    }

    /** What has gone through a pair of queues since the device was made. */
    public NetCounters counters(int pair) {
        return pairs[pair].counters;
    }

    public long count(NetCounters.Kind kind) {
        long sum = 0;
        for (Pair pair : pairs) sum += pair.counters.get(kind);
        return sum;
    }

    public NetBackend backend() {
        return backend;
    }

    @Override
    public void close() {
        if (closed) return;
        closed = true;
        for (int i = 0; i < queueCount(); i++) stopQueue(i);
        for (Pair pair : pairs) pair.port.close();
        super.close();
        backend.close();
        if (capture != null) capture.close();
    }
}
