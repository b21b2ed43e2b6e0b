package org.nestorvm.cli;

import java.time.Duration;

/**
 * {@code --timeout}: the guest that runs when the time is over ends, however often it has been started anew. The time
 * begins with the first start.
 */
final class TimeLimit implements AutoCloseable {
    private final Duration limit;
    private final Thread thread;
    private Runnable end; // null while no guest runs
    private boolean over;

    /** @param limit null for none */
    TimeLimit(Duration limit) {
        this.limit = limit;
        thread = Thread.ofPlatform().name("time-limit").daemon().unstarted(this::expire);
    }

    private void expire() {
        try {
            Thread.sleep(limit);
        } catch (InterruptedException e) {
            return; // the last guest has ended before
        }
        synchronized (this) {
            over = true;
            if (end != null) end.run();
        }
    }

    /** A guest starts. @param endGuest is called when the time is over, at once if it is */
    synchronized void connect(Runnable endGuest) {
        end = endGuest;
        if (over) end.run();
        else if (limit != null && thread.getState() == Thread.State.NEW) thread.start();
    }

    synchronized void disconnect() {
        end = null;
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
