package org.nestorvm.vhost;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.DescriptorListener;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.virtio.LimitedLog;
import org.nestorvm.virtio.VirtioDevice;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves a virtio device to a front end in another process, on the thread that asks for it: the back end of the
 * vhost-user protocol. One front end at a time; when it goes away the device is left as after a reset, and its memory
 * is unmapped. The device stays the caller's.
 *
 * <p>With {@code seal} mappings of guest memory are immutable (mseal): for a process that ends with its device. Then
 * they stay until that end, though a front end may change its memory table.
 */
public final class BackEnd implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BackEnd.class);

    private final LimitedLog log = new LimitedLog(LOG);
    /** Queues that other front ends ask for in-flight memory for, whatever the device's size: QEMU's largest. */
    private static final int LARGEST_QUEUE = 1024;

    private final VirtioDevice device;
    private final MemoryFiles files;
    private MemoryObject prepared;
    private DescriptorChannel serving;
    private DescriptorListener listening;
    private boolean closed;

    public BackEnd(VirtioDevice device, boolean seal) {
        this.device = device;
        files = new MemoryFiles(seal);
    }

    /**
     * Makes the memory in which requests under way are recorded, for a process that can make none later. It stays until
     * the process ends.
     */
    public void prepare() throws IOException {
        int size = LARGEST_QUEUE;
        for (int i = 0; i < device.queueCount(); i++) size = Math.max(size, device.maxQueueSize(i));
        prepared = InflightArea.create(device.queueCount(), size);
    }

    /**
     * Serves one front end until it goes away, or {@link #close}.
     *
     * @param channel a connected socket, {@link DescriptorChannel#of} for an inherited descriptor; closed at the end
     * @throws ProtocolException when the front end broke the protocol
     * @throws IOException when the host failed; after this, too, the device is as after a reset, and may serve another
     */
    public void serve(DescriptorChannel channel) throws IOException {
        try (channel) {
            if (serves(channel)) new BackEndSession(device, files, prepared, channel).run();
        } catch (ClosedChannelException e) {
            if (!isClosed()) throw e;
        } catch (ErrnoException e) {
            if (e.errno() != Errno.ECONNRESET && e.errno() != Errno.EPIPE) throw e; // it has gone away as well
        }
    }

    /**
     * Serves one front end after the other, each as it connects, until {@link #close}. What one does wrong ends its
     * connection only.
     */
    public void serve(DescriptorListener listener) throws IOException {
        while (listens(listener)) {
            DescriptorChannel channel;
            try {
                channel = listener.accept();
            } catch (ClosedChannelException e) {
                if (isClosed()) return;
                throw e;
            }
            try {
                serve(channel);
            } catch (IOException e) {
                log.warn("{}: the connection ends: {}", device.name(), e.getMessage());
            }
        }
    }

    private synchronized boolean serves(DescriptorChannel channel) {
        serving = channel;
        return !closed;
    }

    private synchronized boolean listens(DescriptorListener listener) {
        listening = listener;
        return !closed;
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    /** Ends {@link #serve}, from any thread; it closes the listener, too. */
    @Override
    public synchronized void close() {
        closed = true;
        if (serving != null) serving.close();
        if (listening == null) return;
        try {
            listening.close();
        } catch (IOException e) {
            LOG.warn("{}: {}", device.name(), e.getMessage());
        }
    }
}
