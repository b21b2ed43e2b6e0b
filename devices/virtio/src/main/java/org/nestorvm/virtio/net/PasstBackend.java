package org.nestorvm.virtio.net;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.virtio.EventLoop;
import org.nestorvm.virtio.RestartBudget;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * passt(1) as the other end of a stream: the guest's connections become sockets of that program, without any right on
 * the host. One process of it for each device. Started as root it changes to the user nobody.
 *
 * <p>One that hangs ({@link PasstProgram}) or ends by itself gets a successor with the same arguments and another
 * socket. The link stays up, since the successor tells the guest the same address and the same router; what is on the
 * way is lost, and so are the guest's connections, which the successor does not know. If that happens too often the
 * link goes down.
 *
 * <p>When this process ends by a signal or by exit it takes the program with it.
 */
public final class PasstBackend implements NetBackend {
    static final String PROGRAM = "passt";
    /** Successors that it may have within a time. */
    static final int RESTARTS = 5, WITHIN_S = 60;

    private static final Logger LOG = LoggerFactory.getLogger(PasstBackend.class);

    private final String program;
    private final List<String> arguments;
    private final PasstProgram.Pace pace;
    private final Runnable lost; // null where successors are this object's matter
    private final StreamPort port;
    private final RestartBudget budget = new RestartBudget(RESTARTS, TimeUnit.SECONDS.toNanos(WITHIN_S));
    private final Thread atExit = new Thread(this::abandon);
    private volatile PasstProgram running;
    private volatile boolean closing, isGivenUp;

    /**
     * @param tcp what its option -t takes, each: {@code 8080:80}
     * @param udp of its option -u
     * @param mtu that guests are told by DHCP, 0 for none
     */
    public static PasstBackend start(List<String> tcp, List<String> udp, int mtu) throws IOException {
        return start(find(), arguments(tcp, udp, mtu));
    }

    static PasstBackend start(String program, List<String> arguments) throws IOException {
        return start(program, arguments, PasstProgram.Pace.USUAL, null);
    }

    /**
     * For a device in another process: see {@link #duplicate}. @param lost called, perhaps twice, when the program
     * hangs or has ended, which has no successor then
     */
    static PasstBackend start(List<String> tcp, List<String> udp, int mtu, Runnable lost) throws IOException {
        return start(find(), arguments(tcp, udp, mtu), PasstProgram.Pace.USUAL, lost);
    }

    static PasstBackend start(String program, List<String> arguments, PasstProgram.Pace pace, Runnable lost)
            throws IOException {
        PasstBackend passt = new PasstBackend(program, arguments, pace, lost);
        try {
            passt.launch();
        } catch (IOException e) {
            passt.release();
            throw new IOException(e.getMessage() + " (or use --net none)", e);
        }
        return passt;
    }

    static List<String> arguments(List<String> tcp, List<String> udp, int mtu) {
        List<String> arguments = new ArrayList<>(List.of(
                PROGRAM,
                "--foreground",
                "--quiet",
                "--stderr",
                "--fd",
                Integer.toString(PasstProgram.SOCKET),
                "--pid",
                "/proc/self/fd/" + PasstProgram.READY));
        for (String spec : tcp) arguments.addAll(List.of("--tcp-ports", spec));
        for (String spec : udp) arguments.addAll(List.of("--udp-ports", spec));
        if (mtu != 0) arguments.addAll(List.of("--mtu", Integer.toString(mtu)));
        return arguments;
    }

    private static String find() throws IOException {
        String path = System.getenv("PATH");
        for (String directory : (path == null ? "/usr/bin" : path).split(File.pathSeparator)) {
            Path program = HostText.path((directory.isEmpty() ? "." : directory) + "/" + PROGRAM);
            if (Files.isExecutable(program) && Files.isRegularFile(program)) return program.toString();
        }
        throw new IOException(
                "--net user needs the program passt, which is not on PATH: apt-get install passt, or use --net none");
    }

    private PasstBackend(String program, List<String> arguments, PasstProgram.Pace pace, Runnable lost)
            throws IOException {
        this.program = program;
        this.arguments = arguments;
        this.pace = pace;
        this.lost = lost;
        port = new StreamPort(PROGRAM, -1, connector(), StreamPort.STALL_NS);
        try {
            Runtime.getRuntime().addShutdownHook(atExit);
        } catch (IllegalStateException e) {
            abandon(); // the end has begun
        }
    }

    private void launch() throws IOException {
        PasstProgram next;
        synchronized (this) {
            if (closing) throw new IOException("passt is closed");
            next = PasstProgram.start(program, arguments, pace, owner());
            running = next;
        }
        next.awaitReady();
        try {
            port.replace(next.takeSocket());
        } catch (IOException e) {
            next.close();
            throw e;
        }
    }

    private PasstProgram.Owner owner() {
        return new PasstProgram.Owner() {
            @Override
            public void hangs(PasstProgram program) {
                LOG.warn("passt reads nothing any more of what the guest sends, and is killed; the guest's "
                        + "connections are lost");
                if (lost != null) lost.run();
            }

            @Override
            public void ended(PasstProgram program) {
                if (!program.hangs())
                    LOG.warn("passt has ended, and with it the guest's connections: {}", program.words());
                if (lost != null) lost.run();
                else succeed(program);
            }
        };
    }

    /** On the thread of the program that has ended. */
    private void succeed(PasstProgram former) {
        port.detach(); // so that the end of its stream is not taken for that of its successor's
        String why = former.words();
        while (budget.take(System.nanoTime())) {
            try {
                launch();
                LOG.info("passt: another one goes on");
                return;
            } catch (IOException e) {
                LOG.debug("passt: {}", e.getMessage());
                why = e.getMessage();
            }
            if (pausedUntilClosing()) return;
        }
        LOG.warn(
                "passt was started again {} times within {} s and is not any more; the link stays down: {}",
                RESTARTS,
                WITHIN_S,
                why);
        isGivenUp = true;
        port.giveUp();
    }

    private synchronized boolean pausedUntilClosing() {
        long deadlineNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(pace.pauseMs());
        try {
            for (long leftMs;
                    !closing && (leftMs = TimeUnit.NANOSECONDS.toMillis(deadlineNs - System.nanoTime())) > 0; )
                wait(leftMs);
        } catch (InterruptedException e) {
            return true;
        }
        return closing;
    }

    private StreamPort.Connector connector() {
        return new StreamPort.Connector() {
            @Override
            public void start(EventLoop loop, StreamPort port) {
                if (isGivenUp) port.giveUp();
            }

            /** A program without its stream is of no use any more, if it has not ended. */
            @Override
            public void lost() {
                running.kill(Processes.SIGKILL);
            }

            /** The program ends when its stream does, and that is as it should be. */
            @Override
            public void close() {
                beginClosing();
            }

            @Override
            public boolean keepsLink() {
                return lost == null && !isGivenUp;
            }
        };
    }

    /** @return the program, null for none; there will be no other */
    private synchronized PasstProgram beginClosing() {
        closing = true;
        if (running != null) running.disown();
        notifyAll();
        return running;
    }

    private synchronized void abandon() {
        closing = true;
        if (running != null) running.abandon();
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
        return port;
    }

    @Override
    public boolean hasHeader() {
        return false;
    }

    /** A duplicate of our end of the stream, for a device in another process; this one only keeps the program then. */
    int duplicate() throws IOException {
        return port.duplicate();
    }

    /** Ends a program whose stream another process had. */
    void release() {
        port.close();
        close();
    }

    int pid() {
        return running.pid();
    }

    /** The port is closed already. */
    @Override
    public void close() {
        PasstProgram last = beginClosing();
        if (last != null) last.close();
        try {
            Runtime.getRuntime().removeShutdownHook(atExit);
        } catch (IllegalStateException e) {
            LOG.debug("passt: the hook runs already");
        }
    }
}
