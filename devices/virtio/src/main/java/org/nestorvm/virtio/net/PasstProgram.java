package org.nestorvm.virtio.net;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
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
import org.nestorvm.virtio.Threads;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One process of passt(1), from its start to its end. It inherits its end of a socket, and ends by itself when ours is
 * closed, however that comes about; but versions of 2023 do not always: one that still has data for a connection that
 * is gone looks for more of them for ever, and reads nothing any more. So a thread looks now and then whether it reads,
 * and one that does not is killed; but for one that would read and has had no processor to do it.
 *
 * <p>That thread also bounds the time that the program may use on processors, always a little above what it has used:
 * should this process be killed, the kernel ends a program that spins. The parent-death signal would not, since it is
 * taken back when a program changes its user or its namespace.
 *
 * <p>It has no word for "ready" but its pid file, so that is a pipe: it opens it anew through /proc, after it has
 * changed its user.
 */
final class PasstProgram {
    /** Descriptors of the program. */
    static final int SOCKET = 3, READY = 4;

    /**
     * How often to look whether it reads.
     *
     * @param suspectMs when the look before found that it has not
     * @param looks that find nothing read before it is said to hang
     * @param pauseMs after a start that failed
     * @param processorSeconds that it may use without a look in between
     */
    record Pace(int restMs, int suspectMs, int looks, int pauseMs, int processorSeconds) {
        static final Pace USUAL = new Pace(2_000, 500, 10, 1_000, 30);
    }

    /** Who is told of the end of a program that was ready, unless it is closed. Called on the program's thread. */
    interface Owner {
        /** It is killed, and ends, when this returns. */
        void hangs(PasstProgram program);

        void ended(PasstProgram program);
    }

    private static final Logger LOG = LoggerFactory.getLogger(PasstProgram.class);
    private static final String PROGRAM = PasstBackend.PROGRAM;
    private static final int READY_MS = 10_000, END_MS = 2_000, KEPT_LINES = 8, LINE_BYTES = 4096, POLL_MS = 10;
    /**
     * Room for what the program sends: it drops what finds none, and then sends a whole window again. For a socket that
     * it inherits it does not ask itself.
     */
    private static final int SOCKET_BYTES = 4 << 20;

    private static final int ANYBODY_WRITES = 0666;
    /** Many times what it needs for all that its socket can hold. */
    private static final long SPUN_NS = 1_000_000_000;

    private final int pid;
    private final Pace pace;
    private final Owner owner;
    private final UnreadWatch watch;
    private final Deque<String> lastWords = new ArrayDeque<>();
    private final Thread watcher;
    private final int ready;
    private int socket, look; // our end, until it is taken, and a duplicate of the program's; -1 when closed
    private boolean reaped, closing, isReady, hangs;
    private int status;
    private long workedNs; // what it had used of processors when it was last seen to work
    private long allowedSeconds; // the watcher's; negative where the kernel does not let us

    static PasstProgram start(String program, List<String> arguments, Pace pace, Owner owner) throws IOException {
        int[] sockets = Sockets.pair(PROGRAM);
        int[] ready = null, output = null;
        int none = -1, look = -1;
        try {
            ready = Descriptors.pipe(PROGRAM);
            Descriptors.fchmod(PROGRAM, ready[1], ANYBODY_WRITES);
            output = Descriptors.pipe(PROGRAM);
            look = Descriptors.duplicate(PROGRAM, sockets[1]);
            none = Descriptors.open("/dev/null", Descriptors.O_RDWR);
            Sockets.buffers(PROGRAM, sockets[1], SOCKET_BYTES);
            int pid = Spawn.start(
                    program,
                    arguments,
                    List.of("PATH=" + System.getenv().getOrDefault("PATH", "/usr/bin:/bin")),
                    none,
                    output[1],
                    output[1],
                    sockets[1],
                    ready[1]);
            return new PasstProgram(pid, sockets[0], look, ready[0], output[0], pace, owner);
        } catch (IOException e) {
            close(sockets[0], look, ready == null ? -1 : ready[0], output == null ? -1 : output[0]);
            throw e;
        } finally {
            close(sockets[1], none, ready == null ? -1 : ready[1], output == null ? -1 : output[1]);
        }
    }

    private static void close(int... descriptors) {
        for (int descriptor : descriptors) {
            if (descriptor >= 0) Descriptors.close(descriptor);
        }
    }

    private PasstProgram(int pid, int socket, int look, int ready, int output, Pace pace, Owner owner) {
        this.pid = pid;
        this.socket = socket;
        this.look = look;
        this.ready = ready;
        this.pace = pace;
        this.owner = owner;
        watch = new UnreadWatch(pace.looks);
        watcher = Thread.ofPlatform().name("passt-" + pid).daemon().start(() -> watch(output));
    }

    /** Once. */
    void awaitReady() throws IOException {
        boolean said;
        try (Arena arena = Arena.ofConfined()) {
            int events = Events.tryPoll(ready, Events.POLLIN, READY_MS);
            said = events > 0 && Descriptors.tryRead(ready, arena.allocate(16).address(), 16) > 0;
        } finally {
            Descriptors.close(ready);
        }
        synchronized (this) {
            isReady = said && !reaped;
            if (isReady) return;
        }
        close();
        throw new IOException("passt did not start: " + words());
    }

    /** Our end, which is the caller's from now on. */
    synchronized int takeSocket() {
        int taken = socket;
        socket = -1;
        return taken;
    }

    /** Keeps what the program says, looks whether it reads, and waits for its end. */
    private void watch(int output) {
        StringBuilder line = new StringBuilder();
        try (Arena arena = Arena.ofConfined()) {
            long buffer = arena.allocate(LINE_BYTES).address();
            long looked = System.nanoTime();
            for (long read = 1; read > 0 || read == -Errno.EINTR; ) {
                long leftMs = intervalMs() - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - looked);
                if (leftMs <= 0) {
                    look();
                    looked = System.nanoTime();
                    continue;
                }
                int events = Events.tryPoll(output, Events.POLLIN, (int) leftMs);
                if (events == 0 || events == -Errno.EINTR) continue;
                read = Descriptors.tryRead(output, buffer, LINE_BYTES);
                if (read > 0) said(buffer, (int) read, line);
            }
        } finally {
            Descriptors.close(output);
        }
        awaitEnd();
    }

    private int intervalMs() {
        return watch.isSuspicious() ? pace.suspectMs : pace.restMs;
    }

    private void awaitEnd() {
        while (!reap()) {
            try {
                Thread.sleep(POLL_MS);
            } catch (InterruptedException e) {
                return;
            }
        }
        synchronized (this) {
            if (!isReady || closing) return;
        }
        owner.ended(this);
        synchronized (this) {
            closeSocket(); // only now, since whoever has the other end hears of it
        }
    }

    private void look() {
        synchronized (this) {
            if (look < 0 || !isReady || hangs) return;
            long usedNs = Processes.tryCpuTimeNs(pid);
            boolean unread = watch.look(look);
            if (!watch.isSuspicious()) workedNs = usedNs;
            hangs = unread && (usedNs - workedNs >= SPUN_NS || !isRunnable());
            if (!hangs) {
                allowTime(usedNs);
                return;
            }
        }
        owner.hangs(this);
        kill(Processes.SIGKILL);
    }

    /**
     * As a program is that waits for a processor; and one that spins, which has had one. The state follows the name,
     * proc(5).
     */
    private boolean isRunnable() {
        try {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"), StandardCharsets.ISO_8859_1);
            return stat.startsWith(") R", stat.lastIndexOf(')'));
        } catch (IOException e) {
            return false; // it has ended, or we may not see it
        }
    }

    private void allowTime(long usedNs) {
        long used = TimeUnit.NANOSECONDS.toSeconds(usedNs);
        if (allowedSeconds < 0 || usedNs < 0 || used + pace.processorSeconds / 2 < allowedSeconds) return;
        int result = Processes.trySetSoftLimit(pid, Processes.RLIMIT_CPU, used + pace.processorSeconds);
        allowedSeconds = result == 0 ? used + pace.processorSeconds : -1;
        if (result < 0) LOG.debug("passt: its time is not bounded: prlimit: {}", Errno.describe(-result));
    }

    private void said(long buffer, int count, StringBuilder line) {
        byte[] bytes = new byte[count];
        HostMemory.copyOut(buffer, bytes, 0, count);
        for (char c : new String(bytes, StandardCharsets.UTF_8).toCharArray()) {
            if (c != '\n') {
                if (line.length() < LINE_BYTES) line.append(c);
            } else {
                said(line.toString());
                line.setLength(0);
            }
        }
    }

    /**
     * It says for each line that there is no system log to say it to, where there is none, and that it will not be
     * root.
     */
    private synchronized void said(String line) {
        if (line.isBlank() || line.startsWith("Failed to send ") || line.startsWith("Don't run as root")) return;
        LOG.debug("passt: {}", line);
        lastWords.addLast(line.strip());
        if (lastWords.size() > KEPT_LINES) lastWords.removeFirst();
    }

    synchronized String words() {
        if (!lastWords.isEmpty()) return String.join("; ", lastWords);
        return reaped ? "it ended without a word, with status " + status : "it does not answer";
    }

    synchronized boolean hangs() {
        return hangs;
    }

    private synchronized boolean reap() {
        try {
            int result = Processes.reap(pid, false);
            if (result == Processes.STILL_RUNNING) return false;
            status = result;
        } catch (IOException e) {
            LOG.debug("passt: {}", e.getMessage()); // somebody else has taken its status
        }
        reaped = true;
        return true;
    }

    synchronized void kill(int signal) {
        if (!reaped) Processes.tryKill(pid, signal);
    }

    /** Nobody is told of its end any more. */
    synchronized void disown() {
        closing = true;
    }

    synchronized void abandon() {
        disown();
        kill(Processes.SIGKILL);
    }

    int pid() {
        return pid;
    }

    /** When its socket is closed it ends; one that does not is killed. */
    void close() {
        synchronized (this) {
            disown();
            closeSocket();
        }
        if (ends()) return;
        kill(Processes.SIGTERM);
        if (ends()) return;
        kill(Processes.SIGKILL);
        ends();
    }

    private void closeSocket() {
        close(socket, look);
        socket = look = -1;
    }

    private boolean ends() {
        return Threads.awaitEnd(watcher, TimeUnit.MILLISECONDS.toNanos(END_MS));
    }
}
