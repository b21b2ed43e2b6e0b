package org.nestorvm.vhost;

import static org.nestorvm.vhost.ProtocolFeatures.BACKEND_REQ;
import static org.nestorvm.vhost.ProtocolFeatures.CONFIG;
import static org.nestorvm.vhost.ProtocolFeatures.CONFIGURE_MEM_SLOTS;
import static org.nestorvm.vhost.ProtocolFeatures.INFLIGHT_SHMFD;
import static org.nestorvm.vhost.ProtocolFeatures.LOG_ALL;
import static org.nestorvm.vhost.ProtocolFeatures.LOG_SHMFD;
import static org.nestorvm.vhost.ProtocolFeatures.MQ;
import static org.nestorvm.vhost.ProtocolFeatures.REPLY_ACK;
import static org.nestorvm.vhost.ProtocolFeatures.RESET_DEVICE;
import static org.nestorvm.vhost.ProtocolFeatures.STATUS;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.vhost.Payloads.Config;
import org.nestorvm.vhost.Payloads.Inflight;
import org.nestorvm.vhost.Payloads.Log;
import org.nestorvm.vhost.Payloads.MemoryRegion;
import org.nestorvm.vhost.Payloads.VringAddress;
import org.nestorvm.vhost.Payloads.VringFile;
import org.nestorvm.vhost.Payloads.VringState;
import org.nestorvm.virtio.ConfigSpace;
import org.nestorvm.virtio.DeviceEvents;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.LimitedLog;
import org.nestorvm.virtio.QueueSetup;
import org.nestorvm.virtio.VirtioDevice;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection of a {@link BackEnd}: answers what the front end asks, on one thread. A queue runs when all that it
 * needs is there: features, size, addresses, a kick descriptor and, where protocol features are spoken, the front end's
 * permission. Whatever the device cannot be told while it runs (another memory table, other features) is told in
 * between: queues stop, the change is made, queues go on.
 *
 * <p>A message that is wrong is answered so if an answer is asked for, and nothing has changed; else it ends the
 * connection, since the front end would go on as if it had been heard. A disabled queue is not served at all, though
 * the specification lets a network device discard what is sent meanwhile.
 */
final class BackEndSession implements DeviceEvents {
    private static final Logger LOG = LoggerFactory.getLogger(BackEndSession.class);
    private static final long OK = 0, REFUSED = 1;
    private static final int CONFIG_CHANGE = 2, NEEDS_RESET = 0x40;

    private final LimitedLog lines = new LimitedLog(LOG);
    private final VirtioDevice device;
    private final MessageChannel channel;
    private final MemoryTable table;
    private final MemoryObject prepared;
    private final Vring[] vrings;
    private long features, protocolFeatures;
    private boolean hasFeatures, active;
    private volatile int status;
    private InflightArea inflight;
    private DirtyLog log;
    private volatile MessageChannel requests; // to the front end

    /** @param prepared in-flight memory, or null to make it when it is asked for */
    BackEndSession(VirtioDevice device, MemoryFiles files, MemoryObject prepared, DescriptorChannel channel) {
        this.prepared = prepared;
        this.device = device;
        this.channel = new MessageChannel(channel);
        table = new MemoryTable(files);
        vrings = new Vring[device.queueCount()];
        Arrays.setAll(vrings, Vring::new);
    }

    private long offeredFeatures() {
        return device.features() | Features.VHOST_PROTOCOL | LOG_ALL;
    }

    private long offeredProtocolFeatures() {
        long always =
                MQ | LOG_SHMFD | REPLY_ACK | BACKEND_REQ | INFLIGHT_SHMFD | RESET_DEVICE | CONFIGURE_MEM_SLOTS | STATUS;
        return device.config().sizeBytes() > 0 ? always | CONFIG : always;
    }

    /** Serves until the front end closes. Leaves nothing of it behind. */
    void run() throws IOException {
        try {
            while (serveNext()) {}
        } finally {
            end();
        }
    }

    private boolean serveNext() throws IOException {
        try (Message message = channel.receive(-1, Request::limitBytes)) {
            if (message != null) serve(message);
            return message != null;
        }
    }

    private void serve(Message message) throws IOException {
        if (message.isReply()) throw new ProtocolException(message + " to nothing that was asked");
        boolean acknowledge = message.needsReply() && (protocolFeatures & REPLY_ACK) != 0;
        Request request = Request.of(message.request());
        if (request == null) {
            lines.warn("{}: {} is not known here", device.name(), message);
            if (acknowledge) reply(message, REFUSED);
            return;
        }
        try {
            request.check(message);
            answer(request, message);
        } catch (IOException e) {
            if (request.answered || !acknowledge) throw e;
            lines.warn("{}: refused: {}", device.name(), e.getMessage());
            reply(message, REFUSED);
            return;
        }
        if (acknowledge && !request.answered) reply(message, OK);
    }

    private void reply(Message to, long value) throws IOException {
        reply(to, Message.u64(value));
    }

    private void reply(Message to, byte[] payload, int... descriptors) throws IOException {
        channel.send(to.request(), Message.REPLY, payload, descriptors);
    }

    private void answer(Request request, Message message) throws IOException {
        switch (request) {
            case GET_FEATURES -> reply(message, offeredFeatures());
            case SET_FEATURES -> setFeatures(message.u64());
            case SET_OWNER, SET_LOG_FD -> {} // who wants to know when the log changes may look
            case RESET_OWNER -> change(() -> Arrays.stream(vrings).forEach(vring -> vring.enabled = false));
            case SET_MEM_TABLE -> {
                List<MemoryRegion> regions = MemoryRegion.table(message);
                change(() -> table.set(regions, message));
            }
            case SET_LOG_BASE -> {
                setLog(new DirtyLog(message.take(0), Log.of(message)));
                reply(message, OK);
            }
            case SET_VRING_NUM -> setSize(VringState.of(message));
            case SET_VRING_ADDR -> setAddress(VringAddress.of(message));
            case SET_VRING_BASE ->
                stopped(VringState.of(message).index()).base =
                        VringState.of(message).num();
            case GET_VRING_BASE -> getBase(message);
            case SET_VRING_KICK -> setKick(message);
            case SET_VRING_CALL -> {
                VringFile file = VringFile.of(message);
                setCall(vring(file.index()), descriptor(file, message));
            }
            case SET_VRING_ERR -> {
                VringFile file = VringFile.of(message);
                vring(file.index()).error(descriptor(file, message));
            }
            case GET_PROTOCOL_FEATURES -> reply(message, offeredProtocolFeatures());
            case SET_PROTOCOL_FEATURES -> {
                protocolFeatures = checkOffered("protocol features", message.u64(), offeredProtocolFeatures());
                LOG.debug("{}: protocol features {}", device.name(), ProtocolFeatures.names(protocolFeatures));
            }
            case GET_QUEUE_NUM -> reply(message, vrings.length);
            case SET_VRING_ENABLE -> enable(VringState.of(message));
            case SET_BACKEND_REQ_FD -> setRequests(message.take(0));
            case GET_CONFIG -> getConfig(message);
            case SET_CONFIG -> setConfig(Config.of(message));
            case GET_INFLIGHT_FD -> getInflight(message);
            case SET_INFLIGHT_FD -> setInflight(message);
            case RESET_DEVICE -> reset();
            case GET_MAX_MEM_SLOTS -> reply(message, MemoryTable.MAX_SLOTS);
            case ADD_MEM_REG -> change(() -> table.add(MemoryRegion.single(message), message.take(0)));
            case REM_MEM_REG -> change(() -> table.remove(MemoryRegion.single(message)));
            case SET_STATUS -> setStatus(message.u64());
            case GET_STATUS -> reply(message, status);
        }
    }

    private static long checkOffered(String what, long value, long offered) throws ProtocolException {
        if ((value & ~offered) != 0)
            throw new ProtocolException(what + " that were not offered: 0x" + Long.toHexString(value & ~offered));
        return value;
    }

    private void setFeatures(long value) throws IOException {
        checkOffered("features", value, offeredFeatures());
        if (hasFeatures && value == features) return;
        change(() -> {
            features = value;
            hasFeatures = true;
        });
    }

    // Queues

    private Vring vring(int index) throws ProtocolException {
        if (index < 0 || index >= vrings.length)
            throw new ProtocolException("queue " + Integer.toUnsignedString(index) + " of " + vrings.length);
        return vrings[index];
    }

    private Vring stopped(int index) throws ProtocolException {
        Vring vring = vring(index);
        if (vring.running) throw new ProtocolException("queue " + index + " runs");
        return vring;
    }

    private void setSize(VringState state) throws ProtocolException {
        Vring vring = stopped(state.index());
        int most = device.maxQueueSize(vring.index);
        if (state.num() < 1 || state.num() > most)
            throw new ProtocolException("queue " + vring.index + " can have 1 to " + most + " entries, not "
                    + Integer.toUnsignedString(state.num()));
        vring.size = state.num();
    }

    /**
     * May come while the queue runs, to begin or end logging: pages of the used ring are logged with the rest, so there
     * is nothing to change.
     */
    private void setAddress(VringAddress address) throws IOException {
        Vring vring = vring(address.index());
        VringAddress before = vring.address;
        if (vring.running
                && before.descriptors() == address.descriptors()
                && before.used() == address.used()
                && before.available() == address.available()) return;
        if (!table.isEmpty()) checkAddress(vring, address);
        stop(vring);
        vring.address = address;
        update();
    }

    private void checkAddress(Vring vring, VringAddress address) throws ProtocolException {
        gpa(vring, "descriptors", address.descriptors());
        gpa(vring, "available ring", address.available());
        gpa(vring, "used ring", address.used());
    }

    private static int descriptor(VringFile file, Message message) {
        return file.none() ? -1 : message.take(0);
    }

    private void setKick(Message message) throws IOException {
        VringFile file = VringFile.of(message);
        Vring vring = vring(file.index());
        if (file.none())
            throw new ProtocolException(
                    "queue " + vring.index + " has no kick descriptor; this device does not look by itself");
        int kick = vring.checked("kick", message.take(0));
        stop(vring);
        vring.kick(kick);
        update();
    }

    /**
     * A front end such as QEMU changes the descriptor when the queue runs already, and waits for no answer: the driver
     * may have been served meanwhile, and told where nobody listens any more. So it is told once more.
     */
    private void setCall(Vring vring, int descriptor) throws IOException {
        vring.call(descriptor);
        if (vring.running) vring.interrupt();
    }

    private void enable(VringState state) throws IOException {
        Vring vring = vring(state.index());
        if (state.num() != 0 && state.num() != 1)
            throw new ProtocolException("queue " + vring.index + " is enabled with 1 and disabled with 0, not with "
                    + Integer.toUnsignedString(state.num()));
        vring.enabled = state.num() == 1;
        if (!vring.enabled) stop(vring);
        update();
    }

    private void getBase(Message message) throws IOException {
        Vring vring = vring(VringState.of(message).index());
        stop(vring);
        vring.kick(-1);
        reply(message, new VringState(vring.index, vring.base).bytes());
    }

    private boolean canRun(Vring vring) {
        boolean enabled = vring.enabled || (features & Features.VHOST_PROTOCOL) == 0;
        return hasFeatures && enabled && vring.size > 0 && vring.address != null && vring.hasKick();
    }

    private void update() throws IOException {
        for (Vring vring : vrings) {
            if (!vring.running && canRun(vring)) start(vring);
        }
    }

    private void start(Vring vring) throws IOException {
        QueueSetup setup = setup(vring);
        if (!active) {
            if ((features & Features.VERSION_1) == 0) throw new ProtocolException("the driver is of virtio before 1.0");
            device.activate(new DeviceSession(
                    features & device.features(), table.memory((features & LOG_ALL) != 0 ? log : null), this));
            active = true;
        }
        device.startQueue(setup);
        vring.running = true;
    }

    private QueueSetup setup(Vring vring) throws IOException {
        VringAddress at = vring.address;
        long region = inflight == null ? 0 : inflight.queue(vring.index, vring.size);
        return new QueueSetup(
                vring.index,
                vring.size,
                gpa(vring, "descriptors", at.descriptors()),
                gpa(vring, "available ring", at.available()),
                gpa(vring, "used ring", at.used()),
                vring.base,
                region,
                vring.kick());
    }

    private long gpa(Vring vring, String what, long user) throws ProtocolException {
        long gpa = table.gpa(user);
        if (gpa < 0)
            throw new ProtocolException(what + " of queue " + vring.index + " at user address 0x"
                    + Long.toHexString(user) + ": not in the memory table");
        return gpa;
    }

    private void stop(Vring vring) {
        if (!vring.running) return;
        vring.base = device.stopQueue(vring.index);
        vring.running = false;
    }

    @FunctionalInterface
    private interface Change {
        void make() throws IOException;
    }

    /** What the device must not see while it runs. Queues that cannot go on afterwards are an error of the change. */
    private void change(Change change) throws IOException {
        pause();
        try {
            change.make();
        } catch (IOException e) {
            update();
            throw e;
        }
        update();
    }

    private void pause() {
        for (Vring vring : vrings) stop(vring);
        if (active) device.deactivate();
        active = false;
    }

    private void reset() throws IOException {
        pause();
        for (Vring vring : vrings) vring.reset();
        status(0);
        setInflight((InflightArea) null);
    }

    // What belongs to all queues

    private void setStatus(long value) throws IOException {
        if ((value & ~0xff) != 0) throw new ProtocolException("status 0x" + Long.toHexString(value));
        if (value == 0) reset();
        else status((int) value | status & NEEDS_RESET);
    }

    private synchronized void status(int bits) {
        status = bits;
    }

    private synchronized void addStatus(int bits) {
        status |= bits;
    }

    private void setLog(DirtyLog newLog) throws IOException {
        DirtyLog old = log;
        try {
            change(() -> log = newLog);
        } finally { // also when a queue cannot go on
            if (old != null) old.release();
        }
    }

    private void getInflight(Message message) throws IOException {
        Inflight wanted = Inflight.of(message);
        if (wanted.queues() < 1
                || wanted.queues() > vrings.length
                || wanted.queueSize() < 1
                || wanted.queueSize() > 32768) {
            throw new ProtocolException(
                    message + " for " + wanted.queues() + " queues of " + wanted.queueSize() + " entries");
        }
        MemoryObject object = inflightMemory(wanted);
        try {
            reply(
                    message,
                    new Inflight(object.sizeBytes(), 0, wanted.queues(), wanted.queueSize()).bytes(),
                    object.descriptor());
        } finally {
            object.release();
        }
    }

    /** What was made before the process was confined, with nothing in it; else new memory. */
    private MemoryObject inflightMemory(Inflight wanted) throws IOException {
        long sizeBytes = InflightArea.objectBytes(wanted.queues(), wanted.queueSize());
        if (prepared == null) return InflightArea.create(wanted.queues(), wanted.queueSize());
        if (sizeBytes > prepared.sizeBytes())
            throw new ProtocolException("in-flight memory for " + wanted.queues() + " queues of " + wanted.queueSize()
                    + " entries; this process has " + prepared.sizeBytes() + " bytes");
        Descriptors.fallocate(
                prepared,
                prepared.descriptor(),
                Descriptors.FALLOC_FL_PUNCH_HOLE | Descriptors.FALLOC_FL_KEEP_SIZE,
                0,
                prepared.sizeBytes());
        return prepared.reference();
    }

    private void setInflight(Message message) throws IOException {
        for (Vring vring : vrings) stopped(vring.index);
        setInflight(new InflightArea(message.take(0), Inflight.of(message)));
    }

    private void setInflight(InflightArea area) throws IOException {
        InflightArea old = inflight;
        inflight = area;
        if (old != null) old.release();
    }

    private void getConfig(Message message) throws IOException {
        Config wanted = Config.of(message);
        byte[] all = Arrays.copyOf(device.config().get(), Config.MAX_BYTES);
        byte[] bytes = Arrays.copyOfRange(all, wanted.offset(), wanted.offset() + wanted.size());
        reply(message, new Config(wanted.offset(), wanted.size(), wanted.flags(), bytes).payload());
    }

    private void setConfig(Config config) throws IOException {
        if (config.flags() != 0)
            throw new ProtocolException("SET_CONFIG for migration, which this device does not take part in");
        ConfigSpace space = device.config();
        for (int at = 0; at < config.size(); at += Long.BYTES) {
            int size = Math.min(Long.BYTES, config.size() - at);
            long value = 0;
            for (int i = 0; i < size; i++) value |= (config.bytes()[at + i] & 0xffL) << 8 * i;
            space.write(config.offset() + at, size, value);
            if (space.get(config.offset() + at, size) != value)
                throw new ProtocolException(
                        "SET_CONFIG of a field that cannot be written: offset " + (config.offset() + at));
        }
    }

    private void setRequests(int descriptor) throws IOException {
        try {
            if ((FileStatus.of("back-end requests", descriptor).mode() & FileStatus.S_IFMT) != FileStatus.S_IFSOCK)
                throw new ProtocolException("the channel for back-end requests is no socket");
        } catch (Throwable t) {
            Descriptors.close(descriptor);
            throw t;
        }
        MessageChannel old = requests;
        requests = new MessageChannel(DescriptorChannel.of("back-end requests", descriptor));
        if (old != null) old.close();
    }

    // What the device says, on its threads

    @Override
    public void interrupt(int queue) {
        vrings[queue].interrupt();
    }

    /** When there is no room the front end has not read of earlier changes either; it will see this one with them. */
    @Override
    public void configChanged() {
        MessageChannel to = requests;
        if (to == null || (protocolFeatures & CONFIG) == 0) return;
        try {
            to.trySend(CONFIG_CHANGE, 0, new byte[0]);
        } catch (IOException e) {
            LOG.debug("{}: config change not told: {}", device.name(), e.getMessage());
        }
    }

    @Override
    public void needsReset(String why) {
        lines.warn("{}: the driver must reset the device: {}", device.name(), why);
        addStatus(NEEDS_RESET);
        for (Vring vring : vrings) vring.tellError();
        configChanged();
    }

    private void end() throws IOException {
        pause();
        for (Vring vring : vrings) vring.reset();
        setInflight((InflightArea) null);
        if (log != null) log.release();
        log = null;
        table.clear();
        if (requests != null) requests.close();
        channel.close();
    }
}
