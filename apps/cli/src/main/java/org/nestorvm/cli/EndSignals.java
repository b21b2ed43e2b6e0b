package org.nestorvm.cli;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.nestorvm.machine.Machine;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * SIGTERM, SIGHUP and SIGINT during a run. The first SIGTERM or SIGHUP presses the guest's power button, if the guest
 * listens to that, and the guest has some seconds to shut down. Another signal, SIGINT, or the end of those seconds
 * stops the guest. The command then ends as after any run, so that no socket and no folder of its devices stays behind.
 */
final class EndSignals implements AutoCloseable {
    private static final int SIGHUP = 1, SIGINT = 2, SIGTERM = 15, STATUS = 128;
    /** For the end of a run after its guest was stopped, and for the creation of a machine that is under way. */
    private static final Duration CLEANUP = Duration.ofSeconds(10);

    private final Duration patience;
    private final boolean quiet;
    private final Map<Signal, SignalHandler> before = new LinkedHashMap<>();
    private Machine machine;
    private boolean creating;
    private int status;

    /** @param patience for a guest that listens to its power button */
    EndSignals(Duration patience, boolean quiet) {
        this.patience = patience;
        this.quiet = quiet;
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
        Machine running;
        boolean first, waits;
        synchronized (this) {
            first = status == 0;
            if (first) status = STATUS + signal;
            running = machine;
            waits = creating;
        }
        if (running == null) {
            if (waits) exitAfter(CLEANUP); // connect() stops the machine when it is made
            else System.exit(status());
        } else if (first && signal != SIGINT && !patience.isZero() && running.pressPowerButton()) {
            if (!quiet)
                System.err.println("nestor: SIG" + name(signal) + ": the power button is pressed; the guest has "
                        + patience.toSeconds() + " s, a second signal ends it at once");
            if (pauses(patience)) stop(running);
        } else {
            stop(running);
        }
    }

    private void stop(Machine running) {
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
    synchronized void connect(Machine to) {
        machine = to;
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
