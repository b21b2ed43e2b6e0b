package org.nestorvm.virtio.vsock;

import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/**
 * struct virtio_vsock_hdr, virtio 1.2, 5.10.6: one packet's, taken out of a guest's buffers once or put into them.
 * Reused; allocates nothing.
 */
final class Header {
    static final int BYTES = 44;
    static final int TYPE_STREAM = 1;
    static final int OP_REQUEST = 1,
            OP_RESPONSE = 2,
            OP_RST = 3,
            OP_SHUTDOWN = 4,
            OP_RW = 5,
            OP_CREDIT_UPDATE = 6,
            OP_CREDIT_REQUEST = 7;
    /** The sender of SHUTDOWN will not receive, or not send, any more. */
    static final int SHUTDOWN_RECEIVE = 1, SHUTDOWN_SEND = 2, SHUTDOWN_BOTH = 3;

    private static final int SRC_CID = 0,
            DST_CID = 8,
            SRC_PORT = 16,
            DST_PORT = 20,
            LEN = 24,
            TYPE = 28,
            OP = 30,
            FLAGS = 32,
            BUF_ALLOC = 36,
            FWD_CNT = 40;

    @SuppressWarnings("unused") // keeps the memory
    private final Arena arena = Arena.ofAuto();

    private final long at = arena.allocate(BYTES, Long.BYTES).address();

    long srcCid, dstCid;
    int srcPort, dstPort, type, op, flags, bufAlloc, fwdCnt;
    long length;

    /** @return false when the buffers are shorter than a header */
    boolean take(IoVector from) {
        if (from.totalBytes() < BYTES) return false;
        from.copyOut(0, at, BYTES);
        srcCid = HostMemory.getLong(at + SRC_CID);
        dstCid = HostMemory.getLong(at + DST_CID);
        srcPort = HostMemory.getInt(at + SRC_PORT);
        dstPort = HostMemory.getInt(at + DST_PORT);
        length = HostMemory.getInt(at + LEN) & 0xffffffffL;
        type = HostMemory.getShort(at + TYPE) & 0xffff;
        op = HostMemory.getShort(at + OP) & 0xffff;
        flags = HostMemory.getInt(at + FLAGS);
        bufAlloc = HostMemory.getInt(at + BUF_ALLOC);
        fwdCnt = HostMemory.getInt(at + FWD_CNT);
        return true;
    }

    /** @param to at least {@link #BYTES} */
    void put(IoVector to) {
        HostMemory.putLong(at + SRC_CID, srcCid);
        HostMemory.putLong(at + DST_CID, dstCid);
        HostMemory.putInt(at + SRC_PORT, srcPort);
        HostMemory.putInt(at + DST_PORT, dstPort);
        HostMemory.putInt(at + LEN, (int) length);
        HostMemory.putShort(at + TYPE, (short) type);
        HostMemory.putShort(at + OP, (short) op);
        HostMemory.putInt(at + FLAGS, flags);
        HostMemory.putInt(at + BUF_ALLOC, bufAlloc);
        HostMemory.putInt(at + FWD_CNT, fwdCnt);
        to.copyIn(0, at, BYTES);
    }
}
