package org.nestorvm.memory;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Sockets;

/**
 * A path in the file system at which other processes connect a {@link DescriptorChannel}. Only processes of the same
 * user may.
 */
public final class DescriptorListener implements Closeable {
    private static final int BACKLOG = 16;
    private static final int OWNER_ONLY = 0600;
    private static final int CLOSED = 1 << 30;

    private final Path path;
    private final int socket;
    private final AtomicInteger users = new AtomicInteger();

    private DescriptorListener(Path path, int socket) {
        this.path = path;
        this.socket = socket;
    }

    /** @throws ErrnoException EADDRINUSE when the path exists, even if nobody listens there any more */
    public static DescriptorListener listen(Path path) throws IOException {
        String name = path.toString();
        int socket = Sockets.stream(name);
        boolean bound = false;
        try {
            // The mode of the socket becomes the mode of the path, so that there is no moment in which others can
            // connect.
            Descriptors.fchmod(name, socket, OWNER_ONLY);
            Sockets.bind(socket, name);
            bound = true;
            Sockets.listen(name, socket, BACKLOG);
            return new DescriptorListener(path, socket);
        } catch (Throwable t) {
            Descriptors.close(socket);
            if (bound) Files.deleteIfExists(path);
            throw t;
        }
    }

    public Path path() {
        return path;
    }

    /** Waits for the next process. @throws ClosedChannelException after {@link #close} */
    public DescriptorChannel accept() throws IOException {
        int before = users.getAndUpdate(count -> (count & CLOSED) != 0 ? count : count + 1);
        if ((before & CLOSED) != 0) throw new ClosedChannelException();
        try {
            return DescriptorChannel.of(path.toString(), Sockets.accept(path, socket));
        } catch (ErrnoException e) {
            // shutdown(2) of a listening socket, by close()
            if (e.errno() == Errno.EINVAL && (users.get() & CLOSED) != 0) throw new ClosedChannelException();
            throw e;
        } finally {
            unuse();
        }
    }

    private void unuse() {
        if (users.decrementAndGet() == CLOSED) Descriptors.close(socket);
    }

    /** Ends waiting calls and removes the path. A second call does nothing. */
    @Override
    public void close() throws IOException {
        int before = users.getAndUpdate(now -> (now & CLOSED) != 0 ? now : now + 1 | CLOSED);
        if ((before & CLOSED) != 0) return;
        Sockets.tryShutdown(socket, Sockets.SHUT_RDWR);
        unuse();
        Files.deleteIfExists(path);
    }
}
