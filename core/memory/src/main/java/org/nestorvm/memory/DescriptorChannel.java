package org.nestorvm.memory;

import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.SocketMessages;
import org.nestorvm.memory.sys.Sockets;

/**
 * A Unix stream socket over which processes pass bytes and descriptors: memory objects, eventfds, files.
 *
 * <p>One message at a time goes out and one comes in, whichever threads ask; {@link #close} ends calls that wait.
 * Descriptors travel with the first byte they are sent with, so a receiver gets them with the message that begins
 * there.
 */
public final class DescriptorChannel implements Closeable {
    private static final int CLOSED = 1 << 30;

    private final String name;
    private final int socket;
    private final ReentrantLock sending = new ReentrantLock();
    private final ReentrantLock receiving = new ReentrantLock();
    // Calls under way, plus CLOSED. The descriptor is closed by the last of them, so that no call ever meets its
    // successor.
    private final AtomicInteger users = new AtomicInteger();

    private DescriptorChannel(String name, int socket) {
        this.name = name;
        this.socket = socket;
    }

    /** Wraps a connected stream socket, which belongs to the channel from now on. @param name for messages */
    public static DescriptorChannel of(String name, int socket) {
        return new DescriptorChannel("socket \"" + name + '"', socket);
    }

    /** Two channels connected to each other. */
    public static List<DescriptorChannel> pair(String name) throws IOException {
        int[] sockets = Sockets.pair(name);
        return List.of(of(name, sockets[0]), of(name, sockets[1]));
    }

    /** Connects to a process that listens, see {@link DescriptorListener}. */
    public static DescriptorChannel connect(Path path) throws IOException {
        String name = HostText.text(path);
        int socket = Sockets.stream(name);
        try {
            Sockets.connect(socket, name);
            return of(name, socket);
        } catch (Throwable t) {
            Descriptors.close(socket);
            throw t;
        }
    }

    /**
     * Sends all of the bytes, and descriptors with the first of them. The descriptors stay the caller's; the peer gets
     * its own.
     *
     * @param bytes at least one
     * @throws ErrnoException EPIPE or ECONNRESET when the peer has closed
     */
    public void send(byte[] bytes, int... descriptors) throws IOException {
        sending.lock();
        try (Use _ = use();
                Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(bytes.length);
            HostMemory.copyIn(bytes, 0, buffer.address(), bytes.length);
            long sent = SocketMessages.send(name, socket, buffer.address(), bytes.length, descriptors);
            while (sent < bytes.length)
                sent += SocketMessages.send(name, socket, buffer.address() + sent, bytes.length - sent);
        } finally {
            sending.unlock();
        }
    }

    /**
     * Waits for exactly {@code sizeBytes} bytes and the descriptors that came with them.
     *
     * @param descriptorLimit of a well-behaved peer; with more the call fails, and all are closed
     * @return null when the peer closed before the first byte
     * @throws EOFException when it closed after it
     * @throws ErrnoException EMSGSIZE when there were more descriptors
     */
    public Message receive(int sizeBytes, int descriptorLimit) throws IOException {
        return receive(sizeBytes, sizeBytes, descriptorLimit);
    }

    /** Waits for at least one byte and takes at most {@code limitBytes}; the rest as {@link #receive}. */
    public Message receiveSome(int limitBytes, int descriptorLimit) throws IOException {
        return receive(1, limitBytes, descriptorLimit);
    }

    private Message receive(int leastBytes, int limitBytes, int descriptorLimit) throws IOException {
        if (leastBytes < 1) throw new IllegalArgumentException("a message has at least one byte: size=" + leastBytes);
        receiving.lock();
        List<Integer> descriptors = new ArrayList<>();
        try (Use _ = use();
                Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(limitBytes);
            int received = 0;
            while (received < leastBytes) {
                SocketMessages.Received part = SocketMessages.receive(
                        name,
                        socket,
                        buffer.address() + received,
                        limitBytes - received,
                        descriptorLimit - descriptors.size());
                for (int descriptor : part.descriptors()) descriptors.add(descriptor);
                if (part.sizeBytes() == 0) break;
                received += (int) part.sizeBytes();
            }
            if (received == 0 && descriptors.isEmpty()) return null;
            if (received < leastBytes)
                throw new EOFException(
                        name + " was closed by the peer after " + received + " of " + leastBytes + " bytes");
            byte[] bytes = new byte[received];
            HostMemory.copyOut(buffer.address(), bytes, 0, received);
            return new Message(
                    bytes, descriptors.stream().mapToInt(Integer::intValue).toArray());
        } catch (Throwable t) {
            descriptors.forEach(Descriptors::close);
            throw t;
        } finally {
            receiving.unlock();
        }
    }

    /**
     * Waits until a message, or the end, can be received. @param timeoutMs negative for ever. @return false after the
     * time
     */
    public boolean awaitMessage(int timeoutMs) throws IOException {
        return await(Events.POLLIN, timeoutMs);
    }

    /**
     * Waits until a message of a few hundred bytes can be sent without waiting, or the peer is gone. @return false
     * after the time: the peer does not read
     */
    public boolean awaitRoom(int timeoutMs) throws IOException {
        return await(Events.POLLOUT, timeoutMs);
    }

    private boolean await(int awaited, int timeoutMs) throws IOException {
        long deadlineNs = System.nanoTime() + timeoutMs * 1_000_000L;
        int remainingMs = timeoutMs;
        try (Use _ = use()) {
            while (true) {
                int events = Events.tryPoll(socket, awaited, remainingMs);
                if (events >= 0) return events != 0;
                if (events != -Errno.EINTR) throw new ErrnoException("poll", name, -events);
                if (timeoutMs >= 0) remainingMs = (int) Math.max(0, (deadlineNs - System.nanoTime()) / 1_000_000);
            }
        }
    }

    /**
     * Ends the connection and every call that waits on it, as {@link #close} does, but leaves the descriptor to whoever
     * still has it in an epoll set.
     */
    public void end() {
        int now = users.getAndUpdate(count -> (count & CLOSED) != 0 ? count : count + 1);
        if ((now & CLOSED) != 0) return;
        Sockets.tryShutdown(socket, Sockets.SHUT_RDWR);
        unuse();
    }

    /** The socket, for who waits for its events and stops that before {@link #close}. */
    public int descriptor() {
        return socket;
    }

    /** Process, user and group at the other end, as of the connection. */
    public Sockets.Credentials peer() throws IOException {
        try (Use _ = use()) {
            return Sockets.peer(name, socket);
        }
    }

    /** Ends the connection and every call that waits on it. A second call does nothing. */
    @Override
    public void close() {
        // The closer is a user too: nobody else closes the descriptor before its shutdown.
        int before = users.getAndUpdate(now -> (now & CLOSED) != 0 ? now : now + 1 | CLOSED);
        if ((before & CLOSED) != 0) return;
        Sockets.tryShutdown(socket, Sockets.SHUT_RDWR);
        unuse();
    }

    @Override
    public String toString() {
        return name;
    }

    private Use use() throws IOException {
        int now = users.getAndUpdate(count -> (count & CLOSED) != 0 ? count : count + 1);
        if ((now & CLOSED) != 0) throw new java.nio.channels.ClosedChannelException();
        return this::unuse;
    }

    private void unuse() {
        if (users.decrementAndGet() == CLOSED) Descriptors.close(socket);
    }

    @FunctionalInterface
    private interface Use extends AutoCloseable {
        @Override
        void close();
    }

    /** Bytes, and descriptors that are closed with the message unless somebody takes them. */
    public static final class Message implements AutoCloseable {
        private static final int TAKEN = -1;
        private final byte[] bytes;
        private final int[] descriptors;

        private Message(byte[] bytes, int[] descriptors) {
            this.bytes = bytes;
            this.descriptors = descriptors;
        }

        public byte[] bytes() {
            return bytes;
        }

        public int descriptorCount() {
            return descriptors.length;
        }

        /**
         * Hands a descriptor over: it is the caller's from now on. @throws IllegalStateException when it was taken
         * already
         */
        public int take(int index) {
            int descriptor = descriptors[index];
            if (descriptor == TAKEN)
                throw new IllegalStateException("descriptor " + index + " of the message was taken already");
            descriptors[index] = TAKEN;
            return descriptor;
        }

        @Override
        public void close() {
            for (int i = 0; i < descriptors.length; i++) {
                if (descriptors[i] != TAKEN) Descriptors.close(take(i));
            }
        }
    }
}
