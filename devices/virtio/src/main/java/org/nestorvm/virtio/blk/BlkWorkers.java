package org.nestorvm.virtio.blk;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.virtio.Threads;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A disk's threads for requests that may wait: first come, first served, whatever queue they came from. A thread is
 * started when there is a request and nobody idle, up to a limit, and stays. Nothing is allocated per request; they are
 * a list by themselves.
 */
final class BlkWorkers implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(BlkWorkers.class);

    private final String name;
    private final List<Thread> threads = new ArrayList<>();
    private int limit, idle, waiting;
    private BlkRequest first, last;
    private boolean closed;

    BlkWorkers(String name, int limit) {
        this.name = name;
        this.limit = limit;
    }

    /** @return false when there are no threads: the caller does it */
    synchronized boolean submit(BlkRequest request) {
        if (waiting >= idle && threads.size() < limit) startThread();
        if (threads.isEmpty()) return false;
        request.next = null;
        if (last == null) first = request;
        else last.next = request;
        last = request;
        waiting++;
        notify();
        return true;
    }

    private void startThread() {
        try {
            threads.add(Thread.ofPlatform()
                    .name(name + "-io-" + threads.size())
                    .daemon()
                    .start(this::run));
        } catch (OutOfMemoryError e) { // a limit of the process or of the host
            limit = threads.size();
            LOG.warn("{}: {} threads for requests that wait, no more can be had: {}", name, limit, e.getMessage());
        }
    }

    private void run() {
        for (BlkRequest request; (request = next()) != null; ) request.serveForQueue();
    }

    private synchronized BlkRequest next() {
        while (first == null && !closed) {
            idle++;
            try {
                wait();
            } catch (InterruptedException e) { // nobody does that to these threads
                LOG.debug("{}: interrupted", name);
            } finally {
                idle--;
            }
        }
        if (first == null) return null;
        BlkRequest request = first;
        first = request.next;
        if (first == null) last = null;
        waiting--;
        return request;
    }

    /** What was submitted is done when this returns, and no thread is left. */
    @Override
    public void close() {
        List<Thread> all;
        synchronized (this) {
            closed = true;
            notifyAll();
            all = List.copyOf(threads);
        }
        all.forEach(Threads::awaitEnd);
    }
}
