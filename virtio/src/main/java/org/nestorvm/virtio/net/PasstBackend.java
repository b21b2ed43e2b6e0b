package org.nestorvm.virtio.net;

import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.memory.sys.Spawn;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * passt(1) as the other end of a stream: the guest's connections become sockets of that program, without any right on the host. One process of it for each device; it inherits its end of the socket, and ends by itself when
 * ours is closed, however that comes about. Started as root it changes to the user nobody.
 *
 * <p>Versions of 2023 do not always: one that still has data for a guest that is gone looks for more of them for ever. So when this process ends by a signal or by exit it takes the program with it.
 *
 * <p>It has no word for "ready" but its pid file, so that is a pipe: it opens it anew through /proc, after it has changed its user.
 */
public final class PasstBackend implements NetBackend {
    private static final Logger LOG = LoggerFactory.getLogger(PasstBackend.class);
    private static final String PROGRAM = "passt";
    private static final int READY_MS = 10_000, END_MS = 2_000, KEPT_LINES = 8, LINE_BYTES = 4096, POLL_MS = 10;
    /** Room for what the program sends: it drops what finds none, and then sends a whole window again. For a socket that it inherits it does not ask itself. */
    private static final int SOCKET_BYTES = 4 << 20;
    /** Descriptors of the program. */
    private static final int SOCKET = 3, READY = 4;
    private static final int ANYBODY_WRITES = 0666;

    private final StreamBackend stream;
    private final int pid;
    private final Deque<String> lastWords = new ArrayDeque<>();
    private final Thread watcher, atExit = new Thread(this::abandon);
    private boolean reaped, closing, isReady;
    private int status;

    /**
     * @param tcp what its option -t takes, each: {@code 8080:80}
     * @param udp of its option -u
     * @param mtu that guests are told by DHCP, 0 for none
     */
    public static PasstBackend start(List<String> tcp, List<String> udp, int mtu) throws IOException {
        return start(find(), arguments(tcp, udp, mtu));
    }

    static List<String> arguments(List<String> tcp, List<String> udp, int mtu) {
        List<String> arguments = new ArrayList<>(List.of(PROGRAM, "--foreground", "--quiet", "--stderr", "--fd", Integer.toString(SOCKET), "--pid", "/proc/self/fd/" + READY));
        for (String spec : tcp) arguments.addAll(List.of("--tcp-ports", spec));
        for (String spec : udp) arguments.addAll(List.of("--udp-ports", spec));
        if (mtu != 0) arguments.addAll(List.of("--mtu", Integer.toString(mtu)));
        return arguments;
    }

    private static String find() throws IOException {
        String path = System.getenv("PATH");
        for (String directory : (path == null ? "/usr/bin" : path).split(File.pathSeparator)) {
            Path program = Path.of(directory.isEmpty() ? "." : directory, PROGRAM);
            if (Files.isExecutable(program) && Files.isRegularFile(program)) return program.toString();
        }
        throw new IOException("--net user needs the program passt, which is not on PATH: apt-get install passt, or use --net none");
    }

    static PasstBackend start(String program, List<String> arguments) throws IOException {
        int[] sockets = Sockets.pair(PROGRAM);
        StreamBackend stream;
        try {
            stream = StreamBackend.of(PROGRAM, sockets[0]);
        } catch (IOException e) {
            Descriptors.close(sockets[1]);
            throw e;
        }
        int[] ready = null, output = null;
        int none = -1, pid;
        try {
            ready = Descriptors.pipe(PROGRAM);
            Descriptors.fchmod(PROGRAM, ready[1], ANYBODY_WRITES);
            output = Descriptors.pipe(PROGRAM);
            none = Descriptors.open("/dev/null", Descriptors.O_RDWR);
            Sockets.buffers(PROGRAM, sockets[1], SOCKET_BYTES);
            pid = Spawn.start(program, arguments, List.of("PATH=" + System.getenv().getOrDefault("PATH", "/usr/bin:/bin")), none, output[1], output[1], sockets[1], ready[1]);
        } catch (IOException e) {
            stream.port(0).close();
            if (ready != null) Descriptors.close(ready[0]);
            if (output != null) Descriptors.close(output[0]);
            throw e;
        } finally {
            Descriptors.close(sockets[1]);
            if (ready != null) Descriptors.close(ready[1]);
            if (output != null) Descriptors.close(output[1]);
            if (none >= 0) Descriptors.close(none);
        }
        PasstBackend passt = new PasstBackend(stream, pid, output[0]);
        passt.awaitReady(ready[0]);
        return passt;
    }

    private PasstBackend(StreamBackend stream, int pid, int output) {
        this.stream = stream;
        this.pid = pid;
        watcher = Thread.ofPlatform().name("passt-" + pid).daemon().start(() -> watch(output));
        try {
            Runtime.getRuntime().addShutdownHook(atExit);
        } catch (IllegalStateException e) {
            abandon();                                               // the end has begun
        }
    }

    /** @param descriptor closed when this returns */
    private void awaitReady(int descriptor) throws IOException {
        boolean ready;
        try (Arena arena = Arena.ofConfined()) {
            int events = Events.tryPoll(descriptor, Events.POLLIN, READY_MS);
            ready = events > 0 && Descriptors.tryRead(descriptor, arena.allocate(16).address(), 16) > 0;
        } finally {
            Descriptors.close(descriptor);
        }
        synchronized (this) {
            isReady = ready;
        }
        if (ready) return;
        stream.port(0).close();
        close();
        throw new IOException("passt did not start: " + words() + " (or use --net none)");
    }

    /** Keeps what the program says, and waits for its end. */
    private void watch(int output) {
        StringBuilder line = new StringBuilder();
        try (Arena arena = Arena.ofConfined()) {
            long buffer = arena.allocate(LINE_BYTES).address();
            for (long read; (read = Descriptors.tryRead(output, buffer, LINE_BYTES)) > 0 || read == -Errno.EINTR; ) {
                byte[] bytes = new byte[(int) Math.max(0, read)];
                HostMemory.copyOut(buffer, bytes, 0, bytes.length);
                for (char c : new String(bytes, StandardCharsets.UTF_8).toCharArray()) {
                    if (c != '\n') {
                        if (line.length() < LINE_BYTES) line.append(c);
                    } else {
                        said(line.toString());
                        line.setLength(0);
                    }
                }
            }
        } finally {
            Descriptors.close(output);
        }
        while (!reap()) {
            try {
                Thread.sleep(POLL_MS);
            } catch (InterruptedException e) {
                return;
            }
        }
        synchronized (this) {                                        // it ends with 0 when its socket is closed
            if (isReady && !closing && status != 0) LOG.warn("passt has ended: {}", words());
        }
    }

    /** It says for each line that there is no system log to say it to, where there is none, and that it will not be root. */
    private synchronized void said(String line) {
        if (line.isBlank() || line.startsWith("Failed to send ") || line.startsWith("Don't run as root")) return;
        LOG.debug("passt: {}", line);
        lastWords.addLast(line.strip());
        if (lastWords.size() > KEPT_LINES) lastWords.removeFirst();
    }

    private synchronized String words() {
        if (!lastWords.isEmpty()) return String.join("; ", lastWords);
        return reaped ? "it ended without a word, with status " + status : "it does not answer";
    }

    private synchronized boolean reap() {
        try {
            int result = Processes.reap(pid, false);
            if (result == Processes.STILL_RUNNING) return false;
            status = result;
        } catch (IOException e) {
            LOG.debug("passt: {}", e.getMessage());                  // somebody else has taken its status
        }
        reaped = true;
        return true;
    }

    private synchronized void kill(int signal) {
        if (!reaped) Processes.tryKill(pid, signal);
    }

    private synchronized void abandon() {
        closing = true;
        kill(Processes.SIGKILL);
    }

    @Override
    public String name() {
        return PROGRAM;
    }

    @Override
    public int pairs() {
        return 1;
    }

    @Override
    public NetPort port(int pair) {
        return stream.port(pair);
    }

    @Override
    public boolean hasHeader() {
        return false;
    }

    /** A duplicate of our end of the stream, for a device in another process; this one only keeps the program then. */
    int duplicate() throws IOException {
        return stream.duplicate();
    }

    /** Ends a program whose stream another process had. */
    void release() {
        stream.port(0).close();
        close();
    }

    int pid() {
        return pid;
    }

    /** Its socket is closed already, which ends it; one that does not end is killed. */
    @Override
    public void close() {
        synchronized (this) {
            closing = true;
        }
        end();
        try {
            Runtime.getRuntime().removeShutdownHook(atExit);
        } catch (IllegalStateException e) {
            LOG.debug("passt: the hook runs already");
        }
    }

    private void end() {
        if (ends(END_MS)) return;
        kill(Processes.SIGTERM);
        if (ends(END_MS)) return;
        kill(Processes.SIGKILL);
        ends(END_MS);
    }

    private boolean ends(int ms) {
        boolean interrupted = false;
        long deadlineNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ms);
        try {
            while (watcher.isAlive()) {
                long leftMs = TimeUnit.NANOSECONDS.toMillis(deadlineNs - System.nanoTime());
                if (leftMs <= 0) return false;
                try {
                    watcher.join(leftMs);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            return true;
        } finally {
            if (interrupted) Thread.currentThread().interrupt();
        }
    }
}
