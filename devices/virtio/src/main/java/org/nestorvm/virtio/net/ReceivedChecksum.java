package org.nestorvm.virtio.net;

import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/**
 * Checks the TCP or UDP checksum of a frame for a driver that then need not (DATA_VALID, 5.1.6.4.1). Knows IPv4 without
 * fragments and IPv6 without extension headers, behind up to two VLAN tags. What it does not know it does not vouch
 * for: the driver looks itself.
 */
final class ReceivedChecksum {
    private static final int HEADER_BYTES = 22 + 60;
    private static final int ETHERTYPE = 12, VLAN = 0x8100, QINQ = 0x88a8, IPV4 = 0x0800, IPV6 = 0x86dd;
    private static final int TCP = 6, UDP = 17, UDP_CHECKSUM = 6, TCP_BYTES = 20, UDP_BYTES = 8;

    @SuppressWarnings("unused") // keeps the memory
    private final Arena arena = Arena.ofAuto();

    private final long header = arena.allocate(HEADER_BYTES, Long.BYTES).address();
    private int protocol, transport, transportBytes;
    private long addresses;

    /** @param start where the frame begins in the vector; it goes on for {@code frameBytes} */
    boolean isValid(IoVector pieces, int start, long frameBytes) {
        long copied = Math.min(frameBytes, HEADER_BYTES);
        pieces.copyOut(start, header, copied);
        HostMemory.fill(header + copied, HEADER_BYTES - copied, (byte) 0);
        if (!parse(frameBytes)) return false;
        if (protocol == UDP) {
            if (transportBytes < UDP_BYTES) return false;
            pieces.copyOut(start + transport + UDP_CHECKSUM, header, Short.BYTES);
            if (HostMemory.getShort(header) == 0) return false; // the sender has not summed
        } else if (protocol != TCP || transportBytes < TCP_BYTES) {
            return false;
        }
        long sum = Checksum.sum(pieces, start + transport, transportBytes);
        return Checksum.fold(sum + addresses + Checksum.word(protocol) + Checksum.word(transportBytes)) == 0xffff;
    }

    private boolean parse(long frameBytes) {
        int at = ETHERTYPE;
        int ethertype = SoftwareOffload.big16(header + at);
        while ((ethertype == VLAN || ethertype == QINQ) && at < ETHERTYPE + 2 * 4) {
            at += 4;
            ethertype = SoftwareOffload.big16(header + at);
        }
        int ip = at + Short.BYTES;
        if (ethertype == IPV4) return parse4(ip, frameBytes);
        return ethertype == IPV6 && parse6(ip, frameBytes);
    }

    private boolean parse4(int ip, long frameBytes) {
        int version = HostMemory.getByte(header + ip) & 0xff;
        int headerBytes = (version & 0xf) * 4;
        int total = SoftwareOffload.big16(header + ip + 2);
        boolean fragment = (SoftwareOffload.big16(header + ip + 6) & 0x3fff) != 0;
        if (version >>> 4 != 4 || headerBytes < 20 || total < headerBytes || ip + total > frameBytes || fragment)
            return false;
        protocol = HostMemory.getByte(header + ip + 9) & 0xff;
        addresses = Checksum.sum(header + ip + 12, 8);
        transport = ip + headerBytes;
        transportBytes = total - headerBytes;
        return true;
    }

    private boolean parse6(int ip, long frameBytes) {
        int payload = SoftwareOffload.big16(header + ip + 4);
        if ((HostMemory.getByte(header + ip) & 0xf0) != 0x60 || ip + 40L + payload > frameBytes) return false;
        protocol = HostMemory.getByte(header + ip + 6) & 0xff;
        addresses = Checksum.sum(header + ip + 8, 32);
        transport = ip + 40;
        transportBytes = payload;
        return true;
    }
}
