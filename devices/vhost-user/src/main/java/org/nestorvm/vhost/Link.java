package org.nestorvm.vhost;

import static org.nestorvm.vhost.ProtocolFeatures.BACKEND_REQ;
import static org.nestorvm.vhost.ProtocolFeatures.CONFIG;
import static org.nestorvm.vhost.ProtocolFeatures.CONFIGURE_MEM_SLOTS;
import static org.nestorvm.vhost.ProtocolFeatures.INFLIGHT_SHMFD;
import static org.nestorvm.vhost.ProtocolFeatures.MQ;
import static org.nestorvm.vhost.ProtocolFeatures.REPLY_ACK;
import static org.nestorvm.vhost.ProtocolFeatures.RESET_DEVICE;
import static org.nestorvm.vhost.ProtocolFeatures.STATUS;

import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.vhost.Payloads.Config;
import org.nestorvm.vhost.Payloads.Inflight;
import org.nestorvm.vhost.Payloads.MemoryRegion;
import org.nestorvm.vhost.Payloads.VringAddress;
import org.nestorvm.vhost.Payloads.VringFile;
import org.nestorvm.vhost.Payloads.VringState;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.QueueSetup;

/**
 * One connection of a {@link FrontEnd}: what was agreed on, and the requests, each answered before the next where the
 * back end can. Used by one thread at a time; {@link #close} by any.
 */
final class Link implements Closeable {
    /** The back end is alive and says no: another connection would not help. */
    static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1L;

        RefusedException(String message) {
            super(message);
        }
    }

    private static final long SPOKEN =
            MQ | REPLY_ACK | BACKEND_REQ | CONFIG | INFLIGHT_SHMFD | RESET_DEVICE | CONFIGURE_MEM_SLOTS | STATUS;
    private static final int TABLE_REGIONS = 8;

    private final MessageChannel channel;
    private final int answerMs;
    private long features, protocolFeatures;
    private int queueLimit = Integer.MAX_VALUE, slotLimit = TABLE_REGIONS;
    private DescriptorChannel requests; // from the back end
    private List<Told> told = List.of();

    /** Begins the conversation. @throws IOException then the channel is closed */
    Link(DescriptorChannel socket, int answerMs) throws IOException {
        channel = new MessageChannel(socket);
        this.answerMs = answerMs;
        try {
            introduce();
        } catch (Throwable t) {
            close();
            throw t;
        }
    }

    private void introduce() throws IOException {
        features = getU64(Request.GET_FEATURES);
        if ((features & Features.VHOST_PROTOCOL) != 0) {
            protocolFeatures = getU64(Request.GET_PROTOCOL_FEATURES) & SPOKEN;
            set(Request.SET_PROTOCOL_FEATURES, Message.u64(protocolFeatures));
        }
        set(Request.SET_OWNER, new byte[0]);
        if (has(MQ)) queueLimit = small(Request.GET_QUEUE_NUM);
        if (has(CONFIGURE_MEM_SLOTS)) slotLimit = small(Request.GET_MAX_MEM_SLOTS);
        if (has(BACKEND_REQ)) openRequests();
    }

    private int small(Request request) throws IOException {
        return (int) Math.clamp(getU64(request), 0, Integer.MAX_VALUE);
    }

    private void openRequests() throws IOException {
        int[] pair = Sockets.pair(channel);
        requests = DescriptorChannel.of("requests of " + channel, pair[0]);
        try {
            set(Request.SET_BACKEND_REQ_FD, new byte[0], pair[1]);
        } finally {
            Descriptors.close(pair[1]);
        }
    }

    boolean has(long feature) {
        return (protocolFeatures & feature) != 0;
    }

    /** Device features that the back end offers. */
    long features() {
        return features;
    }

    int queueLimit() {
        return queueLimit;
    }

    MessageChannel channel() {
        return channel;
    }

    /** Null where the back end asks nothing. */
    DescriptorChannel requests() {
        return requests;
    }

    private Message ask(Request request, byte[] payload, int... descriptors) throws IOException {
        channel.send(request.id, 0, payload, descriptors);
        return answer(request);
    }

    private Message answer(Request request) throws IOException {
        Message message = channel.receive(answerMs, _ -> Config.HEADER_BYTES + Config.MAX_BYTES);
        if (message == null)
            throw new ProtocolException(channel + ": the back end closed instead of answering " + request);
        if (message.request() == request.id && message.isReply()) return message;
        message.close();
        throw new ProtocolException(channel + ": " + message + " instead of an answer to " + request);
    }

    private static Message sized(Message message, int sizeBytes, int descriptors) throws IOException {
        if (message.payload().length == sizeBytes && message.descriptorCount() == descriptors) return message;
        message.close();
        throw new ProtocolException(message + " has " + message.payload().length + " bytes and "
                + message.descriptorCount() + " descriptors, not " + sizeBytes + " and " + descriptors);
    }

    private long getU64(Request request) throws IOException {
        try (Message message = sized(ask(request, new byte[0]), Long.BYTES, 0)) {
            return message.u64();
        }
    }

    private void set(Request request, byte[] payload, int... descriptors) throws IOException {
        boolean acknowledged = has(REPLY_ACK) && request != Request.SET_PROTOCOL_FEATURES;
        channel.send(request.id, acknowledged ? Message.NEED_REPLY : 0, payload, descriptors);
        if (!acknowledged) return;
        try (Message message = sized(answer(request), Long.BYTES, 0)) {
            if (message.u64() != 0) throw new RefusedException(channel + ": the back end refuses " + request);
        }
    }

    /** @param driverFeatures what the driver has accepted of {@link #features} */
    void setFeatures(long driverFeatures) throws IOException {
        set(Request.SET_FEATURES, Message.u64(driverFeatures | features & Features.VHOST_PROTOCOL));
    }

    void setStatus(int status) throws IOException {
        if (has(STATUS)) set(Request.SET_STATUS, Message.u64(status));
    }

    void reset() throws IOException {
        if (has(STATUS)) set(Request.SET_STATUS, Message.u64(0));
        else if (has(RESET_DEVICE)) set(Request.RESET_DEVICE, new byte[0]);
    }

    /** A region with the file behind it: another one may come under the same addresses and the same descriptor. */
    private record Told(MemoryRegion region, long device, long inode, int descriptor) {
        boolean isSame(Told other) {
            return region.equals(other.region) && device == other.device && inode == other.inode;
        }

        boolean isIn(List<Told> others) {
            return others.stream().anyMatch(this::isSame);
        }
    }

    /** What the back end does not know yet, or should forget. */
    void setMemory(DeviceMemory memory) throws IOException {
        List<DeviceMemory.Region> regions = memory.regions();
        if (regions.size() > slotLimit)
            throw new RefusedException(channel + ": the guest's memory has " + regions.size()
                    + " regions, the back end takes " + slotLimit);
        List<Told> wanted = new ArrayList<>();
        for (DeviceMemory.Region region : regions) wanted.add(described(region));
        if (wanted.size() == told.size() && wanted.stream().allMatch(one -> one.isIn(told))) return;
        if (has(CONFIGURE_MEM_SLOTS)) changeMemory(wanted);
        else replaceMemory(wanted);
        told = wanted;
    }

    /** User addresses are those of this process. */
    private Told described(DeviceMemory.Region region) throws IOException {
        if (region.descriptor() < 0)
            throw new RefusedException(channel + ": the region of guest memory at 0x" + Long.toHexString(region.gpa())
                    + " has no file that could be shared");
        FileStatus file = FileStatus.of(channel, region.descriptor());
        return new Told(
                new MemoryRegion(region.gpa(), region.sizeBytes(), region.hostAddress(), region.fileOffset()),
                file.device(),
                file.inode(),
                region.descriptor());
    }

    private void replaceMemory(List<Told> wanted) throws IOException {
        set(
                Request.SET_MEM_TABLE,
                MemoryRegion.table(wanted.stream().map(Told::region).toList()),
                wanted.stream().mapToInt(Told::descriptor).toArray());
    }

    /** A failure ends the connection or the activation; what was told by then is known either way. */
    private void changeMemory(List<Told> wanted) throws IOException {
        List<Told> now = new ArrayList<>(told);
        told = now;
        for (Told old : List.copyOf(now)) {
            if (old.isIn(wanted)) continue;
            set(Request.REM_MEM_REG, old.region.single());
            now.remove(old);
        }
        for (Told fresh : wanted) {
            if (fresh.isIn(now)) continue;
            set(Request.ADD_MEM_REG, fresh.region.single(), fresh.descriptor);
            now.add(fresh);
        }
    }

    /** @return with its descriptor, which is the caller's */
    Kept getInflight(int queues, int queueSize) throws IOException {
        try (Message message = ask(Request.GET_INFLIGHT_FD, new Inflight(0, 0, queues, queueSize).bytes())) {
            if (message.payload().length < 20 || message.descriptorCount() != 1)
                throw new ProtocolException(message + " has " + message.payload().length + " bytes and "
                        + message.descriptorCount() + " descriptors");
            return new Kept(Inflight.of(message), message.take(0));
        }
    }

    /** In-flight memory while this process keeps it. */
    record Kept(Inflight description, int descriptor) {}

    void setInflight(Kept kept) throws IOException {
        set(Request.SET_INFLIGHT_FD, kept.description().bytes(), kept.descriptor());
    }

    /** @param addresses of the areas, in this process; the index is the setup's */
    void startQueue(QueueSetup setup, VringAddress addresses, int base, int kick, int call, int error)
            throws IOException {
        int index = setup.index();
        set(Request.SET_VRING_NUM, new VringState(index, setup.size()).bytes());
        set(Request.SET_VRING_BASE, new VringState(index, base).bytes());
        set(Request.SET_VRING_ADDR, addresses.bytes());
        byte[] file = new VringFile(index, false).bytes();
        set(Request.SET_VRING_CALL, file, call);
        set(Request.SET_VRING_ERR, file, error);
        set(Request.SET_VRING_KICK, file, kick);
        if ((features & Features.VHOST_PROTOCOL) != 0) set(Request.SET_VRING_ENABLE, new VringState(index, 1).bytes());
    }

    /** @return where the queue has stopped */
    int stopQueue(int index) throws IOException {
        try (Message message = sized(ask(Request.GET_VRING_BASE, new VringState(index, 0).bytes()), 8, 0)) {
            VringState state = VringState.of(message);
            if (state.index() != index)
                throw new ProtocolException(message + " is about queue " + state.index() + ", not " + index);
            return state.num();
        }
    }

    byte[] getConfig(int sizeBytes) throws IOException {
        try (Message message = ask(Request.GET_CONFIG, new Config(0, sizeBytes, 0, new byte[sizeBytes]).payload())) {
            if (message.payload().length != Config.HEADER_BYTES + sizeBytes)
                throw new RefusedException(channel + ": the back end has no configuration of " + sizeBytes + " bytes");
            return Config.of(message).bytes();
        }
    }

    void setConfig(int offset, byte[] bytes) throws IOException {
        set(Request.SET_CONFIG, new Config(offset, bytes.length, 0, bytes).payload());
    }

    @Override
    public void close() {
        channel.close();
        if (requests != null) requests.close();
    }
}
