package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.net.Packets.Packet;

/** Checksums and segments made by the device, compared with those of {@link Packets}. */
class OffloadTest {
    private static final int FIN = 1, SYN = 2, PSH = 8, ACK = 16, CWR = 0x80;

    @Property(tries = 200)
    void sumsOfScatteredBytes(
            @ForAll @Size(min = 1, max = 300) byte[] bytes,
            @ForAll @Size(min = 1, max = 6) List<@IntRange(min = 1, max = 70) Integer> sizes,
            @ForAll @IntRange(max = 300) int offset) {
        try (Pieces pieces = new Pieces()) {
            IoVector vector = pieces.scatter(bytes, sizes);
            int from = offset % bytes.length;
            int expected = Packets.sum(bytes, from, bytes.length - from, 0);
            assertEquals(expected, Checksum.word(Checksum.fold(Checksum.sum(vector, from, bytes.length - from))));
        }
    }

    @Test
    void aSumOfNothingButOnesIsNotLost() {
        try (Pieces pieces = new Pieces()) {
            byte[] ones = new byte[65535];
            java.util.Arrays.fill(ones, (byte) 0xff);
            assertEquals(
                    Packets.sum(ones, 0, ones.length, 0),
                    Checksum.word(Checksum.fold(Checksum.sum(pieces.scatter(ones, List.of(65535)), 0, ones.length))));
        }
    }

    @Property(tries = 200)
    void checksumIsCompleted(
            @ForAll boolean six,
            @ForAll boolean isUdp,
            @ForAll @IntRange(max = 2) int vlans,
            @ForAll @Size(max = 2000) byte[] data,
            @ForAll @Size(min = 1, max = 6) List<@IntRange(min = 1, max = 900) Integer> sizes) {
        Packet packet = isUdp ? Packets.udp(six, vlans, data) : Packets.tcp(six, vlans, 3, ACK, 7, data);
        List<byte[]> frames = emit(Packets.partial(packet), sizes);
        assertEquals(1, frames.size());
        assertArrayEquals(Packets.completed(packet), frames.getFirst());
        assertTrue(Packets.isRight(frames.getFirst(), packet));
    }

    @Property(tries = 150)
    void segmentsAreWhatTcpWouldHaveSent(
            @ForAll boolean six,
            @ForAll @IntRange(max = 2) int vlans,
            @ForAll @IntRange(max = 10) int options,
            @ForAll @IntRange(max = 20_000) int length,
            @ForAll @IntRange(min = 48, max = 9000) int segment,
            @ForAll int sequence,
            @ForAll @Size(min = 1, max = 6) List<@IntRange(min = 1, max = 5000) Integer> sizes,
            @ForAll long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        Packet packet = Packets.tcp(six, vlans, options, ACK | PSH | FIN | CWR, sequence, data);
        List<byte[]> frames = emit(Packets.segmented(packet, segment), sizes);
        assertEquals(Math.max(1, (length + segment - 1) / segment), frames.size());
        ByteArrayOutputStream joined = new ByteArrayOutputStream();
        for (int i = 0; i < frames.size(); i++) {
            byte[] frame = frames.get(i);
            ByteBuffer buffer = ByteBuffer.wrap(frame);
            boolean last = i == frames.size() - 1;
            assertTrue(Packets.isRight(frame, packet), "segment " + i);
            assertEquals(sequence + joined.size(), buffer.getInt(packet.transport() + 4));
            assertEquals(ACK | (last ? PSH | FIN : 0) | (i == 0 ? CWR : 0), buffer.get(packet.transport() + 13) & 0xff);
            if (!six) assertEquals(0xfffe + i & 0xffff, buffer.getShort(packet.ip() + 4) & 0xffff);
            joined.write(frame, packet.payload(), frame.length - packet.payload());
            assertThat(frame.length - packet.payload()).isLessThanOrEqualTo(segment);
        }
        assertArrayEquals(data, joined.toByteArray());
    }

    @Test
    void theLongestPacketInTheShortestSegments() {
        Packet packet = Packets.tcp(false, 0, 0, ACK, 1, new byte[65535 - 40]);
        List<byte[]> frames = emit(Packets.segmented(packet, SoftwareOffload.MIN_SEGMENT_BYTES), List.of(4096));
        assertEquals((65535 - 40 + 47) / 48, frames.size());
        for (byte[] frame : frames) assertTrue(Packets.isRight(frame, packet));
    }

    @Test
    void whatDoesNotFitComesAgainAfterTheOthers() {
        SoftwareOffload offload = new SoftwareOffload();
        try (Pieces pieces = new Pieces()) {
            IoVector large = pieces.scatter(
                    Packets.segmented(Packets.tcp(true, 2, 10, ACK, 1, new byte[65000]), 48), List.of(4096));
            int[] frames = new int[1];
            SoftwareOffload.Sink count = _ -> {
                frames[0]++;
                return 0;
            };
            assertEquals(0, offload.emit(large, count));
            int first = frames[0];
            assertEquals(SoftwareOffload.NO_ROOM, offload.emit(large, count));
            assertEquals(first, frames[0], "nothing of it was handed out");
            offload.reset();
            assertEquals(0, offload.emit(large, count));
        }
    }

    /** All segments have the header that was checked, whatever the driver makes of its memory meanwhile. */
    @Test
    void headersAreReadOnce() {
        Packet packet = Packets.tcp(false, 0, 0, ACK, 1, new byte[3000]);
        try (Pieces pieces = new Pieces()) {
            IoVector vector = pieces.scatter(Packets.segmented(packet, 1000), List.of(4096));
            List<byte[]> frames = new ArrayList<>();
            assertEquals(0, new SoftwareOffload().emit(vector, frame -> {
                        frames.add(java.util.Arrays.copyOf(Pieces.bytes(frame), SoftwareOffload.ETHERNET_BYTES));
                        vector.fill(NetHeader.BYTES, SoftwareOffload.ETHERNET_BYTES, (byte) frames.size());
                        return 0;
                    }));
            assertEquals(3, frames.size());
            for (byte[] frame : frames) assertArrayEquals(frames.getFirst(), frame);
        }
    }

    @Test
    void aPlainFrameIsNotCopied() {
        try (Pieces pieces = new Pieces()) {
            IoVector packet = pieces.scatter(Packets.plain(Packets.frame(100, 1)), List.of(12, 30, 200));
            new SoftwareOffload().emit(packet, frame -> {
                assertEquals(packet.base(1), frame.base(0));
                assertEquals(packet.base(2), frame.base(1));
                return 0;
            });
        }
    }

    @Test
    void whatMakesNoSenseIsRefused() {
        Packet packet = Packets.tcp(false, 0, 0, SYN, 1, new byte[3000]);
        int tcp = packet.transport();
        assertRefused(new byte[11]);
        assertRefused(Packets.plain(new byte[13]));
        assertRefused(Packets.plain(new byte[SoftwareOffload.MAX_FRAME_BYTES + 1]));
        assertRefused(Packets.join(Packets.header(1, 0, 0, packet.frame().length - 1, 0), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 0, 0, 0xffff, 0xffff), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 0, 0, 2000, 16), packet.frame()));
        assertRefused(Packets.join(Packets.header(0, 1, 1000, tcp, 16), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 1, 47, tcp, 16), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 1, 0, tcp, 16), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 1, 1000, tcp + 4, 16), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 1, 1000, 4, 16), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 4, 1000, tcp, 16), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 3, 1000, tcp, 6), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 5, 1000, tcp, 6), packet.frame()));
        assertRefused(Packets.join(Packets.header(1, 1, 1000, packet.frame().length - 10, 16), packet.frame()));
    }

    private static void assertRefused(byte[] packet) {
        try (Pieces pieces = new Pieces()) {
            assertEquals(
                    SoftwareOffload.MALFORMED, new SoftwareOffload().emit(pieces.scatter(packet, List.of(100)), _ -> {
                                throw new AssertionError("a frame comes out");
                            }));
        }
    }

    @Property(tries = 600)
    void anyHeaderEndsInFramesOrARefusal(
            @ForAll @Size(12) byte[] header,
            @ForAll boolean six,
            @ForAll @IntRange(max = 200) int cut,
            @ForAll @Size(max = 4) List<@IntRange(max = 80) Integer> scribbles) {
        byte[] frame = Packets.tcp(six, 1, 2, ACK, 1, new byte[1000]).frame();
        for (int at : scribbles) frame[at] ^= (byte) 0x55;
        header[0] |= 1;
        if ((header[2] & 1) != 0)
            System.arraycopy(Packets.header(1, six ? 4 : 1, 100, six ? 58 : 38, 16), 0, header, 0, 10);
        long[] total = new long[1];
        try (Pieces pieces = new Pieces()) {
            new SoftwareOffload()
                    .emit(
                            pieces.scatter(
                                    Packets.join(header, java.util.Arrays.copyOf(frame, frame.length - cut)),
                                    List.of(64)),
                            out -> {
                                total[0] += out.totalBytes();
                                assertThat(Pieces.bytes(out).length).isLessThanOrEqualTo(frame.length);
                                return 0;
                            });
        }
        assertThat(total[0]).isLessThan(1 << 20);
    }

    @Property(tries = 200)
    void aReceivedChecksumIsVouchedForIfRight(
            @ForAll boolean six,
            @ForAll boolean isUdp,
            @ForAll @IntRange(max = 2) int vlans,
            @ForAll @Size(max = 1000) byte[] data,
            @ForAll @IntRange(max = 1100) int flip,
            @ForAll @IntRange(max = 20) int padding,
            @ForAll @Size(min = 1, max = 4) List<@IntRange(min = 1, max = 700) Integer> sizes) {
        Packet packet = isUdp ? Packets.udp(six, vlans, data) : Packets.tcp(six, vlans, 1, ACK, 9, data);
        byte[] frame = Packets.completed(packet);
        byte[] padded = java.util.Arrays.copyOf(frame, frame.length + padding);
        assertTrue(isVouchedFor(padded, sizes));
        padded[packet.transport() + flip % (frame.length - packet.transport())] ^= 0x10;
        assertThat(isVouchedFor(padded, sizes)).isFalse();
    }

    @Test
    void whatTheDeviceDoesNotKnowItDoesNotVouchFor() {
        byte[] fragment = Packets.completed(Packets.udp(false, 0, new byte[50]));
        fragment[14 + 6] = 0x20;
        assertThat(isVouchedFor(fragment, List.of(100))).isFalse();
        byte[] unsummed = Packets.completed(Packets.udp(false, 0, new byte[50]));
        unsummed[14 + 20 + 6] = unsummed[14 + 20 + 7] = 0;
        assertThat(isVouchedFor(unsummed, List.of(100))).isFalse();
        assertThat(isVouchedFor(Packets.frame(14, 1), List.of(100))).isFalse();
        assertThat(isVouchedFor(Packets.frame(200, 1), List.of(100))).isFalse();
        byte[] longer = Packets.completed(Packets.tcp(false, 0, 0, ACK, 1, new byte[50]));
        assertThat(isVouchedFor(java.util.Arrays.copyOf(longer, longer.length - 1), List.of(100)))
                .isFalse();
    }

    private static boolean isVouchedFor(byte[] frame, List<Integer> sizes) {
        try (Pieces pieces = new Pieces()) {
            return new ReceivedChecksum()
                    .isValid(pieces.scatter(Packets.plain(frame), sizes), NetHeader.BYTES, frame.length);
        }
    }

    private static List<byte[]> emit(byte[] packet, List<Integer> sizes) {
        List<byte[]> frames = new ArrayList<>();
        try (Pieces pieces = new Pieces()) {
            assertEquals(0, new SoftwareOffload().emit(pieces.scatter(packet, sizes), frame -> {
                        frames.add(Pieces.bytes(frame));
                        return 0;
                    }));
        }
        return frames;
    }
}
