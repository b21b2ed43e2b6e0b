package org.nestorvm.virtio.vsock;

import java.util.ArrayDeque;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.queue.Chain;
import org.nestorvm.virtio.queue.QueueViolation;
import org.nestorvm.virtio.queue.Virtqueue;

/**
 * The rx queue: buffers that the guest has given for packets to it. Some are held in stock, so that one readv(2) fills
 * several of them with what a socket has, each behind the place of its header.
 */
final class Receiver {
    /** Buffers filled by one call. Linux' have 4 KiB. */
    private static final int STOCK = 16;

    private final ArrayDeque<Chain> stock = new ArrayDeque<>(STOCK);
    private Virtqueue queue;

    void start(Virtqueue newQueue) {
        queue = newQueue;
    }

    /** Gives the stock back, last first. */
    void stop() {
        while (!stock.isEmpty()) queue.unpoll(stock.pollLast());
        queue = null;
    }

    /** @return false when the guest has given no buffer; it notifies then when it has */
    boolean reserve() throws QueueViolation {
        return !stock.isEmpty() || take();
    }

    private boolean take() throws QueueViolation {
        Chain chain = queue.poll();
        if (chain == null) {
            if (!queue.enableNotifications()) return false;
            queue.disableNotifications();
            chain = queue.poll();
            if (chain == null) return false;
        }
        stock.add(chain);
        if (room(chain) <= 0)
            throw new QueueViolation("rx buffer of " + chain.writable().totalBytes() + " bytes: a packet's header has "
                    + Header.BYTES + ", and data follows");
        return true;
    }

    private static long room(Chain chain) {
        return chain.writable().totalBytes() - Header.BYTES;
    }

    /** Makes a vector of the buffers' room for data, of at most so many bytes. @return false when there is no buffer */
    boolean gather(IoVector to, long limitBytes) throws QueueViolation {
        to.clear();
        if (!reserve()) return false;
        long left = limitBytes;
        for (Chain chain : stock) left -= add(chain, to, left);
        while (left > 0 && stock.size() < STOCK && take()) left -= add(stock.getLast(), to, left);
        return true;
    }

    private static long add(Chain chain, IoVector to, long limitBytes) {
        long piece = Math.min(room(chain), limitBytes);
        to.add(chain.writable(), Header.BYTES, piece);
        return piece;
    }

    /** Sends a header without data. After {@link #reserve}. */
    void send(Header header) {
        header.length = 0;
        push(header);
    }

    /** Sends the bytes that were read into what {@link #gather} made, as packets with this header. */
    void send(Header header, long bytes) {
        while (bytes > 0) {
            header.length = Math.min(room(stock.peek()), bytes);
            bytes -= header.length;
            push(header);
        }
    }

    private void push(Header header) {
        Chain chain = stock.poll();
        header.put(chain.writable());
        queue.push(chain, Header.BYTES + header.length);
    }
}
