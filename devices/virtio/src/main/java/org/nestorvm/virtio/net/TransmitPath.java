package org.nestorvm.virtio.net;

import static org.nestorvm.virtio.net.NetCounters.Kind.SEND_DROPPED;
import static org.nestorvm.virtio.net.NetCounters.Kind.SEND_MALFORMED;
import static org.nestorvm.virtio.net.NetCounters.Kind.SENT_BYTES;
import static org.nestorvm.virtio.net.NetCounters.Kind.SENT_PACKETS;

import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;

/**
 * From a transmit queue to a port (5.1.6.2). Several packets go to the port before it sends; their chains are given
 * back when they are on their way, and those that the port has not taken go back into the ring. No chain is held when
 * {@link #run} returns, so that a reset finds nothing under way.
 */
final class TransmitPath {
    private static final int SHARE = 256, BATCH = 64;

    private final NetPort port;
    private final boolean hasHeader;
    private final NetCounters counters;
    private final PacketCapture capture;
    private final SoftwareOffload offload, captureOffload;
    private final SoftwareOffload.Sink toPort, toCapture;
    private final Chain[] batch = new Chain[BATCH];
    private final boolean[] lost = new boolean[BATCH];
    private int batched;

    TransmitPath(NetPort port, boolean hasHeader, NetCounters counters, PacketCapture capture) {
        this.port = port;
        this.hasHeader = hasHeader;
        this.counters = counters;
        this.capture = capture;
        offload = hasHeader ? null : new SoftwareOffload();
        captureOffload = capture == null ? null : new SoftwareOffload();
        toPort = port::put;
        toCapture = capture == null ? null : capture::record;
    }

    /**
     * Sends what is there, until the port is blocked. The queue interrupts afterwards. @return whether there is more,
     * after others have had their turn
     */
    boolean run(Virtqueue queue) throws QueueViolation {
        int left = SHARE;
        do {
            queue.disableNotifications();
            try {
                for (Chain chain; left > 0 && !port.isBlocked() && (chain = queue.poll()) != null; left--) {
                    add(queue, chain);
                    if (batched == BATCH || port.isFull()) flush(queue);
                }
            } finally {
                flush(queue); // what came before a violation goes out
            }
            if (port.isBlocked()) return false;
            if (left == 0) return true;
        } while (queue.enableNotifications());
        return false;
    }

    private void add(Virtqueue queue, Chain chain) {
        IoVector packet = chain.readable();
        int result = send(packet);
        if (result == SoftwareOffload.NO_ROOM) {
            queue.unpoll(chain); // and comes again when those before it are gone
            flush(queue);
            return;
        }
        port.endPacket();
        if (result == SoftwareOffload.MALFORMED) counters.add(SEND_MALFORMED, 1);
        else if (result != 0) counters.add(SEND_DROPPED, 1);
        lost[batched] = result != 0;
        batch[batched++] = chain;
    }

    private int send(IoVector packet) {
        if (!hasHeader) return offload.emit(packet, toPort);
        long frameBytes = packet.totalBytes() - NetHeader.BYTES;
        if (frameBytes < SoftwareOffload.ETHERNET_BYTES
                || frameBytes > SoftwareOffload.MAX_FRAME_BYTES
                || packet.count() > IoVector.KERNEL_LIMIT) return SoftwareOffload.MALFORMED;
        return port.put(packet);
    }

    private void flush(Virtqueue queue) {
        if (batched == 0) return;
        int taken = port.flush();
        for (int i = 0; i < taken; i++) {
            if (!lost[i]) sent(batch[i].readable());
            queue.push(batch[i], 0);
        }
        for (int i = batched - 1; i >= taken; i--) queue.unpoll(batch[i]);
        batched = 0;
        if (offload != null) offload.reset();
    }

    private void sent(IoVector packet) {
        counters.add(SENT_PACKETS, 1);
        counters.add(SENT_BYTES, packet.totalBytes() - NetHeader.BYTES);
        if (capture == null) return;
        captureOffload.reset();
        captureOffload.emit(packet, toCapture);
    }
}
