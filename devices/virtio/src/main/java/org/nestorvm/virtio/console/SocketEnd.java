package org.nestorvm.virtio.console;

import java.io.IOException;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.AcceptWatch;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.LimitedLog;
import org.nestorvm.virtio.UnixListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A Unix socket of the host, for one program at a time; the next is served when that has gone. Bytes go between it and
 * the guest's buffers without a copy. What the guest says while nobody is there is lost. What a program has said before
 * it goes still reaches the guest, and only then is the next one heard.
 */
final class SocketEnd implements HostEnd {
    private static final Logger LOG = LoggerFactory.getLogger(SocketEnd.class);

    private final LimitedLog log = new LimitedLog(LOG);
    private final String name;
    private final UnixListener listener;
    private final Runnable ready, connectionChanged;
    private EventLoop loop;
    private AcceptWatch programs;
    private int client = -1, watched;
    private boolean closed;

    /**
     * @param ready told on the loop: what was watched for has come @param connectionChanged told on the loop, perhaps
     *     from within {@link #take} or {@link #give}
     */
    SocketEnd(String name, UnixListener listener, Runnable ready, Runnable connectionChanged) {
        this.name = name;
        this.listener = listener;
        this.ready = ready;
        this.connectionChanged = connectionChanged;
    }

    /** From here on programs may connect. */
    void listen(EventLoop on) {
        if (loop != null) return;
        loop = on;
        programs = new AcceptWatch(name, on, listener.descriptor(), this::accept);
        programs.resume();
    }

    private void accept() {
        try {
            client = listener.accept();
        } catch (IOException e) {
            programs.later(e);
            return;
        }
        if (client < 0) return;
        programs.pause();
        connectionChanged.run();
        ready.run();
    }

    @Override
    public boolean isConnected() {
        return client >= 0;
    }

    @Override
    public long take(IoVector from) {
        if (client < 0) return from.totalBytes();
        long count = Descriptors.tryWritev(client, from.address(), Math.min(from.count(), IoVector.KERNEL_LIMIT));
        if (count >= 0) return count;
        if (count == -Errno.EAGAIN || count == -Errno.EINTR) return 0;
        disconnect();
        return from.totalBytes();
    }

    @Override
    public long give(IoVector to) {
        if (client < 0) return 0;
        long count = Descriptors.tryReadv(client, to.address(), Math.min(to.count(), IoVector.KERNEL_LIMIT));
        if (count > 0) return count;
        if (count != -Errno.EAGAIN && count != -Errno.EINTR) disconnect();
        return 0;
    }

    @Override
    public void watch(boolean input, boolean output) {
        int events = (input ? Events.EPOLLIN : 0) | (output ? Events.EPOLLOUT : 0);
        if (client < 0 || events == watched) return;
        try {
            if (watched == 0) loop.add(client, events, _ -> ready.run());
            else if (events != 0) loop.change(client, events);
            else loop.remove(client); // not watched for nothing: a hang-up would come again and again
            watched = events;
        } catch (IOException e) {
            log.warn("{}: the program at the other end is let go: {}", name, e.getMessage());
            disconnect();
        }
    }

    private void disconnect() {
        if (watched != 0) loop.remove(client);
        watched = 0;
        Descriptors.close(client);
        client = -1;
        connectionChanged.run();
        programs.resume();
    }

    @Override
    public void close() {
        if (closed) return;
        closed = true;
        if (programs != null) programs.close();
        if (client >= 0) Descriptors.close(client);
        client = -1;
        listener.close();
    }
}
