package org.nestorvm.virtio;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.Sockets;

/**
 * A Unix socket at which programs of the host connect to a device. Only the same user may. A socket file that nobody
 * listens at any more is replaced; at the end the file is removed, if it is ours still: by who has made it, while
 * another process may have been given the socket.
 */
public final class UnixListener implements AutoCloseable {
    private static final int BACKLOG = 128, OWNER_ONLY = 0600;

    private final Path path;
    private final Object fileKey; // null where another process removes the file
    private final int socket;

    private UnixListener(Path path, Object fileKey, int socket) {
        this.path = path;
        this.fileKey = fileKey;
        this.socket = socket;
    }

    /** @param device what the user calls the device, for messages: {@code vsock} */
    public static UnixListener listen(String device, Path path) throws IOException {
        String name = path.toString();
        int socket = Sockets.stream(name);
        boolean bound = false;
        try {
            Descriptors.fchmod(name, socket, OWNER_ONLY); // the mode of the socket becomes that of the file
            Descriptors.nonBlocking(name, socket, true);
            bind(device, socket, path);
            bound = true;
            Sockets.listen(name, socket, BACKLOG);
            return new UnixListener(path, key(path), socket);
        } catch (Throwable t) {
            Descriptors.close(socket);
            if (bound) Files.deleteIfExists(path);
            throw t;
        }
    }

    /**
     * A socket that listens already, made by {@link #listen} in another process: the file is that one's. @param socket
     * the listener's from now on
     */
    public static UnixListener given(Path path, int socket) {
        return new UnixListener(path, null, socket);
    }

    private static void bind(String device, int socket, Path path) throws IOException {
        try {
            Sockets.bind(socket, HostText.text(path));
        } catch (ErrnoException e) {
            if (e.errno() != Errno.EADDRINUSE) throw e;
            if (!Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                    .isOther()) {
                throw new IOException(
                        device + " path " + path + " exists and is not a socket: remove it, or choose another path");
            }
            if (isAlive(path))
                throw new IOException(device + " path " + path
                        + " is in use, a program listens there: end it, or choose another path");
            Files.delete(path);
            Sockets.bind(socket, HostText.text(path));
        }
    }

    private static boolean isAlive(Path path) throws IOException {
        int probe = Sockets.stream(path);
        try {
            Descriptors.nonBlocking(path, probe, true);
            Sockets.connect(probe, HostText.text(path));
            return true;
        } catch (ErrnoException e) {
            if (e.errno() == Errno.EAGAIN) return true; // its queue is full
            if (e.errno() == Errno.ECONNREFUSED) return false;
            throw e;
        } finally {
            Descriptors.close(probe);
        }
    }

    private static Object key(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .fileKey();
    }

    public int descriptor() {
        return socket;
    }

    /**
     * @return a non-blocking socket; -1 when nobody waits @throws IOException when this process can have no more
     *     descriptors, for instance
     */
    public int accept() throws IOException {
        int peer;
        try {
            peer = Sockets.accept(path, socket);
        } catch (ErrnoException e) {
            if (e.errno() == Errno.EAGAIN) return -1;
            throw e;
        }
        try {
            Descriptors.nonBlocking(path, peer, true);
        } catch (ErrnoException e) {
            Descriptors.close(peer);
            throw e;
        }
        return peer;
    }

    /** Connects to the program that listens at a path. @return a non-blocking socket */
    public static int connect(String path) throws IOException {
        int socket = Sockets.stream(path);
        try {
            Descriptors.nonBlocking(path, socket, true);
            Sockets.connect(socket, path); // at once, or EAGAIN when its queue is full
            return socket;
        } catch (ErrnoException e) {
            Descriptors.close(socket);
            throw e;
        }
    }

    @Override
    public void close() {
        Descriptors.close(socket);
        if (fileKey == null) return;
        try {
            if (Files.exists(path, LinkOption.NOFOLLOW_LINKS) && key(path).equals(fileKey)) Files.delete(path);
        } catch (IOException e) {
            // Gone already, or in a directory that is: what was to be reached.
        }
    }
}
