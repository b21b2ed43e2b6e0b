package org.nestorvm.vhost;

import java.io.IOException;
import java.util.List;
import java.util.function.Supplier;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.virtio.VirtioDevice;

/** Back ends in this process, one after the other, each with a device of its own: as if each was a process. */
final class LocalBackEnd implements Connector, AutoCloseable {
    private final Supplier<? extends VirtioDevice> devices;
    private VirtioDevice device;
    private BackEnd backEnd;
    private Thread thread;
    private volatile Throwable failure;
    private int count;

    LocalBackEnd(Supplier<? extends VirtioDevice> devices) {
        this.devices = devices;
    }

    @Override
    public synchronized DescriptorChannel connect(int failures) throws IOException {
        end();
        List<DescriptorChannel> pair = DescriptorChannel.pair("local");
        VirtioDevice next = devices.get();
        BackEnd server = new BackEnd(next, false);
        device = next;
        backEnd = server;
        thread = Thread.ofPlatform().name("back-end-" + count++).start(() -> {
            try {
                server.serve(pair.get(1));
            } catch (Throwable t) {
                failure = t;
            } finally {
                next.close();
            }
        });
        return pair.get(0);
    }

    /** The one that serves now. */
    synchronized VirtioDevice device() {
        return device;
    }

    synchronized int count() {
        return count;
    }

    Throwable failure() {
        return failure;
    }

    /** The connection ends, in the middle of whatever is under way. */
    void kill() {
        BackEnd current;
        synchronized (this) {
            current = backEnd;
        }
        current.close();
    }

    private void end() {
        if (backEnd == null) return;
        backEnd.close();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public synchronized void close() {
        end();
    }
}
