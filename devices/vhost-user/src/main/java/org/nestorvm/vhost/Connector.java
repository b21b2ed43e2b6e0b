package org.nestorvm.vhost;

import java.io.IOException;
import java.nio.file.Path;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.DescriptorListener;

/**
 * How a front end gets to its back end: at first, and again when the connection has ended. May start a process. It is
 * the one that decides how long to wait and when to give up, and the one that sees to it that the former back end has
 * ended, if it did not die: two that serve the same queues would each do what is under way.
 */
@FunctionalInterface
public interface Connector {
    /**
     * @param failures connections in a row that have ended before the device had done anything; 0 for the first, and
     *     after one that did something
     * @return a connected socket, which is the front end's from now on
     * @throws IOException there is no back end to be had any more: the guest's device fails
     * @throws InterruptedException the front end is closed meanwhile
     */
    DescriptorChannel connect(int failures) throws IOException, InterruptedException;

    /** The front end has closed its connection, and asks for no other. */
    default void close() {}

    /** A back end that is never replaced. */
    static Connector once(DescriptorChannel channel) {
        DescriptorChannel[] left = {channel};
        return _ -> {
            DescriptorChannel next = left[0];
            left[0] = null;
            if (next == null) throw new IOException("the back end is gone");
            return next;
        };
    }

    /**
     * A back end that listens at a path, and is started again there by somebody else. @param patienceMs after which
     * there is none any more
     */
    static Connector path(Path path, int patienceMs) {
        return failures -> {
            pause(failures);
            for (long deadlineNs = System.nanoTime() + patienceMs * 1_000_000L; ; Thread.sleep(Backoff.STEP_MS)) {
                try {
                    return DescriptorChannel.connect(path);
                } catch (IOException e) {
                    if (System.nanoTime() - deadlineNs > 0) throw e;
                }
            }
        };
    }

    /** A back end that connects to us. */
    static Connector listening(DescriptorListener listener) {
        return failures -> {
            pause(failures);
            return listener.accept();
        };
    }

    /** Lets a back end that fails again and again have time, and gives it up after a while. */
    static void pause(int failures) throws IOException, InterruptedException {
        if (failures > Backoff.MOST) throw new IOException("the back end has failed " + failures + " times in a row");
        if (failures > 0) Thread.sleep(Math.min(Backoff.LONGEST_MS, Backoff.STEP_MS << failures));
    }
}
