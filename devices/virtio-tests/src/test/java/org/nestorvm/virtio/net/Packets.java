package org.nestorvm.virtio.net;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Makes frames and looks at them, byte by byte as the RFCs say, with nothing of the code under test. */
final class Packets {
    static final int TCP = 6, UDP = 17;
    static final byte[] GUEST_MAC = {0x52, 0x54, 0, 0, 0, 1}, PEER_MAC = {0x52, 0x54, 0, 0, 0, 2};

    /**
     * @param frame with the pseudo-header's sum in the checksum field @param ip where its header begins @param
     *     transport where TCP's or UDP's does @param payload where the data does
     */
    record Packet(byte[] frame, int ip, int transport, int payload, boolean six, int protocol) {
        int checksumOffset() {
            return protocol == TCP ? 16 : 6;
        }
    }

    private Packets() {}

    static Packet tcp(boolean six, int vlans, int optionWords, int flags, int sequence, byte[] data) {
        ByteBuffer tcp = ByteBuffer.allocate(20 + 4 * optionWords + data.length);
        tcp.putShort((short) 4321)
                .putShort((short) 80)
                .putInt(sequence)
                .putInt(0x01020304)
                .put((byte) (5 + optionWords << 4))
                .put((byte) flags)
                .putShort((short) 512)
                .putInt(0);
        for (int i = 0; i < 4 * optionWords; i++) tcp.put((byte) 1);
        return ip(six, vlans, TCP, tcp.put(data).array(), 20 + 4 * optionWords);
    }

    static Packet udp(boolean six, int vlans, byte[] data) {
        ByteBuffer udp = ByteBuffer.allocate(8 + data.length)
                .putShort((short) 53)
                .putShort((short) 5353)
                .putShort((short) (8 + data.length))
                .putShort((short) 0)
                .put(data);
        return ip(six, vlans, UDP, udp.array(), 8);
    }

    private static Packet ip(boolean six, int vlans, int protocol, byte[] transport, int transportHeader) {
        ByteArrayOutputStream frame = new ByteArrayOutputStream();
        frame.writeBytes(PEER_MAC);
        frame.writeBytes(GUEST_MAC);
        for (int i = 0; i < vlans; i++)
            frame.writeBytes(
                    new byte[] {(byte) (i + 1 < vlans ? 0x88 : 0x81), (byte) (i + 1 < vlans ? 0xa8 : 0), 0, 7});
        frame.writeBytes(six ? new byte[] {(byte) 0x86, (byte) 0xdd} : new byte[] {8, 0});
        int at = frame.size();
        ByteBuffer ip = ByteBuffer.allocate(six ? 40 : 20);
        if (six) {
            ip.putInt(0x60000000)
                    .putShort((short) transport.length)
                    .put((byte) protocol)
                    .put((byte) 64)
                    .putLong(0xfd00_0000_0000_0001L)
                    .putLong(2)
                    .putLong(0xfd00_0000_0000_0001L)
                    .putLong(0xffff_0000_1234_5678L);
        } else {
            ip.put((byte) 0x45)
                    .put((byte) 0)
                    .putShort((short) (20 + transport.length))
                    .putShort((short) 0xfffe)
                    .putShort((short) 0x4000)
                    .put((byte) 64)
                    .put((byte) protocol)
                    .putShort((short) 0)
                    .putInt(0x0a000001)
                    .putInt(0x0a0000fe);
            ip.putShort(10, (short) ~sum(ip.array(), 0, 20, 0));
        }
        frame.writeBytes(ip.array());
        int start = frame.size();
        frame.writeBytes(transport);
        byte[] bytes = frame.toByteArray();
        Packet packet = new Packet(bytes, at, start, start + transportHeader, six, protocol);
        ByteBuffer.wrap(bytes)
                .putShort(start + packet.checksumOffset(), (short) pseudo(bytes, at, six, protocol, transport.length));
        return packet;
    }

    private static int pseudo(byte[] frame, int ip, boolean six, int protocol, int length) {
        int addresses = six ? sum(frame, ip + 8, 32, 0) : sum(frame, ip + 12, 8, 0);
        return sum(new byte[] {0, (byte) protocol, (byte) (length >>> 8), (byte) length}, 0, 4, addresses);
    }

    /** One's complement sum of big-endian words, RFC 1071. */
    static int sum(byte[] bytes, int from, int length, int start) {
        int sum = start;
        for (int i = 0; i < length; i += 2) {
            sum += (bytes[from + i] & 0xff) << 8 | (i + 1 < length ? bytes[from + i + 1] & 0xff : 0);
            sum = (sum & 0xffff) + (sum >>> 16);
        }
        return sum;
    }

    /** The same frame as it must be on a wire. */
    static byte[] completed(Packet packet) {
        byte[] frame = packet.frame().clone();
        int sum = ~sum(frame, packet.transport(), frame.length - packet.transport(), 0) & 0xffff;
        ByteBuffer.wrap(frame)
                .putShort(packet.transport() + packet.checksumOffset(), (short) (sum == 0 ? 0xffff : sum));
        return frame;
    }

    /** Whether lengths and checksums of a frame of that kind are right. */
    static boolean isRight(byte[] frame, Packet like) {
        int ip = like.ip(), transport = like.transport(), length = frame.length - transport;
        ByteBuffer buffer = ByteBuffer.wrap(frame);
        boolean network = like.six()
                ? (buffer.getShort(ip + 4) & 0xffff) == frame.length - ip - 40
                : (buffer.getShort(ip + 2) & 0xffff) == frame.length - ip
                        && sum(frame, ip, transport - ip, 0) == 0xffff;
        int sum = sum(frame, transport, length, pseudo(frame, ip, like.six(), like.protocol(), length));
        return network && sum == 0xffff;
    }

    static byte[] header(int flags, int gsoType, int gsoSize, int start, int offset) {
        return ByteBuffer.allocate(NetHeader.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) flags)
                .put((byte) gsoType)
                .putShort((short) 0)
                .putShort((short) gsoSize)
                .putShort((short) start)
                .putShort((short) offset)
                .array();
    }

    /** As a driver gives a packet whose checksum it leaves to the device. */
    static byte[] partial(Packet packet) {
        return join(header(NetHeader.F_NEEDS_CSUM, 0, 0, packet.transport(), packet.checksumOffset()), packet.frame());
    }

    static byte[] segmented(Packet packet, int segmentBytes) {
        return join(
                header(
                        NetHeader.F_NEEDS_CSUM,
                        packet.six() ? NetHeader.GSO_TCPV6 : NetHeader.GSO_TCPV4,
                        segmentBytes,
                        packet.transport(),
                        16),
                packet.frame());
    }

    static byte[] plain(byte[] frame) {
        return join(new byte[NetHeader.BYTES], frame);
    }

    static byte[] join(byte[] one, byte[] two) {
        byte[] both = Arrays.copyOf(one, one.length + two.length);
        System.arraycopy(two, 0, both, one.length, two.length);
        return both;
    }

    static byte[] without(byte[] packet) {
        return Arrays.copyOfRange(packet, NetHeader.BYTES, packet.length);
    }

    /** A frame from the peer to the guest that is told from others by its bytes. */
    static byte[] frame(int length, int seed) {
        byte[] frame = new byte[length];
        for (int i = 14; i < length; i++) frame[i] = (byte) (seed + i * 31 + (i >>> 8));
        System.arraycopy(GUEST_MAC, 0, frame, 0, 6);
        System.arraycopy(PEER_MAC, 0, frame, 6, 6);
        frame[12] = (byte) 0x88;
        frame[13] = (byte) 0xb5; // for experiments
        return frame;
    }
}
