package org.nestorvm.virtio.net;

import static org.nestorvm.virtio.net.NetCounters.Kind.RECEIVED_BYTES;
import static org.nestorvm.virtio.net.NetCounters.Kind.RECEIVED_PACKETS;
import static org.nestorvm.virtio.net.NetCounters.Kind.RECEIVE_DROPPED;
import static org.nestorvm.virtio.net.NetCounters.Kind.RECEIVE_FILTERED;

import java.lang.foreign.Arena;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;

/**
 * From a port to a receive queue (5.1.6.3, 5.1.6.4). Chains are taken when packets may be there, as many as the longest
 * packet can need, and those that were not needed go back at the end of a batch, so that a queue at rest has all its
 * buffers.
 *
 * <p>With mergeable buffers a packet goes through several chains, which the driver sees at once. Without, one chain
 * must hold it; if it does not the packet is dropped, since later chains are no longer. When there are no buffers the
 * port waits, and so does who sends.
 */
final class ReceivePath {
    /** Packets before others on the loop get their turn. */
    private static final int SHARE = 256;
    /** One call of the kernel takes them, and the port's own piece. */
    private static final int MAX_PIECES = IoVector.KERNEL_LIMIT - 2;

    private static final int ADDRESSES_BYTES = 18;

    private final NetPort port;
    private final boolean hasHeader;
    private final NetCounters counters;
    private final ReceivedChecksum checksum = new ReceivedChecksum();
    private final IoVector gathered = new IoVector(64), captured = new IoVector(64);

    @SuppressWarnings("unused") // keeps the memory
    private final Arena arena = Arena.ofAuto();

    private final long scratch = arena.allocate(2 * NetHeader.BYTES, Long.BYTES).address();
    private final SoftwareOffload captureOffload;
    private final PacketCapture capture;

    private Chain[] held = new Chain[16];
    private long[] written = new long[16];
    private int heldCount;
    private boolean mergeable, verifies;
    private long enoughBytes;

    ReceivePath(NetPort port, boolean hasHeader, NetCounters counters, PacketCapture capture) {
        this.port = port;
        this.hasHeader = hasHeader;
        this.counters = counters;
        this.capture = capture;
        captureOffload = capture == null ? null : new SoftwareOffload();
    }

    /** @param longestFrame that is expected: buffers for so much are held ready. A longer one comes all the same. */
    void start(boolean mergesBuffers, boolean verifiesChecksums, int longestFrame) {
        mergeable = mergesBuffers;
        verifies = verifiesChecksums;
        enoughBytes = mergesBuffers ? NetHeader.BYTES + longestFrame : 1;
    }

    /**
     * Receives what is there. The queue interrupts afterwards. @return whether there is more, which no event will tell
     * of
     */
    boolean run(Virtqueue queue, NetControl control) throws QueueViolation {
        int left = SHARE;
        long need = enoughBytes;
        boolean starved = false;
        try {
            while (left > 0) {
                boolean full = gather(queue, need);
                if (heldCount == 0) {
                    starved = !queue.enableNotifications();
                    if (starved) break;
                    queue.disableNotifications();
                    continue;
                }
                long bytes = port.receive(gathered);
                if (bytes == -Errno.EAGAIN) break;
                left--;
                if (bytes <= gathered.totalBytes()) {
                    accept(
                            queue,
                            (int) bytes,
                            control.filter()); // as it is now: a command may have been answered meanwhile
                    need = enoughBytes;
                } else if (mergeable
                        && !full
                        && heldCount < queue.size()
                        && bytes <= NetHeader.BYTES + StreamPort.MAX_FRAME_BYTES) {
                    if (need < bytes) {
                        need = bytes; // once more, with all buffers that there are
                        continue;
                    }
                    starved = !queue.enableNotifications();
                    if (starved) break;
                    queue.disableNotifications();
                } else {
                    port.discard();
                    counters.add(RECEIVE_DROPPED, 1);
                }
            }
        } finally {
            giveBack(queue);
        }
        port.listen(!starved);
        return left == 0 && port.hasBuffered();
    }

    /** The queue stops, or its driver is gone. */
    void stop() {
        port.listen(false);
    }

    /** @return whether no more pieces can be held, however many chains come */
    private boolean gather(Virtqueue queue, long needBytes) throws QueueViolation {
        while (gathered.totalBytes() < needBytes) {
            if (!mergeable && heldCount > 0) return true;
            Chain chain = queue.poll();
            if (chain == null) return false;
            IoVector buffers = chain.writable();
            if (heldCount > 0 && gathered.count() + buffers.count() > MAX_PIECES) {
                queue.unpoll(chain);
                return true;
            }
            if (heldCount == held.length) grow();
            held[heldCount++] = chain;
            gathered.add(buffers, 0, buffers.totalBytes());
        }
        return false;
    }

    private void grow() {
        held = java.util.Arrays.copyOf(held, 2 * heldCount);
        written = java.util.Arrays.copyOf(written, 2 * heldCount);
    }

    private void giveBack(Virtqueue queue) {
        while (heldCount > 0) {
            queue.unpoll(held[--heldCount]);
            held[heldCount] = null;
        }
        gathered.clear();
    }

    private void accept(Virtqueue queue, int bytes, ReceiveFilter filter) {
        if (bytes < NetHeader.BYTES + SoftwareOffload.ETHERNET_BYTES) {
            counters.add(RECEIVE_DROPPED, 1);
            return;
        }
        if (!wanted(filter, bytes)) {
            counters.add(RECEIVE_FILTERED, 1);
            return;
        }
        int chains = share(bytes);
        writeHeader(bytes, chains);
        if (capture != null) capture(bytes);
        long used = 0;
        for (int i = 0; i < chains; i++) used += held[i].writable().totalBytes();
        queue.push(held, written, chains);
        System.arraycopy(held, chains, held, 0, heldCount - chains);
        heldCount -= chains;
        gathered.skip(used);
        counters.add(RECEIVED_PACKETS, 1);
        counters.add(RECEIVED_BYTES, bytes - NetHeader.BYTES);
    }

    /** Says how much of the packet is in each chain. @return how many it takes */
    private int share(int bytes) {
        int chains = 0;
        for (long left = bytes; left > 0; chains++) {
            written[chains] = Math.min(left, held[chains].writable().totalBytes());
            left -= written[chains];
        }
        return chains;
    }

    private void writeHeader(int bytes, int chains) {
        if (hasHeader) {
            HostMemory.putShort(scratch, (short) chains);
            gathered.copyIn(NetHeader.NUM_BUFFERS, scratch, Short.BYTES);
            return;
        }
        boolean valid = verifies && checksum.isValid(gathered, NetHeader.BYTES, bytes - NetHeader.BYTES);
        HostMemory.putLong(scratch, valid ? NetHeader.F_DATA_VALID : 0);
        HostMemory.putInt(scratch + 8, chains << 16);
        gathered.copyIn(0, scratch, NetHeader.BYTES);
    }

    private boolean wanted(ReceiveFilter filter, int bytes) {
        if (filter.isOpen()) return true;
        int length = Math.min(ADDRESSES_BYTES, bytes - NetHeader.BYTES);
        gathered.copyOut(NetHeader.BYTES, scratch, length);
        long destination = Long.reverseBytes(HostMemory.getLong(scratch)) >>> 16;
        boolean tagged = length == ADDRESSES_BYTES && SoftwareOffload.big16(scratch + 12) == 0x8100;
        return filter.accepts(destination, tagged ? SoftwareOffload.big16(scratch + 14) & 0xfff : -1);
    }

    private void capture(int bytes) {
        captured.clear().add(gathered, 0, bytes);
        captureOffload.reset();
        captureOffload.emit(captured, capture::record);
    }
}
