package org.nestorvm.virtio;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.sys.Events;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A listening socket on an event loop, watched while its owner can serve one more peer. Peers wait in the socket's
 * queue meanwhile.
 *
 * <p>When accept(2) fails for want of descriptors, the peer stays in that queue, and nobody tells when there are
 * descriptors again. So the owner says {@link #later}, and is called again after some time, not at once and for ever. A
 * thread of the JVM waits for that: a timer would be a descriptor, and a system call more for a confined process.
 */
public final class AcceptWatch {
    static final long RETRY_MS = 500;
    private static final Logger LOG = LoggerFactory.getLogger(AcceptWatch.class);

    private final LimitedLog log = new LimitedLog(LOG);
    private final String name;
    private final EventLoop loop;
    private final int listening;
    private final Runnable accept;
    private boolean watched, wanted, closed;

    /**
     * @param listening the caller's, who closes it after {@link #close}
     * @param accept is called on the loop when a peer waits
     */
    public AcceptWatch(String name, EventLoop loop, int listening, Runnable accept) {
        this.name = name;
        this.loop = loop;
        this.listening = listening;
        this.accept = accept;
    }

    /** The caller can serve a peer. On the loop, or before it knows of the socket. */
    public void resume() {
        wanted = true;
        if (watched || closed) return;
        try {
            loop.add(listening, Events.EPOLLIN, _ -> accept.run());
            watched = true;
        } catch (IOException e) {
            later(e);
        }
    }

    /** The caller serves as many as it can. On the loop. */
    public void pause() {
        wanted = false;
        unwatch();
    }

    /** The peer that waits could not be accepted. On the loop. */
    public void later(IOException why) {
        log.warn("{}: nobody can connect now: {}", name, why.getMessage());
        unwatch();
        CompletableFuture.delayedExecutor(RETRY_MS, TimeUnit.MILLISECONDS)
                .execute(() -> loop.exclusive(() -> {
                    if (wanted) resume();
                }));
    }

    private void unwatch() {
        if (watched) loop.remove(listening);
        watched = false;
    }

    /** From any thread, also when the loop has been closed. */
    public void close() {
        loop.exclusive(() -> {
            closed = true;
            unwatch();
        });
    }
}
