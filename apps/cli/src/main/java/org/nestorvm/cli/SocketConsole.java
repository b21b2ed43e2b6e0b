package org.nestorvm.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.nestorvm.boot.BootException;
import org.nestorvm.virtio.LimitedLog;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The guest's serial port behind a UNIX socket that the command listens on, for one client at a time; the next is
 * served when it has gone. While there is none the newest {@value #BACKLOG} bytes are kept for it. A client that does
 * not read makes the guest wait.
 */
final class SocketConsole extends OutputStream {
    static final int BACKLOG = 1 << 16;
    private static final Logger LOG = LoggerFactory.getLogger(SocketConsole.class);
    private static final long RETRY_MS = 500;

    private final LimitedLog log = new LimitedLog(LOG);
    private final Path path;
    private final ServerSocketChannel server;
    private final ConsoleInput input;
    private final Thread hook = new Thread(this::removeSocket, "console-socket");
    private final byte[] kept = new byte[BACKLOG];
    private long keptFrom, keptTo; // bytes ever kept; their difference is in the ring
    private SocketChannel client;

    private SocketConsole(Path path, ServerSocketChannel server, ConsoleInput input) {
        this.path = path;
        this.server = server;
        this.input = input;
    }

    /** @throws BootException when something that is alive, or no socket at all, has the path */
    static SocketConsole listen(Path path, ConsoleInput input) throws IOException {
        removeStale(path);
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            server.bind(UnixDomainSocketAddress.of(path), 1);
        } catch (IOException e) {
            server.close();
            throw new BootException(
                    "--console unix=" + path + ": cannot listen there (" + e.getMessage()
                            + "); name a path in a folder that you may write to, of at most 107 bytes",
                    e);
        }
        SocketConsole console = new SocketConsole(path, server, input);
        Runtime.getRuntime().addShutdownHook(console.hook);
        Thread.ofPlatform().name("console-socket").daemon().start(console::serve);
        return console;
    }

    /** A socket that nobody answers on was left behind by a process that was killed. */
    private static void removeStale(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) return;
        boolean socket = (boolean)
                Files.readAttributes(path, "isOther", LinkOption.NOFOLLOW_LINKS).get("isOther");
        if (!socket)
            throw new BootException(
                    "--console unix=" + path + ": a file that is no socket is there; remove it or name another path");
        try {
            SocketChannel.open(UnixDomainSocketAddress.of(path)).close();
            throw new BootException("--console unix=" + path + ": another program listens there; name another path");
        } catch (BootException e) {
            throw e;
        } catch (IOException e) {
            Files.delete(path);
        }
    }

    /** Until the console is closed, whatever becomes of single clients. */
    private void serve() {
        try {
            while (server.isOpen()) {
                SocketChannel accepted = accept();
                if (accepted != null) serve(accepted);
            }
        } catch (InterruptedException e) {
            return; // the guest goes on
        }
    }

    /**
     * @return null when that failed: this process has no descriptors left, for instance, of which nobody tells when
     *     there are some again
     */
    private SocketChannel accept() throws InterruptedException {
        try {
            return server.accept();
        } catch (IOException e) {
            if (!server.isOpen()) return null;
            log.warn("--console unix={}: nobody can connect now: {}", path, e.getMessage());
            Thread.sleep(RETRY_MS);
            return null;
        }
    }

    private void serve(SocketChannel accepted) throws InterruptedException {
        try (accepted) {
            attach(accepted);
            readFrom(accepted);
        } catch (IOException e) {
            LOG.debug("--console unix={}: a client has gone: {}", path, e.getMessage());
        } finally {
            detach();
        }
    }

    /** What a client says is heard though it reads nothing and has gone; then the output is kept for the next one. */
    private synchronized void attach(SocketChannel accepted) {
        try {
            while (keptFrom < keptTo) {
                int at = (int) (keptFrom & BACKLOG - 1), length = (int) Math.min(keptTo - keptFrom, BACKLOG - at);
                ByteBuffer bytes = ByteBuffer.wrap(kept, at, length);
                while (bytes.hasRemaining()) accepted.write(bytes);
                keptFrom += length;
            }
            client = accepted;
        } catch (IOException e) {
            LOG.debug("--console unix={}: a client takes no output: {}", path, e.getMessage());
        }
    }

    private synchronized void detach() {
        client = null;
    }

    private void readFrom(SocketChannel from) throws IOException, InterruptedException {
        ByteBuffer bytes = ByteBuffer.allocate(4096);
        while (from.read(bytes.clear()) >= 0) input.receive(bytes.array(), bytes.position());
    }

    @Override
    public void write(int value) {
        write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
        SocketChannel to;
        synchronized (this) {
            to = client;
            if (to == null) keep(bytes, offset, length);
        }
        if (to == null) return;
        ByteBuffer buffer = ByteBuffer.wrap(bytes, offset, length);
        try {
            while (buffer.hasRemaining()) to.write(buffer);
        } catch (IOException e) {
            synchronized (this) {
                if (client == to) client = null;
                keep(bytes, buffer.position(), buffer.remaining());
            }
        }
    }

    private void keep(byte[] bytes, int offset, int length) {
        for (int i = 0; i < length; i++) kept[(int) (keptTo++ & BACKLOG - 1)] = bytes[offset + i];
        keptFrom = Math.max(keptFrom, keptTo - BACKLOG);
    }

    @Override
    public void close() throws IOException {
        server.close();
        synchronized (this) {
            if (client != null) client.close();
        }
        removeSocket();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            return; // already shutting down: the hook finds nothing
        }
    }

    private void removeSocket() {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            return; // nothing to be done about it on the way out; the next start removes it
        }
    }
}
