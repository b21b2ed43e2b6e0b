package org.nestorvm.virtio.vsock;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.HostMemory;

/**
 * A program of the host has connected and has yet to say which port of the guest it wants: {@code CONNECT port}, one
 * line. What follows the line is the guest's.
 */
final class Greeting {
    private static final Pattern LINE = Pattern.compile("(?i:CONNECT) ([0-9]{1,10})\r?");
    private static final int LONGEST = 32;

    private final VsockDevice device;
    private final int socket;
    private final long deadlineNs;
    private final byte[] line = new byte[LONGEST];
    private int length;

    /** @param deadlineNs when the line must be there, in the time of {@link System#nanoTime} */
    Greeting(VsockDevice device, int socket, long deadlineNs) throws IOException {
        this.device = device;
        this.socket = socket;
        this.deadlineNs = deadlineNs;
        device.loop().add(socket, Events.EPOLLIN, _ -> read());
    }

    long deadlineNs() {
        return deadlineNs;
    }

    /** A byte at a time, since those behind the line are not ours. */
    private void read() {
        try (Arena arena = Arena.ofConfined()) {
            long at = arena.allocate(1).address();
            for (; ; ) {
                long count = Descriptors.tryRead(socket, at, 1);
                if (count == -Errno.EINTR) continue;
                if (count == -Errno.EAGAIN) return;
                byte next = count == 1 ? HostMemory.getByte(at) : 0;
                if (count != 1 || next != '\n' && length == LONGEST) {
                    device.refuse(this);
                    return;
                }
                if (next == '\n') break;
                line[length++] = next;
            }
        }
        Matcher matcher = LINE.matcher(new String(line, 0, length, StandardCharsets.ISO_8859_1));
        long port = matcher.matches() ? Long.parseLong(matcher.group(1)) : -1;
        if (port < 0 || port >= 0xffffffffL) device.refuse(this);
        else device.wanted(this, (int) port);
    }

    /** Gives the socket to who goes on with it. */
    int release() {
        device.loop().remove(socket);
        return socket;
    }

    void close() {
        Descriptors.close(release());
    }
}
