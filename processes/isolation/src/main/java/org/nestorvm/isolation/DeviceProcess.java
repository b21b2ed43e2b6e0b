package org.nestorvm.isolation;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.Primitive;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.virtio.EventLoop;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A running device process: its number, its end, what it prints. One event loop watches all of this program's.
 *
 * <p>Processes are started by one thread that lives as long as the program, since the kernel sends the parent-death
 * signal when the thread ends that started a process.
 */
public final class DeviceProcess {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceProcess.class);
    private static final ExecutorService STARTER = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name("device-starter").daemon().factory());
    /** Standard input, output and error; then the socket; then what the device is given. */
    static final int FIRST_DESCRIPTOR = 3;

    /** One for all. */
    private static final class Watch {
        static final EventLoop LOOP;

        static {
            try {
                LOOP = new EventLoop("device-processes");
            } catch (IOException e) {
                throw new ExceptionInInitializerError(e);
            }
        }
    }

    private final String name;
    private final int pid, output;
    private final int pidfd; // -1 where the kernel has none
    private final DeviceLog log;
    private final CompletableFuture<Integer> exit = new CompletableFuture<>();
    private final byte[] buffer = new byte[4096];
    private boolean reaped, outputEnded;

    private DeviceProcess(String name, int pid, int output, int pidfd) {
        this.name = name;
        this.pid = pid;
        this.output = output;
        this.pidfd = pidfd;
        log = new DeviceLog(LOG, name);
    }

    /**
     * A process that inherits this program's standard output, and whose end is the caller's to wait for. @return its
     * number
     */
    static int startInForeground(List<String> command, int... descriptors) throws IOException {
        return onStarter(
                "nestor device",
                () -> Surroundings.start(JavaCommand.program(), command, JavaCommand.environment(), descriptors));
    }

    /** @param descriptors numbers {@link #FIRST_DESCRIPTOR} and so on of the process; they stay the caller's */
    static DeviceProcess start(String name, List<String> command, int... descriptors) throws IOException {
        return onStarter(name, () -> spawn(name, command, descriptors));
    }

    private static <T> T onStarter(String name, Callable<T> start) throws IOException {
        try {
            return STARTER.submit(start).get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException cause) throw new IOException(cause.getMessage(), cause);
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while the process of " + name + " was started", e);
        }
    }

    private static DeviceProcess spawn(String name, List<String> command, int[] descriptors) throws IOException {
        int[] pipe = Descriptors.pipe(name);
        int nothing = -1;
        try {
            Descriptors.nonBlocking(name, pipe[0], true);
            nothing = Descriptors.open("/dev/null", Descriptors.O_RDWR);
            int[] given = new int[FIRST_DESCRIPTOR + descriptors.length];
            given[0] = nothing;
            given[1] = given[2] = pipe[1]; // the JVM warns on standard output
            System.arraycopy(descriptors, 0, given, FIRST_DESCRIPTOR, descriptors.length);
            int pid = Surroundings.start(JavaCommand.program(), command, JavaCommand.environment(), given);
            return watch(name, pid, pipe[0]);
        } catch (Throwable t) {
            Descriptors.close(pipe[0]);
            throw t;
        } finally {
            Descriptors.close(pipe[1]);
            if (nothing >= 0) Descriptors.close(nothing);
        }
    }

    private static DeviceProcess watch(String name, int pid, int output) throws IOException {
        int pidfd = -1;
        try {
            if (Primitive.PIDFD.present()) pidfd = Processes.pidfdOpen(name, pid);
            DeviceProcess process = new DeviceProcess(name, pid, output, pidfd);
            Watch.LOOP.add(output, Events.EPOLLIN, _ -> process.read());
            if (pidfd >= 0) Watch.LOOP.add(pidfd, Events.EPOLLIN, _ -> process.ended());
            return process;
        } catch (Throwable t) {
            Watch.LOOP.remove(output);
            if (pidfd >= 0) Descriptors.close(pidfd);
            Processes.tryKill(pid, Processes.SIGKILL);
            Processes.reap(pid, true);
            throw t;
        }
    }

    public int pid() {
        return pid;
    }

    /** Its status, as a shell tells it, when it has ended. */
    public CompletableFuture<Integer> exit() {
        return exit;
    }

    /** The last line it printed, or what it means that there was none. */
    String lastWords() {
        return log.last().isEmpty()
                ? "it has printed nothing" + (exit.isDone() ? "; status " + exit.join() : "")
                : log.last();
    }

    /** SIGKILL, if it still runs. Its end comes later: {@link #exit}. */
    public synchronized void kill() {
        if (!reaped) Processes.tryKill(pid, Processes.SIGKILL);
    }

    /** @return whether it has ended in that time */
    boolean awaitExit(long timeoutMs) {
        try {
            exit.get(timeoutMs, TimeUnit.MILLISECONDS);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return exit.isDone();
        }
    }

    // On the loop

    /** A few buffers at a time; the loop comes back for more. */
    private void read() {
        if (outputEnded) return;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(buffer.length);
            long count = Descriptors.tryRead(output, bytes.address(), buffer.length);
            if (count > 0) {
                HostMemory.copyOut(bytes.address(), buffer, 0, (int) count);
                log.add(buffer, (int) count);
            } else if (count != -Errno.EAGAIN && count != -Errno.EINTR) {
                endOutput();
            }
        }
    }

    private void endOutput() {
        outputEnded = true;
        Watch.LOOP.remove(output);
        Descriptors.close(output);
        log.end();
        // A process that has closed its output and lives on would keep the loop waiting: it must not.
        if (pidfd < 0) {
            kill();
            finish(true);
        }
    }

    private void ended() {
        // What it said last lies in the pipe, which nobody fills any more.
        for (int i = 0; i < 64 && !outputEnded; i++) read();
        if (!outputEnded) endOutput();
        Watch.LOOP.remove(pidfd);
        Descriptors.close(pidfd);
        finish(false);
    }

    private void finish(boolean block) {
        int status;
        synchronized (this) {
            try {
                status = Processes.reap(pid, block);
            } catch (IOException e) {
                LOG.debug("{}: {}", name, e.getMessage()); // somebody in this program waits for all children
                status = 255;
            }
            reaped = true;
        }
        LOG.debug("{}: process {} has ended with status {}", name, pid, status);
        exit.complete(status);
    }

    @Override
    public String toString() {
        return name + " (process " + pid + ")";
    }
}
