package org.nestorvm.virtio.blk;

import java.io.IOException;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;

/**
 * One request of the driver's: virtio 1.2, section 5.2.6. A header of 16 bytes comes first and a byte of status last,
 * however the driver has cut its buffers. Used again for request after request: begun by the thread of its queue, and
 * served there at once where that surely does not wait, or else by a worker.
 */
final class BlkRequest {
    static final int IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13;
    static final int OK = 0, IOERR = 1, UNSUPP = 2;
    static final int HEADER_BYTES = 16, RANGE_BYTES = 16;
    private static final int UNMAP = 1;
    /** In place of a status: not done, since it may wait. */
    private static final int WAITS = -1;

    /** In the list that it is in: those to be served, those that are done, or those that are vacant. */
    BlkRequest next;

    private final BlkDevice device;
    private final BlkQueue home;
    private final IoVector data = new IoVector(16);
    private final byte[] header = new byte[HEADER_BYTES],
            ranges = new byte[BlkDevice.MAX_RANGES * RANGE_BYTES],
            status = new byte[1];
    private Chain chain;
    private int type;
    private boolean mayWait;
    private long sector, written;
    private Throwable failure;

    BlkRequest(BlkDevice device, BlkQueue home) {
        this.device = device;
        this.home = home;
    }

    Chain chain() {
        return chain;
    }

    /** Bytes written into the chain's buffers, the status among them. */
    long written() {
        return written;
    }

    /** What has ended it other than an error of the disk; null if nothing did. */
    Throwable failure() {
        return failure;
    }

    void begin(Chain newChain) throws QueueViolation {
        if (newChain.writable().isEmpty()) throw new QueueViolation("a request has no room for its status");
        chain = newChain;
        failure = null;
        if (chain.readable().totalBytes() < HEADER_BYTES) return;
        chain.readable().copyOut(0, header, 0, HEADER_BYTES);
        type = (int) little(header, 0, 4);
        sector = little(header, 8, 8);
    }

    /** @return false when it may wait, and is not done */
    boolean serveAtOnce() {
        mayWait = false;
        return finish(execute());
    }

    void serve() {
        mayWait = true;
        finish(execute());
    }

    /** On a worker's thread: whatever happens, the queue gets it back. */
    void serveForQueue() {
        try {
            serve();
        } catch (Throwable t) {
            failure = t;
        }
        home.done(this);
    }

    private boolean finish(int result) {
        if (result == WAITS) return false;
        IoVector in = chain.writable();
        long room = in.totalBytes() - 1;
        // The bytes before the status count as written, so they are, whatever came of the request.
        if (result != OK && room > 0) in.fill(0, room, (byte) 0);
        status[0] = (byte) result;
        in.copyIn(room, status, 0, 1);
        written = room + 1;
        return true;
    }

    private int execute() {
        IoVector out = chain.readable(), in = chain.writable();
        if (out.totalBytes() < HEADER_BYTES) return IOERR;
        long length = out.totalBytes() - HEADER_BYTES, room = in.totalBytes() - 1;
        data.clear();
        switch (type) {
            case IN -> data.add(in, 0, room);
            case OUT, DISCARD, WRITE_ZEROES -> data.add(out, HEADER_BYTES, length);
            default -> {}
        }
        int result = switch (type) {
            case IN -> read();
            case OUT -> write();
            case FLUSH -> flush();
            case GET_ID -> identify(in, room);
            case DISCARD, WRITE_ZEROES -> mayWait ? ranges(length) : WAITS;
            default -> UNSUPP;
        };
        if (result == OK && room > 0 && type != IN && type != GET_ID) in.fill(0, room, (byte) 0);
        return result;
    }

    private static long little(byte[] bytes, int at, int size) {
        long value = 0;
        for (int i = 0; i < size; i++) value |= (bytes[at + i] & 0xffL) << 8 * i;
        return value;
    }

    /** Byte offset of a sector that a range begins at; -1 when the range is not on the disk or not whole sectors. */
    private long offset(long sector, long sizeBytes) {
        long size = device.image().sizeBytes();
        boolean inside = sector >= 0
                && sector <= size / BlkDevice.SECTOR_BYTES
                && sizeBytes % BlkDevice.SECTOR_BYTES == 0
                && sizeBytes <= size - sector * BlkDevice.SECTOR_BYTES;
        return inside ? sector * BlkDevice.SECTOR_BYTES : -1;
    }

    private int read() {
        long offset = offset(sector, data.totalBytes());
        if (offset < 0) return IOERR;
        try {
            if (!mayWait) return data.isEmpty() || device.image().tryRead(offset, data) ? OK : WAITS;
            if (!data.isEmpty()) device.image().read(offset, data);
            return OK;
        } catch (IOException e) {
            device.failed("read", offset, data.totalBytes(), e);
            return IOERR;
        }
    }

    private int write() {
        long offset = offset(sector, data.totalBytes());
        if (offset < 0 || device.image().readOnly()) return IOERR;
        try {
            if (!mayWait)
                return !device.writeThrough()
                                && (data.isEmpty() || device.image().tryWrite(offset, data))
                        ? OK
                        : WAITS;
            if (!data.isEmpty()) device.image().write(offset, data);
            if (device.writeThrough()) device.image().flush();
            return OK;
        } catch (IOException e) {
            device.failed("write", offset, data.totalBytes(), e);
            return IOERR;
        }
    }

    private int flush() {
        try {
            if (device.image().readOnly()) return OK;
            if (!mayWait) return WAITS;
            device.image().flush();
            return OK;
        } catch (IOException e) {
            device.failed("flush", 0, 0, e);
            return IOERR;
        }
    }

    private int identify(IoVector in, long room) {
        byte[] serial = device.serial();
        if (room < serial.length) return IOERR;
        in.copyIn(0, serial, 0, serial.length);
        in.fill(serial.length, room - serial.length, (byte) 0);
        return OK;
    }

    /** DISCARD and WRITE ZEROES: all ranges are read once, and looked at before the first is done. */
    private int ranges(long length) {
        long feature = type == DISCARD ? BlkDevice.F_DISCARD : BlkDevice.F_WRITE_ZEROES;
        if (!device.negotiated(feature)) return UNSUPP;
        if (length == 0 || length % RANGE_BYTES != 0 || length > ranges.length) return IOERR;
        data.copyOut(0, ranges, 0, (int) length);
        for (int at = 0; at < length; at += RANGE_BYTES) {
            int result = range(at, false);
            if (result != OK) return result;
        }
        for (int at = 0; at < length; at += RANGE_BYTES) {
            int result = range(at, true);
            if (result != OK) return result;
        }
        return OK;
    }

    private int range(int at, boolean execute) {
        long sectors = little(ranges, at + 8, 4),
                flags = little(ranges, at + 12, 4),
                sizeBytes = sectors * BlkDevice.SECTOR_BYTES;
        if ((flags & ~UNMAP) != 0 || type == DISCARD && flags != 0) return UNSUPP;
        long offset = offset(little(ranges, at, 8), sizeBytes);
        if (offset < 0
                || sectors > BlkDevice.MAX_RANGE_SECTORS
                || device.image().readOnly()) return IOERR;
        if (!execute || sectors == 0) return OK;
        try {
            if (type == DISCARD) device.image().discard(offset, sizeBytes);
            else device.image().writeZeroes(offset, sizeBytes, (flags & UNMAP) != 0);
            if (device.writeThrough()) device.image().flush();
            return OK;
        } catch (IOException e) {
            device.failed(type == DISCARD ? "discard" : "write zeroes", offset, sizeBytes, e);
            return IOERR;
        }
    }
}
