package org.nestorvm.virtio.vsock;

/**
 * RST packets that belong to no connection and wait for a receive buffer: a ring of fixed size. While it is full the
 * guest's packets are not looked at.
 */
final class Resets {
    private static final int SIZE = 128;
    private final long[] srcCid = new long[SIZE], dstCid = new long[SIZE], ports = new long[SIZE];
    private final int[] types = new int[SIZE];
    private int first, count;

    boolean hasRoom() {
        return count < SIZE;
    }

    boolean isEmpty() {
        return count == 0;
    }

    void add(long fromCid, int fromPort, long toCid, int toPort, int type) {
        int at = (first + count++) % SIZE;
        srcCid[at] = fromCid;
        dstCid[at] = toCid;
        ports[at] = (long) fromPort << 32 | toPort & 0xffffffffL;
        types[at] = type;
    }

    void take(Header into) {
        into.srcCid = srcCid[first];
        into.dstCid = dstCid[first];
        into.srcPort = (int) (ports[first] >>> 32);
        into.dstPort = (int) ports[first];
        into.type = types[first];
        into.op = Header.OP_RST;
        into.flags = 0;
        into.bufAlloc = 0;
        into.fwdCnt = 0;
        first = (first + 1) % SIZE;
        count--;
    }

    void clear() {
        count = 0;
    }
}
