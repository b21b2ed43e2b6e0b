package org.nestorvm.isolation;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.vhost.Connector;
import org.nestorvm.virtio.RestartBudget;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Starts a device's process when its front end connects, and another one when the connection has ended. The predecessor
 * is dead before its successor is given the same files, which stay open here for the next one.
 */
final class DeviceSupervisor implements Connector, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceSupervisor.class);
    /** A process ends by itself when its socket is closed; this is for one that flushes a disk. */
    private static final long PATIENCE_MS = 10_000, KILLED_MS = 5_000;

    private final String name;
    private final DeviceKind kind;
    private final DeviceArguments arguments;
    private final Given given;
    private final RestartPolicy policy;
    private final RestartBudget budget;
    private volatile DeviceProcess process;
    private boolean closed;

    /** Descriptors for each process that is started. */
    interface Given {
        Given NOTHING = of();

        /** @return descriptors that stay the giver's */
        int[] open() throws IOException;

        default void close() {}

        /** @param kill to be called when a process cannot go on with what it was given */
        default void whenLost(Runnable kill) {}

        /** Whether that has happened to what was opened last. */
        default boolean isLost() {
            return false;
        }

        /** The same each time. */
        static Given of(int... descriptors) {
            return new Given() {
                @Override
                public int[] open() {
                    return descriptors;
                }

                @Override
                public void close() {
                    for (int descriptor : descriptors) Descriptors.close(descriptor);
                }
            };
        }
    }

    /**
     * @param arguments of the kind; descriptors are numbered from {@link #firstDescriptor}
     * @param given belongs to the supervisor from now on
     */
    DeviceSupervisor(String name, DeviceKind kind, DeviceArguments arguments, RestartPolicy policy, Given given) {
        this.name = name;
        this.kind = kind;
        this.arguments = arguments.with("name", name).with("fd", DeviceProcess.FIRST_DESCRIPTOR);
        this.policy = policy;
        this.given = given;
        budget = policy.budget();
        given.whenLost(this::kill);
    }

    /** The number under which the process has the first of the descriptors. */
    static int firstDescriptor() {
        return DeviceProcess.FIRST_DESCRIPTOR + 1;
    }

    @Override
    public DescriptorChannel connect(int failures) throws IOException, InterruptedException {
        DeviceProcess former = process;
        try {
            Connector.pause(failures);
        } catch (IOException e) {
            throw new IOException(former == null ? e.getMessage() : e.getMessage() + "; " + former.lastWords(), e);
        }
        synchronized (this) {
            if (closed) throw new IOException(name + " is closed");
            if (former != null) replace(former);
            return start();
        }
    }

    private void replace(DeviceProcess former) throws IOException {
        former.kill();
        if (!former.awaitExit(KILLED_MS)) throw new IOException(former + " has not ended though it was killed");
        if (!budget.take(System.nanoTime()))
            throw new IOException("its process has ended more than " + policy.most() + " times within "
                    + policy.withinMs() + " ms; " + former.lastWords());
        LOG.warn(
                "{} has ended with status {}; another one is started",
                former,
                former.exit().join());
    }

    private DescriptorChannel start() throws IOException {
        List<String> command = new ArrayList<>(JavaCommand.arguments(kind));
        command.add(kind.label());
        command.addAll(arguments.toList());
        int[] descriptors = given.open();
        int[] pair = Sockets.pair(name);
        try {
            int[] all = new int[1 + descriptors.length];
            all[0] = pair[1];
            System.arraycopy(descriptors, 0, all, 1, descriptors.length);
            process = DeviceProcess.start(name, command, all);
            if (given.isLost()) kill(); // which has found the former process
            return DescriptorChannel.of(name, pair[0]);
        } catch (Throwable t) {
            Descriptors.close(pair[0]);
            throw t;
        } finally {
            Descriptors.close(pair[1]);
        }
    }

    private void kill() {
        DeviceProcess current = process;
        if (current != null) current.kill();
    }

    /** The one that runs, or ran last; null before the first. */
    DeviceProcess process() {
        return process;
    }

    /** After the front end has closed its socket. */
    @Override
    public void close() {
        DeviceProcess last;
        synchronized (this) {
            if (closed) return;
            closed = true;
            last = process;
        }
        if (last != null && !last.awaitExit(PATIENCE_MS)) {
            LOG.warn("{} did not end with its machine and is killed", last);
            last.kill();
            last.awaitExit(KILLED_MS);
        }
        given.close();
    }
}
