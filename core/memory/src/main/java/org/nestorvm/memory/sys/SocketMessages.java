package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * sendmsg(2) and recvmsg(2) with descriptors in the control data, SCM_RIGHTS of unix(7). Received descriptors are not
 * inherited by programs this process starts, and never leak: a message whose control data was cut is an error, and what
 * did arrive of it is closed.
 */
public final class SocketMessages {
    /** Descriptors in one message, SCM_MAX_FD of the kernel. */
    public static final int DESCRIPTORS_MAX = 253;

    private static final int SOL_SOCKET = 1, SCM_RIGHTS = 1;
    private static final int MSG_CTRUNC = 0x8, MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000;
    // struct msghdr, iovec and cmsghdr of 64-bit Linux with glibc; musl's differ in padding that is zero here
    private static final int MSGHDR_BYTES = 56,
            MSG_IOV = 16,
            MSG_IOVLEN = 24,
            MSG_CONTROL = 32,
            MSG_CONTROLLEN = 40,
            MSG_FLAGS = 48;
    private static final int IOVEC_BYTES = 16, IOV_LEN = 8;
    private static final int CMSGHDR_BYTES = 16, CMSG_LEVEL = 8, CMSG_TYPE = 12;

    private static final LibcFunction SENDMSG = LibcFunction.of("sendmsg");
    private static final LibcFunction RECVMSG = LibcFunction.of("recvmsg");

    private SocketMessages() {}

    /**
     * What one recvmsg brought: the number of bytes, 0 at the end of the stream, and descriptors that now belong to the
     * caller.
     */
    public record Received(long sizeBytes, int[] descriptors) {}

    /**
     * Sends bytes, with descriptors attached to the first of them. The descriptors stay the caller's.
     *
     * @param sizeBytes at least 1
     * @return bytes sent, possibly fewer than asked; if any, the descriptors went along
     * @throws ErrnoException EPIPE when the peer has closed (no signal is raised), ETOOMANYREFS when too many are on
     *     their way
     */
    public static long send(Object object, int socket, long bufferAddress, long sizeBytes, int... descriptors)
            throws ErrnoException {
        if (sizeBytes < 1)
            throw new IllegalArgumentException("descriptors need a byte to travel with: size=" + sizeBytes);
        if (descriptors.length > DESCRIPTORS_MAX) {
            throw new IllegalArgumentException(
                    "a message takes " + DESCRIPTORS_MAX + " descriptors: " + descriptors.length);
        }
        FaultPoints.call("sendmsg", object);
        long result;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment control = descriptors.length == 0 ? MemorySegment.NULL : rights(arena, descriptors);
            MemorySegment message = message(arena, bufferAddress, sizeBytes, control, control.byteSize());
            do {
                result = SENDMSG.tryLong(socket, message.address(), MSG_NOSIGNAL);
            } while (result == -Errno.EINTR);
        }
        return Libc.check("sendmsg", object, result);
    }

    /**
     * Receives at most {@code sizeBytes} bytes and {@code descriptorLimit} descriptors.
     *
     * @throws ErrnoException EMSGSIZE when the peer sent more descriptors than that, or this process could not take
     *     them all: they are closed
     */
    public static Received receive(Object object, int socket, long bufferAddress, long sizeBytes, int descriptorLimit)
            throws ErrnoException {
        FaultPoints.call("recvmsg", object);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment control = arena.allocate(space(descriptorLimit), Long.BYTES);
            // Cut to the exact length: the padding of an odd limit has room for a descriptor too many.
            MemorySegment message = message(arena, bufferAddress, sizeBytes, control, length(descriptorLimit));
            long result = Libc.check("recvmsg", object, recvmsg(socket, message));
            int[] descriptors = descriptors(control, message.get(LONG, MSG_CONTROLLEN));
            if ((message.get(INT, MSG_FLAGS) & MSG_CTRUNC) != 0) {
                for (int descriptor : descriptors) Descriptors.close(descriptor);
                throw new ErrnoException(
                        "recvmsg (more than " + descriptorLimit + " descriptors)",
                        String.valueOf(object),
                        Errno.EMSGSIZE);
            }
            return new Received(result, descriptors);
        }
    }

    private static long recvmsg(int socket, MemorySegment message) {
        long result;
        do {
            result = RECVMSG.tryLong(socket, message.address(), MSG_CMSG_CLOEXEC);
        } while (result == -Errno.EINTR);
        return result;
    }

    private static MemorySegment message(
            Arena arena, long bufferAddress, long sizeBytes, MemorySegment control, long controlBytes) {
        MemorySegment iovec = arena.allocate(IOVEC_BYTES, Long.BYTES);
        iovec.set(LONG, 0, bufferAddress);
        iovec.set(LONG, IOV_LEN, sizeBytes);
        MemorySegment message = arena.allocate(MSGHDR_BYTES, Long.BYTES);
        message.set(LONG, MSG_IOV, iovec.address());
        message.set(LONG, MSG_IOVLEN, 1);
        message.set(LONG, MSG_CONTROL, control.address());
        message.set(LONG, MSG_CONTROLLEN, controlBytes);
        return message;
    }

    private static MemorySegment rights(Arena arena, int[] descriptors) {
        MemorySegment control = arena.allocate(space(descriptors.length), Long.BYTES);
        control.set(LONG, 0, length(descriptors.length));
        control.set(INT, CMSG_LEVEL, SOL_SOCKET);
        control.set(INT, CMSG_TYPE, SCM_RIGHTS);
        MemorySegment.copy(descriptors, 0, control, INT, CMSGHDR_BYTES, descriptors.length);
        return control;
    }

    /** All descriptors of all control messages, in order. */
    private static int[] descriptors(MemorySegment control, long controlBytes) {
        int[] found = new int[0];
        long at = 0;
        while (at + CMSGHDR_BYTES <= controlBytes) {
            long length = control.get(LONG, at);
            if (length < CMSGHDR_BYTES || length > controlBytes - at) break;
            if (control.get(INT, at + CMSG_LEVEL) == SOL_SOCKET && control.get(INT, at + CMSG_TYPE) == SCM_RIGHTS) {
                int count = (int) (length - CMSGHDR_BYTES) / Integer.BYTES;
                int[] more = java.util.Arrays.copyOf(found, found.length + count);
                MemorySegment.copy(control, INT, at + CMSGHDR_BYTES, more, found.length, count);
                found = more;
            }
            at += aligned(length);
        }
        return found;
    }

    /** CMSG_LEN of cmsg(3). */
    private static long length(int descriptors) {
        return descriptors == 0 ? 0 : CMSGHDR_BYTES + (long) descriptors * Integer.BYTES;
    }

    /** CMSG_SPACE of cmsg(3). */
    private static long space(int descriptors) {
        return aligned(length(descriptors));
    }

    private static long aligned(long bytes) {
        return bytes + 7 & -8L;
    }
}
