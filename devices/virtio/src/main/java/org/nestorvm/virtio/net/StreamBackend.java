package org.nestorvm.virtio.net;

import java.io.IOException;
import java.nio.file.Files;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.AcceptWatch;
import org.nestorvm.virtio.EventLoop;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A stream socket of {@link StreamPort}'s protocol: connected once, connected again whenever it ends, or waiting for
 * peers, of which one at a time is served. Frames have no header.
 */
public final class StreamBackend implements NetBackend {
    private static final Logger LOG = LoggerFactory.getLogger(StreamBackend.class);
    private static final StreamPort.Connector ONCE = new StreamPort.Connector() {};

    private final String name;
    private final StreamPort port;

    private StreamBackend(String name, int socket, StreamPort.Connector connector, long stallNs) throws IOException {
        this.name = name;
        port = new StreamPort(name, socket, connector, stallNs);
    }

    /** @param socket connected; the back end's from now on */
    public static StreamBackend of(String name, int socket) throws IOException {
        return of(name, socket, StreamPort.STALL_NS);
    }

    static StreamBackend of(String name, int socket, long stallNs) throws IOException {
        try {
            return new StreamBackend(name, socket, ONCE, stallNs);
        } catch (IOException e) {
            Descriptors.close(socket);
            throw e;
        }
    }

    /** Connects to a listening socket. */
    public static StreamBackend connect(String path) throws IOException {
        return of("unix " + path, open(path));
    }

    /**
     * Connects when somebody listens, now or later, and again after the connection has ended. @param delayMs between
     * two attempts
     */
    public static StreamBackend reconnecting(String path, int delayMs) throws IOException {
        String name = "unix " + path;
        int socket = -1;
        try {
            socket = open(path);
        } catch (IOException e) {
            LOG.info("{}: {}; tried again every {} ms", name, e.getMessage(), delayMs);
        }
        Reconnect again = new Reconnect(name, path, delayMs * 1_000_000L);
        try {
            return new StreamBackend(name, socket, again, StreamPort.STALL_NS);
        } catch (IOException e) {
            again.close();
            if (socket >= 0) Descriptors.close(socket);
            throw e;
        }
    }

    /** Waits for peers at a path, which is made now and removed at the end. */
    public static StreamBackend listen(String path) throws IOException {
        String name = "unix " + path;
        Accept accept = new Accept(name, path, bind(path));
        try {
            return new StreamBackend(name, -1, accept, StreamPort.STALL_NS);
        } catch (IOException e) {
            accept.close();
            throw e;
        }
    }

    /** @return a socket for {@link #of} */
    static int open(String path) throws IOException {
        int socket = Sockets.stream(path);
        try {
            Sockets.connect(socket, path);
            return socket;
        } catch (ErrnoException e) {
            Descriptors.close(socket);
            throw new IOException(
                    "unix=" + path + ": nobody listens there (" + e.getMessage()
                            + "); start the other side first, or say unix=" + path + ",server or ,reconnect=1000",
                    e);
        } catch (IllegalArgumentException e) {
            Descriptors.close(socket);
            throw new IOException("unix=" + path + ": " + e.getMessage(), e);
        }
    }

    /** A socket file that nobody listens on any more is taken away. */
    private static int bind(String path) throws IOException {
        int socket = Sockets.stream(path);
        try {
            try {
                Sockets.bind(socket, path);
            } catch (ErrnoException e) {
                if (e.errno() != Errno.EADDRINUSE || isAlive(path)) throw e;
                Files.delete(HostText.path(path));
                Sockets.bind(socket, path);
            }
            Sockets.listen(path, socket, 1);
            Descriptors.nonBlocking(path, socket, true);
            return socket;
        } catch (IOException e) {
            Descriptors.close(socket);
            throw new IOException("unix=" + path + ",server: " + e.getMessage(), e);
        } catch (IllegalArgumentException e) {
            Descriptors.close(socket);
            throw new IOException("unix=" + path + ",server: " + e.getMessage(), e);
        }
    }

    /** Whether a file must not be taken away: somebody listens, or it is no socket. */
    private static boolean isAlive(String path) throws IOException {
        int probe = Sockets.stream(path);
        try {
            Sockets.connect(probe, path);
            return true;
        } catch (ErrnoException e) {
            return e.errno() != Errno.ECONNREFUSED || Files.isRegularFile(HostText.path(path));
        } finally {
            Descriptors.close(probe);
        }
    }

    private static final class Accept implements StreamPort.Connector {
        private final String name, path;
        private final int listening;
        private AcceptWatch peers;
        private StreamPort port;

        Accept(String name, String path, int listening) {
            this.name = name;
            this.path = path;
            this.listening = listening;
        }

        @Override
        public void start(EventLoop loop, StreamPort newPort) {
            port = newPort;
            peers = new AcceptWatch(name, loop, listening, this::accept);
            peers.resume();
        }

        private void accept() {
            try {
                port.connect(Sockets.accept(path, listening));
                peers.pause();
            } catch (IOException e) {
                if (!(e instanceof ErrnoException call) || call.errno() != Errno.EAGAIN) peers.later(e);
            }
        }

        @Override
        public void lost() {
            peers.resume();
        }

        @Override
        public void close() {
            if (peers != null) peers.close();
            Descriptors.close(listening);
            try {
                Files.deleteIfExists(HostText.path(path));
            } catch (IOException e) {
                LOG.debug("{}: {}", name, e.toString());
            }
        }
    }

    private static final class Reconnect implements StreamPort.Connector {
        private final String name, path;
        private final long delayNs;
        private final int timer;
        private EventLoop loop;
        private StreamPort port;

        Reconnect(String name, String path, long delayNs) throws IOException {
            this.name = name;
            this.path = path;
            this.delayNs = delayNs;
            timer = Events.timerfd(name);
        }

        @Override
        public void start(EventLoop newLoop, StreamPort newPort) throws IOException {
            loop = newLoop;
            port = newPort;
            loop.add(timer, Events.EPOLLIN, _ -> attempt());
            if (!port.isUp()) lost();
        }

        @Override
        public void lost() {
            Events.trySetTimer(timer, delayNs);
        }

        private void attempt() {
            Events.tryDrain(timer);
            try {
                port.connect(open(path));
            } catch (IOException e) {
                LOG.debug("{}: {}", name, e.getMessage());
                lost();
            }
        }

        @Override
        public void close() {
            if (loop != null) loop.remove(timer);
            Descriptors.close(timer);
        }
    }

    int duplicate() throws IOException {
        return port.duplicate();
    }

    @Override
    public String name() {
        return name;
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

    @Override
    public void close() {}
}
