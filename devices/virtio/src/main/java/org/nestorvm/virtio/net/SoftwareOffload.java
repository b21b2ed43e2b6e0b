package org.nestorvm.virtio.net;

import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/**
 * What a network card does for a driver: completes checksums (5.1.6.2.1) and cuts large TCP packets into segments.
 * Takes a packet as the driver has given it, header first, and hands out finished Ethernet frames: the driver's memory
 * is only read, headers that change are copied here, and payload stays where it is.
 *
 * <p>The driver's numbers are checked against the packet's length alone. One that lies about what is in it harms its
 * own packet.
 */
final class SoftwareOffload {
    /** Takes one finished frame. The vector is used again; what it points to stays until {@link #reset}. */
    @FunctionalInterface
    interface Sink {
        /** @return 0 or a negated errno */
        int frame(IoVector frame);
    }

    /** What {@link #emit} answers to a packet that makes no sense. */
    static final int MALFORMED = Integer.MIN_VALUE;
    /** The same to one that must come again after {@link #reset}. */
    static final int NO_ROOM = Integer.MIN_VALUE + 1;

    static final int ETHERNET_BYTES = 14;
    /** An Ethernet frame with the longest IP packet and two VLAN tags. */
    static final int MAX_FRAME_BYTES = 65535 + ETHERNET_BYTES + 2 * 4;
    /** The least that Linux cuts segments to, TCP_MIN_SND_MSS: bounds how many one packet makes. */
    static final int MIN_SEGMENT_BYTES = 48;

    private static final int MAX_HEADER_BYTES = 1024, MIN_TCP_BYTES = 20, MAX_TCP_BYTES = 60;
    private static final int ETHERTYPE = 12, VLAN = 0x8100, QINQ = 0x88a8, IPV4 = 0x0800, IPV6 = 0x86dd;
    private static final int IPV4_LENGTH = 2,
            IPV4_ID = 4,
            IPV4_CHECKSUM = 10,
            IPV4_SOURCE = 12,
            IPV6_LENGTH = 4,
            IPV6_SOURCE = 8,
            IPV6_BYTES = 40,
            PROTOCOL_TCP = 6;
    private static final int TCP_SEQUENCE = 4, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_CHECKSUM = 16;
    private static final int FIN = 1, PSH = 8, CWR = 0x80;
    /** Headers of the segments of the longest packet in the shortest pieces, and of some more packets. */
    static final int SCRATCH_BYTES = 256 << 10;

    @SuppressWarnings("unused") // keeps the memory
    private final Arena arena = Arena.ofAuto();

    private final long header = arena.allocate(NetHeader.BYTES, Long.BYTES).address();
    private final long scratch = arena.allocate(SCRATCH_BYTES, Long.BYTES).address();
    private final IoVector frame = new IoVector(64);
    private int scratchUsed;

    /** Frames handed out until now have been sent. */
    void reset() {
        scratchUsed = 0;
    }

    /**
     * @return 0, {@link #MALFORMED}, {@link #NO_ROOM}, or what the sink answered to the first frame that it did not
     *     take, after which come no more
     */
    int emit(IoVector packet, Sink sink) {
        int before = scratchUsed;
        int result = finish(packet, sink);
        if (result != NO_ROOM) return result;
        scratchUsed = before;
        return before == 0 ? MALFORMED : NO_ROOM;
    }

    private int finish(IoVector packet, Sink sink) {
        long frameBytes = packet.totalBytes() - NetHeader.BYTES;
        if (frameBytes < ETHERNET_BYTES || frameBytes > MAX_FRAME_BYTES) return MALFORMED;
        packet.copyOut(0, header, NetHeader.BYTES);
        boolean needsChecksum = (HostMemory.getByte(header + NetHeader.FLAGS) & NetHeader.F_NEEDS_CSUM) != 0;
        int type = HostMemory.getByte(header + NetHeader.GSO_TYPE) & 0xff & ~NetHeader.GSO_ECN;
        int start = HostMemory.getShort(header + NetHeader.CSUM_START) & 0xffff;
        int offset = HostMemory.getShort(header + NetHeader.CSUM_OFFSET) & 0xffff;
        if (type != NetHeader.GSO_NONE)
            return needsChecksum && offset == TCP_CHECKSUM
                    ? segment(packet, (int) frameBytes, type, start, sink)
                    : MALFORMED;
        if (needsChecksum) return complete(packet, (int) frameBytes, start, offset, sink);
        return sink.frame(frame.clear().add(packet, NetHeader.BYTES, frameBytes));
    }

    /** The field holds the sum over the pseudo-header already. */
    private int complete(IoVector packet, int frameBytes, int start, int offset, Sink sink) {
        int headerBytes = start + offset + Short.BYTES;
        if (headerBytes > frameBytes || headerBytes > MAX_HEADER_BYTES) return MALFORMED;
        long copy = copyHeader(packet, headerBytes);
        if (copy == 0) return NO_ROOM;
        int rest = frameBytes - headerBytes;
        long tail = Checksum.sum(packet, NetHeader.BYTES + headerBytes, rest);
        if (((headerBytes - start) & 1) != 0) tail = Checksum.word(Checksum.fold(tail));
        HostMemory.putShort(
                copy + start + offset, Checksum.finish(Checksum.sum(copy + start, headerBytes - start) + tail));
        return sink.frame(frame.clear().add(copy, headerBytes).add(packet, NetHeader.BYTES + headerBytes, rest));
    }

    /** @return where it is now, or 0 when there is no room */
    private long copyHeader(IoVector packet, int headerBytes) {
        if (scratchUsed + headerBytes > SCRATCH_BYTES) return 0;
        long at = scratch + scratchUsed;
        packet.copyOut(NetHeader.BYTES, at, headerBytes);
        scratchUsed += headerBytes + 7 & ~7;
        return at;
    }

    /** Of what was checked: the driver may have changed its memory since. The caller has seen that there is room. */
    private long copyTemplate(long template, int headerBytes) {
        long at = scratch + scratchUsed;
        HostMemory.copy(template, at, headerBytes);
        scratchUsed += headerBytes + 7 & ~7;
        return at;
    }

    private int segment(IoVector packet, int frameBytes, int type, int tcp, Sink sink) {
        int segmentBytes = HostMemory.getShort(header + NetHeader.GSO_SIZE) & 0xffff;
        if (segmentBytes < MIN_SEGMENT_BYTES
                || tcp + MIN_TCP_BYTES > frameBytes
                || tcp + MAX_TCP_BYTES > MAX_HEADER_BYTES) return MALFORMED;
        long template = copyHeader(packet, Math.min(frameBytes, tcp + MAX_TCP_BYTES));
        if (template == 0) return NO_ROOM;
        int tcpBytes = (HostMemory.getByte(template + tcp + TCP_OFFSET) >>> 4 & 0xf) * 4;
        int headerBytes = tcp + tcpBytes;
        int ip = network(template, type, tcp);
        if (ip < 0 || tcpBytes < MIN_TCP_BYTES || headerBytes > frameBytes) return MALFORMED;
        int payload = frameBytes - headerBytes;
        int count = Math.max(1, (payload + segmentBytes - 1) / segmentBytes);
        if ((long) count * (headerBytes + 7 & ~7) > SCRATCH_BYTES - scratchUsed) return NO_ROOM;
        for (int i = 0; i < count; i++) {
            int from = i * segmentBytes;
            int length = Math.min(segmentBytes, payload - from);
            long copy = copyTemplate(template, headerBytes);
            patchNetwork(copy + ip, type, tcp - ip, tcpBytes + length, i);
            patchTcp(copy + tcp, from, i == 0, i == count - 1);
            long sum = pseudo(copy + ip, type, tcpBytes + length)
                    + Checksum.sum(copy + tcp, tcpBytes)
                    + Checksum.sum(packet, NetHeader.BYTES + headerBytes + from, length);
            HostMemory.putShort(copy + tcp + TCP_CHECKSUM, Checksum.finish(sum));
            int result = sink.frame(
                    frame.clear().add(copy, headerBytes).add(packet, NetHeader.BYTES + headerBytes + from, length));
            if (result != 0) return result;
        }
        return 0;
    }

    /** Where the IP header begins, or -1 when it is not one of that type before the TCP header. */
    private static int network(long frame, int type, int tcp) {
        int at = ETHERTYPE;
        int ethertype = big16(frame + at);
        while ((ethertype == VLAN || ethertype == QINQ) && at < ETHERTYPE + 2 * 4) {
            at += 4;
            ethertype = big16(frame + at);
        }
        int ip = at + Short.BYTES;
        if (type == NetHeader.GSO_TCPV4)
            return ethertype == IPV4
                            && ip < tcp
                            && ip + (HostMemory.getByte(frame + ip) & 0xf) * 4 == tcp
                            && tcp - ip >= 20
                    ? ip
                    : -1;
        return type == NetHeader.GSO_TCPV6 && ethertype == IPV6 && ip + IPV6_BYTES <= tcp ? ip : -1;
    }

    private static void patchNetwork(long ip, int type, int headerBytes, int transportBytes, int index) {
        if (type == NetHeader.GSO_TCPV6) {
            putBig16(ip + IPV6_LENGTH, headerBytes - IPV6_BYTES + transportBytes);
            return;
        }
        putBig16(ip + IPV4_LENGTH, headerBytes + transportBytes);
        putBig16(ip + IPV4_ID, big16(ip + IPV4_ID) + index);
        HostMemory.putShort(ip + IPV4_CHECKSUM, (short) 0);
        HostMemory.putShort(ip + IPV4_CHECKSUM, (short) ~Checksum.fold(Checksum.sum(ip, headerBytes)));
    }

    /** The end of the data is told once, and so is a reduced congestion window (RFC 3168). */
    private static void patchTcp(long tcp, int offset, boolean first, boolean last) {
        HostMemory.putInt(
                tcp + TCP_SEQUENCE,
                Integer.reverseBytes(Integer.reverseBytes(HostMemory.getInt(tcp + TCP_SEQUENCE)) + offset));
        int flags = HostMemory.getByte(tcp + TCP_FLAGS);
        if (!last) flags &= ~(FIN | PSH);
        if (!first) flags &= ~CWR;
        HostMemory.putByte(tcp + TCP_FLAGS, (byte) flags);
        HostMemory.putShort(tcp + TCP_CHECKSUM, (short) 0);
    }

    private static long pseudo(long ip, int type, int transportBytes) {
        long addresses =
                type == NetHeader.GSO_TCPV4 ? Checksum.sum(ip + IPV4_SOURCE, 8) : Checksum.sum(ip + IPV6_SOURCE, 32);
        return addresses + Checksum.word(PROTOCOL_TCP) + Checksum.word(transportBytes);
    }

    static int big16(long hostAddress) {
        return Short.reverseBytes(HostMemory.getShort(hostAddress)) & 0xffff;
    }

    static void putBig16(long hostAddress, int value) {
        HostMemory.putShort(hostAddress, Short.reverseBytes((short) value));
    }
}
