package org.nestorvm.cli;

import java.time.Duration;
import java.util.Locale;
import org.nestorvm.machine.Machine;
import org.nestorvm.machine.Outcome;

/** {@code --timeout}: the guest that runs when the time is over ends, however often it has been started anew. */
final class TimeLimit implements AutoCloseable {
    private final Duration limit;
    private final Thread thread;
    private Machine machine;
    private boolean over;

    /** @param limit from now on; null for none */
    TimeLimit(Duration limit) {
        this.limit = limit;
        thread = limit == null ? null : Thread.ofPlatform().name("time-limit").daemon().start(this::expire);
    }

    private void expire() {
        try {
            Thread.sleep(limit);
        } catch (InterruptedException e) {
            return;                                                // the guest has ended before
        }
        synchronized (this) {
            over = true;
            if (machine != null) end();
        }
    }

    /** This machine runs now. */
    synchronized void connect(Machine to) {
        machine = to;
        if (over) end();
    }

    synchronized void disconnect() {
        machine = null;
    }

    private void end() {
        machine.stop(Outcome.Kind.TIMED_OUT, "guest ended by --timeout " + seconds(limit));
    }

    private static String seconds(Duration time) {
        String text = time.getNano() == 0 ? "" : "." + String.format(Locale.ROOT, "%09d", time.getNano()).replaceFirst("0+$", "");
        return time.toSeconds() + text;
    }

    @Override
    public void close() {
        if (thread != null) thread.interrupt();
    }
}
