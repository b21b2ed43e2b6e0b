package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Unix domain sockets, unix(7); streams unless something else is said. What java.nio cannot do with them, descriptors
 * in a message, is in {@link SocketMessages}.
 */
public final class Sockets {
    public static final int SHUT_RD = 0, SHUT_WR = 1, SHUT_RDWR = 2;
    /** Bytes of a path, without the NUL at its end. */
    public static final int PATH_MAX_BYTES = 107;

    private static final int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_SEQPACKET = 5, SOCK_CLOEXEC = 0x80000;
    private static final int SOL_SOCKET = 1,
            SO_SNDBUF = 7,
            SO_RCVBUF = 8,
            SO_PEERCRED = 17,
            SO_SNDBUFFORCE = 32,
            SO_PEEK_OFF = 42;
    private static final int TIOCOUTQ = 0x5411, FIONREAD = 0x541b; // SIOCOUTQ and SIOCINQ
    private static final int SUN_PATH = 2, SOCKADDR_UN_BYTES = 110;
    private static final int UCRED_BYTES = 12, UCRED_UID = 4, UCRED_GID = 8;

    private static final LibcFunction SOCKET = LibcFunction.of("socket");
    private static final LibcFunction SOCKETPAIR = LibcFunction.of("socketpair");
    private static final LibcFunction BIND = LibcFunction.of("bind");
    private static final LibcFunction LISTEN = LibcFunction.of("listen");
    private static final LibcFunction ACCEPT4 = LibcFunction.of("accept4");
    private static final LibcFunction CONNECT = LibcFunction.of("connect");
    private static final LibcFunction SHUTDOWN = LibcFunction.of("shutdown");
    private static final LibcFunction SETSOCKOPT = LibcFunction.of("setsockopt");
    private static final LibcFunction GETSOCKOPT = LibcFunction.of("getsockopt");

    private Sockets() {}

    /** Who is at the other end, as of its connect or socketpair. */
    public record Credentials(int pid, int uid, int gid) {}

    /** A stream socket, not connected, not inherited. */
    public static int stream(Object object) throws ErrnoException {
        FaultPoints.call("socket", object);
        return Libc.check("socket", object, SOCKET.tryInt(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    }

    /** Two stream sockets connected to each other, not inherited. */
    public static int[] pair(Object object) throws ErrnoException {
        return pair(object, SOCK_STREAM);
    }

    /** Two sockets connected to each other that keep the borders of messages. */
    public static int[] messagePair(Object object) throws ErrnoException {
        return pair(object, SOCK_SEQPACKET);
    }

    private static int[] pair(Object object, int type) throws ErrnoException {
        FaultPoints.call("socketpair", object);
        CallState state = CallState.get();
        Libc.check("socketpair", object, SOCKETPAIR.tryInt(AF_UNIX, type | SOCK_CLOEXEC, 0, state.value.address()));
        return new int[] {state.value.get(INT, 0), state.value.get(INT, Integer.BYTES)};
    }

    /** @throws IllegalArgumentException when the path is empty or longer than {@link #PATH_MAX_BYTES} */
    public static void bind(int socket, String path) throws ErrnoException {
        FaultPoints.call("bind", path);
        int result;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = address(arena, path);
            result = BIND.tryInt(socket, address.address(), (int) address.byteSize());
        }
        Libc.check("bind", path, result);
    }

    /** @throws IllegalArgumentException when the path is empty or longer than {@link #PATH_MAX_BYTES} */
    public static void connect(int socket, String path) throws ErrnoException {
        FaultPoints.call("connect", path);
        int result;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = address(arena, path);
            do {
                result = CONNECT.tryInt(socket, address.address(), (int) address.byteSize());
            } while (result == -Errno.EINTR);
        }
        // A stream socket of this family connects or does not; after a signal it may have done so already.
        Libc.check("connect", path, result == -Errno.EISCONN ? 0 : result);
    }

    /** struct sockaddr_un, cut after the NUL of the path. */
    private static MemorySegment address(Arena arena, String path) {
        byte[] bytes = HostText.bytes(path);
        if (bytes.length == 0 || bytes.length > PATH_MAX_BYTES) {
            String rule = "the path of a Unix socket has 1 to " + PATH_MAX_BYTES + " bytes";
            throw new IllegalArgumentException(rule + ": \"" + path + "\" has " + bytes.length);
        }
        MemorySegment address = arena.allocate(SOCKADDR_UN_BYTES, Long.BYTES);
        address.set(Libc.SHORT, 0, (short) AF_UNIX);
        MemorySegment.copy(bytes, 0, address, Libc.BYTE, SUN_PATH, bytes.length);
        return address.asSlice(0, SUN_PATH + bytes.length + 1);
    }

    public static void listen(Object object, int socket, int backlog) throws ErrnoException {
        FaultPoints.call("listen", object);
        Libc.check("listen", object, LISTEN.tryInt(socket, backlog));
    }

    /**
     * Waits for the next peer; a listening socket that does not block fails with EAGAIN instead. @return its socket,
     * which blocks and is not inherited; EINVAL after {@link #tryShutdown} of the listening socket
     */
    public static int accept(Object object, int socket) throws ErrnoException {
        FaultPoints.call("accept4", object);
        int result;
        do {
            result = ACCEPT4.tryInt(socket, 0L, 0L, SOCK_CLOEXEC);
        } while (result == -Errno.EINTR || result == -Errno.ECONNABORTED);
        return Libc.check("accept4", object, result);
    }

    /**
     * Ends the connection, and so every call that waits on the socket in another thread.
     *
     * @return 0 or a negated errno (-ENOTCONN when the peer was first)
     */
    public static int tryShutdown(int socket, int how) {
        return SHUTDOWN.tryInt(socket, how);
    }

    /**
     * Asks for room for this much on the way in each direction. The kernel doubles it for its own needs, and silently
     * gives less where its limits (net.core.wmem_max) say so, unless this process may pass over them.
     */
    public static void buffers(Object object, int socket, int sizeBytes) throws ErrnoException {
        FaultPoints.call("setsockopt(SO_SNDBUF)", object);
        CallState state = CallState.get();
        state.value.set(INT, 0, sizeBytes);
        int result = SETSOCKOPT.tryInt(socket, SOL_SOCKET, SO_SNDBUFFORCE, state.value.address(), Integer.BYTES);
        if (result != 0)
            result = SETSOCKOPT.tryInt(socket, SOL_SOCKET, SO_SNDBUF, state.value.address(), Integer.BYTES);
        if (result == 0)
            result = SETSOCKOPT.tryInt(socket, SOL_SOCKET, SO_RCVBUF, state.value.address(), Integer.BYTES);
        Libc.check("setsockopt(SO_SNDBUF)", object, result);
    }

    /**
     * @return what of the bytes that went into a socket its peer has not read yet takes of the kernel's memory, so 0
     *     when it has read all; or a negated errno
     */
    public static int tryUnsent(int socket) {
        return amount(socket, TIOCOUTQ);
    }

    /** @return bytes that can be read from a stream socket, or a negated errno */
    public static int tryUnread(int socket) {
        return amount(socket, FIONREAD);
    }

    /**
     * Sets where recv(MSG_PEEK) would look next. Whoever reads from a stream socket takes as much from this number as
     * has been read, so that it tells the owner of another descriptor whether, and how far, somebody reads.
     *
     * @return 0 or a negated errno
     */
    public static int trySetPeekOffset(int socket, int offset) {
        CallState state = CallState.get();
        state.value.set(INT, 0, offset);
        return SETSOCKOPT.tryInt(socket, SOL_SOCKET, SO_PEEK_OFF, state.value.address(), Integer.BYTES);
    }

    /** @return the number of {@link #trySetPeekOffset} as it is now, or a negated errno */
    public static int tryPeekOffset(int socket) {
        CallState state = CallState.get();
        state.value.set(INT, Integer.BYTES, Integer.BYTES); // the length, behind the value
        int result = getsockopt(socket, SO_PEEK_OFF, state.value.address(), state.value.address() + Integer.BYTES);
        return result < 0 ? result : state.value.get(INT, 0);
    }

    private static int amount(int socket, int request) {
        CallState state = CallState.get();
        int result = Ioctl.tryIoctl(socket, request, state.value.address());
        return result < 0 ? result : state.value.get(INT, 0);
    }

    public static Credentials peer(Object object, int socket) throws ErrnoException {
        FaultPoints.call("getsockopt(SO_PEERCRED)", object);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ucred = arena.allocate(UCRED_BYTES, Integer.BYTES);
            MemorySegment length = arena.allocateFrom(INT, UCRED_BYTES);
            Libc.check(
                    "getsockopt(SO_PEERCRED)",
                    object,
                    getsockopt(socket, SO_PEERCRED, ucred.address(), length.address()));
            return new Credentials(ucred.get(INT, 0), ucred.get(INT, UCRED_UID), ucred.get(INT, UCRED_GID));
        }
    }

    private static int getsockopt(int socket, int option, long valueAddress, long lengthAddress) {
        return GETSOCKOPT.tryInt(socket, SOL_SOCKET, option, valueAddress, lengthAddress);
    }
}
