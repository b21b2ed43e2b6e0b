package org.nestorvm.virtio.net;

/**
 * Which frames a driver wants (5.1.6.5.1 to 5.1.6.5.3). Immutable, so that the queues' threads read it without a lock;
 * the control queue puts another one in its place. A new device lets everything through, as it must for a driver that
 * never says what it wants.
 */
final class ReceiveFilter {
    /** Addresses of each kind that are compared one by one; with more all of the kind pass. */
    static final int TABLE = 64;

    private static final long BROADCAST = (1L << 48) - 1;

    private final long mac;
    private final int modes;
    private final boolean promiscuous, allMulticast, allUnicast, noMulticast, noUnicast, noBroadcast;
    private final long[] unicast, multicast;
    /** Identifiers that pass, a bit each; null when tags are not looked at. */
    private final long[] vlans;

    private ReceiveFilter(long mac, int modes, long[] unicast, long[] multicast, long[] vlans) {
        this.mac = mac;
        this.modes = modes;
        promiscuous = has(Mode.PROMISCUOUS);
        allMulticast = has(Mode.ALL_MULTICAST);
        allUnicast = has(Mode.ALL_UNICAST);
        noMulticast = has(Mode.NO_MULTICAST);
        noUnicast = has(Mode.NO_UNICAST);
        noBroadcast = has(Mode.NO_BROADCAST);
        this.unicast = unicast;
        this.multicast = multicast;
        this.vlans = vlans;
    }

    /** The commands of class VIRTIO_NET_CTRL_RX, in their order. */
    enum Mode {
        PROMISCUOUS,
        ALL_MULTICAST,
        ALL_UNICAST,
        NO_MULTICAST,
        NO_UNICAST,
        NO_BROADCAST
    }

    /** @param vlans whether the driver names the tags it wants */
    static ReceiveFilter open(MacAddress mac, boolean vlans) {
        return new ReceiveFilter(
                mac.value(),
                1 << Mode.PROMISCUOUS.ordinal(),
                new long[0],
                new long[0],
                vlans ? new long[4096 / Long.SIZE] : null);
    }

    private boolean has(Mode mode) {
        return (modes & 1 << mode.ordinal()) != 0;
    }

    ReceiveFilter with(Mode mode, boolean on) {
        int bit = 1 << mode.ordinal();
        return new ReceiveFilter(mac, on ? modes | bit : modes & ~bit, unicast, multicast, vlans);
    }

    ReceiveFilter with(MacAddress newMac) {
        return new ReceiveFilter(newMac.value(), modes, unicast, multicast, vlans);
    }

    /** Tables that are null let everything of their kind pass. */
    ReceiveFilter with(long[] newUnicast, long[] newMulticast) {
        return new ReceiveFilter(mac, modes, newUnicast, newMulticast, vlans);
    }

    ReceiveFilter withVlan(int id, boolean on) {
        long[] next = vlans.clone();
        if (on) next[id / Long.SIZE] |= 1L << id;
        else next[id / Long.SIZE] &= ~(1L << id);
        return new ReceiveFilter(mac, modes, unicast, multicast, next);
    }

    /** Whether frames need not be looked at. */
    boolean isOpen() {
        return promiscuous;
    }

    /** @param destination the frame's, as a number @param vlan its tag's identifier, or -1 without a tag */
    boolean accepts(long destination, int vlan) {
        if (promiscuous) return true;
        if (vlan >= 0 && vlans != null && (vlans[vlan / Long.SIZE] & 1L << vlan) == 0) return false;
        if (destination == BROADCAST) return !noBroadcast;
        if ((destination & 1L << 40) != 0) return !noMulticast && (allMulticast || has(multicast, destination));
        return !noUnicast && (allUnicast || destination == mac || has(unicast, destination));
    }

    private static boolean has(long[] table, long address) {
        if (table == null) return true;
        for (long entry : table) if (entry == address) return true;
        return false;
    }
}
