package org.nestorvm.virtio.net;

import java.io.IOException;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.DeviceSession;
import org.nestorvm.virtio.queue.Chain;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The control queue, 5.1.6.5: which frames the driver wants, which address it has, how many pairs of queues it uses. A
 * command that was not negotiated, is not known, or is not as long as it must be is answered with VIRTIO_NET_ERR and
 * changes nothing.
 */
final class NetControl {
    /** What commands act on besides the filter. Called on the control queue's loop. */
    interface Target {
        void usePairs(int count) throws IOException;

        void macChanged(MacAddress mac);
    }

    static final int OK = 0, ERR = 1;
    static final int CTRL_RX = 0, CTRL_MAC = 1, CTRL_VLAN = 2, CTRL_MQ = 4;
    static final int MAC_TABLE_SET = 0, MAC_ADDR_SET = 1;
    static final int VLAN_ADD = 0, VLAN_DEL = 1;
    static final int MQ_VQ_PAIRS_SET = 0;
    private static final int HEADER_BYTES = 2, MAC_BYTES = 6;
    private static final Logger LOG = LoggerFactory.getLogger(NetControl.class);

    private final MacAddress mac;
    private final int maxPairs;
    private final Target target;
    private final byte[] buffer = new byte[HEADER_BYTES + MAC_BYTES];
    private final byte[] entry = new byte[MAC_BYTES];
    private DeviceSession session;
    private volatile ReceiveFilter filter;

    NetControl(MacAddress mac, int maxPairs, Target target) {
        this.mac = mac;
        this.maxPairs = maxPairs;
        this.target = target;
        filter = ReceiveFilter.open(mac, false);
    }

    /** A driver comes: everything is as at the beginning. */
    void begin(DeviceSession newSession) {
        session = newSession;
        filter = ReceiveFilter.open(mac, newSession.has(NetFeatures.CTRL_VLAN));
    }

    ReceiveFilter filter() {
        return filter;
    }

    /** @return bytes written */
    long serve(Chain chain) {
        IoVector to = chain.writable();
        if (to.isEmpty()) return 0; // nowhere to say so
        buffer[0] = (byte) (run(chain.readable()) ? OK : ERR);
        to.copyIn(0, buffer, 0, 1);
        return 1;
    }

    private boolean run(IoVector command) {
        if (command.totalBytes() < HEADER_BYTES) return false;
        command.copyOut(0, buffer, 0, HEADER_BYTES);
        int type = buffer[0] & 0xff, number = buffer[1] & 0xff;
        command.skip(HEADER_BYTES);
        return switch (type) {
            case CTRL_RX -> session.has(NetFeatures.CTRL_RX) && setMode(number, command);
            case CTRL_MAC ->
                number == MAC_TABLE_SET
                        ? session.has(NetFeatures.CTRL_RX) && setTables(command)
                        : number == MAC_ADDR_SET && session.has(NetFeatures.CTRL_MAC_ADDR) && setMac(command);
            case CTRL_VLAN -> session.has(NetFeatures.CTRL_VLAN) && setVlan(number, command);
            case CTRL_MQ -> session.has(NetFeatures.MQ) && number == MQ_VQ_PAIRS_SET && setPairs(command);
            default -> false;
        };
    }

    private boolean setMode(int number, IoVector data) {
        ReceiveFilter.Mode[] modes = ReceiveFilter.Mode.values();
        boolean extra = number > ReceiveFilter.Mode.ALL_MULTICAST.ordinal();
        if (number >= modes.length || data.totalBytes() != 1 || extra && !session.has(NetFeatures.CTRL_RX_EXTRA))
            return false;
        data.copyOut(0, buffer, 0, 1);
        filter = filter.with(modes[number], buffer[0] != 0);
        return true;
    }

    /** A table of unicast addresses and then one of multicast addresses, each after its number of entries. */
    private boolean setTables(IoVector data) {
        long unicast = count(data, 0);
        if (unicast < 0) return false;
        long at = Integer.BYTES + MAC_BYTES * unicast;
        long multicast = count(data, at);
        if (multicast < 0 || data.totalBytes() != at + Integer.BYTES + MAC_BYTES * multicast) return false;
        filter = filter.with(table(data, Integer.BYTES, unicast), table(data, at + Integer.BYTES, multicast));
        return true;
    }

    /** @return -1 when there is none, or the data is shorter than it says */
    private long count(IoVector data, long at) {
        if (data.totalBytes() < at + Integer.BYTES) return -1;
        data.copyOut(at, buffer, 0, Integer.BYTES);
        long count =
                (buffer[0] & 0xffL) | (buffer[1] & 0xffL) << 8 | (buffer[2] & 0xffL) << 16 | (buffer[3] & 0xffL) << 24;
        return at + Integer.BYTES + count * MAC_BYTES <= data.totalBytes() ? count : -1;
    }

    private long[] table(IoVector data, long at, long count) {
        if (count > ReceiveFilter.TABLE) return null;
        long[] table = new long[(int) count];
        for (int i = 0; i < count; i++) {
            data.copyOut(at + (long) MAC_BYTES * i, entry, 0, MAC_BYTES);
            table[i] = MacAddress.of(entry).value();
        }
        return table;
    }

    private boolean setMac(IoVector data) {
        if (data.totalBytes() != MAC_BYTES) return false;
        data.copyOut(0, entry, 0, MAC_BYTES);
        MacAddress next = MacAddress.of(entry);
        filter = filter.with(next);
        target.macChanged(next);
        return true;
    }

    private int word(IoVector data) {
        if (data.totalBytes() != Short.BYTES) return -1;
        data.copyOut(0, buffer, 0, Short.BYTES);
        return (buffer[0] & 0xff) | (buffer[1] & 0xff) << 8;
    }

    private boolean setVlan(int number, IoVector data) {
        int id = word(data);
        if (id < 0 || id > 4095 || number != VLAN_ADD && number != VLAN_DEL) return false;
        filter = filter.withVlan(id, number == VLAN_ADD);
        return true;
    }

    private boolean setPairs(IoVector data) {
        int pairs = word(data);
        if (pairs < 1 || pairs > maxPairs) return false;
        try {
            target.usePairs(pairs);
            return true;
        } catch (IOException e) {
            LOG.warn("{} pairs of queues: {}", pairs, e.getMessage());
            return false;
        }
    }
}
