package org.nestorvm.virtio.vsock;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** A packet as a guest sees it. */
record Packet(
        long srcCid,
        long dstCid,
        int srcPort,
        int dstPort,
        int length,
        int type,
        int op,
        int flags,
        int bufAlloc,
        int fwdCnt,
        byte[] data) {
    static final int HEADER = 44;

    static Packet of(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        return new Packet(
                in.getLong(),
                in.getLong(),
                in.getInt(),
                in.getInt(),
                in.getInt(),
                in.getShort(),
                in.getShort(),
                in.getInt(),
                in.getInt(),
                in.getInt(),
                Arrays.copyOfRange(bytes, HEADER, bytes.length));
    }

    byte[] header() {
        return ByteBuffer.allocate(HEADER)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(srcCid)
                .putLong(dstCid)
                .putInt(srcPort)
                .putInt(dstPort)
                .putInt(length)
                .putShort((short) type)
                .putShort((short) op)
                .putInt(flags)
                .putInt(bufAlloc)
                .putInt(fwdCnt)
                .array();
    }
}
