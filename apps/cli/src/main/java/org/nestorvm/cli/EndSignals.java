package org.nestorvm.cli;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * SIGTERM, SIGHUP and SIGINT during a run. The first SIGTERM or SIGHUP asks the guest to end, if the guest listens, and
 * it has some seconds for that. Another signal, SIGINT, or the end of those seconds stops the guest. The command then
 * ends as after any run, so that no socket and no folder of its devices stays behind.
 */
final class EndSignals implements AutoCloseable {
    /** What runs, and how it is asked to end. Called on threads of the signals' own. */
    interface Guest {
        /** @return false when the guest does not listen */
        boolean ask(String signal);

        /** SIGINT. @return false when it is to stop the guest */
        default boolean interrupt() {
            return false;
        }

        void stop();
    }

    private static final int SIGHUP = 1, SIGINT = 2, SIGTERM = 15, STATUS = 128;
    /** For the end of a run after its guest was stopped, and for the creation of a machine that is under way. */
    private static final Duration CLEANUP = Duration.ofSeconds(10);

    private final Duration patience;
    private final Map<Signal, SignalHandler> before = new LinkedHashMap<>();
    private Guest guest;
    private boolean creating;
    private int status;

    /** @param patience for a guest that listens */
    EndSignals(Duration patience) {
        this.patience = patience;
        for (int signal : new int[] {SIGHUP, SIGINT, SIGTERM}) handle(signal);
    }

    private static String name(int signal) {
        return switch (signal) {
            case SIGHUP -> "HUP";
            case SIGINT -> "INT";
            default -> "TERM";
        };
    }

    private void handle(int signal) {
        try {
            Signal handled = new Signal(name(signal));
            before.put(handled, Signal.handle(handled, _ -> received(signal)));
        } catch (IllegalArgumentException e) {
            return; // ignored since before our start, as by nohup(1), or -Xrs: it stays so
        }
    }

    /** On a thread of the signal's own. */
    private void received(int signal) {
        Guest running;
        boolean first, waits;
        synchronized (this) {
            running = guest;
            waits = creating;
        }
        if (signal == SIGINT && running != null && running.interrupt()) return;
        synchronized (this) {
            first = status == 0;
            if (first) status = STATUS + signal;
        }
        if (running == null) {
            if (waits) exitAfter(CLEANUP); // connect() stops the guest when it is made
            else System.exit(status());
        } else if (first && signal != SIGINT && !patience.isZero() && running.ask(name(signal))) {
            if (pauses(patience)) stop(running);
        } else {
            stop(running);
        }
    }

    private void stop(Guest running) {
        running.stop();
        exitAfter(CLEANUP);
    }

    private void exitAfter(Duration time) {
        if (pauses(time)) System.exit(status());
    }

    private static boolean pauses(Duration time) {
        try {
            Thread.sleep(time);
            return true;
        } catch (InterruptedException e) {
            return false;
        }
    }

    /** From now on a signal waits until the machine is there. */
    synchronized void creating() {
        creating = true;
    }

    /** A signal that has come meanwhile stops the machine before it runs. */
    synchronized void connect(Guest to) {
        guest = to;
        if (status != 0) to.stop();
    }

    /** What the command ends with because of a signal; 0 when none has come. */
    synchronized int status() {
        return status;
    }

    @Override
    public void close() {
        before.forEach(Signal::handle);
    }
}
