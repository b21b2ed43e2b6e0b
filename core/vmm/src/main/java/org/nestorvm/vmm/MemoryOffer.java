package org.nestorvm.vmm;

import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.DescriptorChannel;

/**
 * How a machine's memory is described to another process: one message of {@value #BYTES} bytes, little endian, with a
 * descriptor for each range that has memory, in the order of the ranges.
 *
 * <pre>
 *   0  magic, 4 bytes     4  version, 4     8  id of the machine, 4     12  number of ranges, 4
 *  16  name, 64 bytes, ASCII, ends at the first NUL
 *  80  16 times: gpa, 8 bytes; size, 8; type, 4; zero, 4
 * </pre>
 *
 * What comes in is checked like anything from outside: the peer may be anybody who got hold of the socket.
 */
record MemoryOffer(int id, String name, MemoryMap map) {
    static final int MAGIC = 0x4d4d564e, VERSION = 1;
    static final int NAME_BYTES = 64, RANGE_BYTES = 24;
    static final int BYTES = 16 + NAME_BYTES + MemoryMap.MAX_RANGES * RANGE_BYTES;

    void send(DescriptorChannel channel, int[] descriptors) throws IOException {
        ByteBuffer out = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        out.putInt(MAGIC).putInt(VERSION).putInt(id).putInt(map.ranges().size());
        out.put(name.getBytes(StandardCharsets.US_ASCII));
        out.position(16 + NAME_BYTES);
        for (MemoryRange range : map.ranges())
            out.putLong(range.gpa())
                    .putLong(range.sizeBytes())
                    .putInt(range.type().number())
                    .putInt(0);
        channel.send(out.array(), descriptors);
    }

    /**
     * @throws ProtocolException when it is no offer; VmRefusedException when the ranges are none that a machine can
     *     have
     */
    static MemoryOffer parse(byte[] bytes) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int magic = in.getInt(), version = in.getInt(), id = in.getInt(), count = in.getInt();
        if (magic != MAGIC)
            throw new ProtocolException(
                    "the peer does not offer guest memory: its message begins with 0x" + Integer.toHexString(magic));
        if (version != VERSION)
            throw new ProtocolException("the peer offers guest memory in version " + version
                    + " of the protocol: this is version " + VERSION);
        if (count < 1 || count > MemoryMap.MAX_RANGES)
            throw new ProtocolException(
                    "the peer offers " + count + " memory ranges: there must be 1 to " + MemoryMap.MAX_RANGES);
        byte[] name = new byte[NAME_BYTES];
        in.get(name);
        int length = 0;
        while (length < NAME_BYTES && name[length] != 0) length++;
        String text = new String(name, 0, length, StandardCharsets.US_ASCII);
        VmConfig.checkName(text);
        List<MemoryRange> ranges = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            ranges.add(MemoryRange.ofUntyped(in.getLong(), in.getLong(), in.getInt()));
            in.getInt();
        }
        return new MemoryOffer(id, text, new MemoryMap(ranges));
    }

    /** @throws VmRefusedException naming the first thing in which the offer is not what was expected */
    void requireSame(MemoryMap expected) {
        List<MemoryRange> theirs = map.ranges(), ours = expected.ranges();
        if (theirs.size() != ours.size())
            throw refused(theirs.size() + " memory ranges", ours.size() + " were expected");
        for (int i = 0; i < ours.size(); i++) {
            MemoryRange their = theirs.get(i), our = ours.get(i);
            if (their.type() != our.type())
                throw refused("range " + i + " with type " + their.type(), our.type() + " was expected");
            if (their.gpa() != our.gpa())
                throw refused(
                        "range " + i + " at gpa 0x" + Long.toHexString(their.gpa()),
                        "0x" + Long.toHexString(our.gpa()) + " was expected");
            if (their.sizeBytes() != our.sizeBytes())
                throw refused(
                        "range " + i + " with " + their.sizeBytes() + " bytes", our.sizeBytes() + " were expected");
        }
    }

    private VmRefusedException refused(String what, String rule) {
        return new VmRefusedException("machine \"" + name + "\" shares " + what + ": " + rule + "; nothing was mapped");
    }
}
