package org.nestorvm.virtio.net;

import org.nestorvm.memory.sys.Sockets;

/**
 * Whether a program that reads its stream socket at once has ceased to: looked at now and then through a descriptor of
 * its end, something is there, and nothing of it is taken. How much is there says nothing: while the guest sends
 * without a pause it is as much each time. What has been taken the kernel counts, in the socket's peek offset, which
 * such a program does not use.
 *
 * <p>A program that waits until we read does not hang. Looks are counted and not time, of which any amount may pass
 * while this process is stopped.
 */
final class UnreadWatch {
    private static final int MARK = 1 << 30;

    private final int looks;
    private int inVain;

    /** @param looks in a row that find nothing read */
    UnreadWatch(int looks) {
        this.looks = looks;
    }

    /** @return whether it hangs */
    boolean look(int socket) {
        boolean reads = Sockets.tryPeekOffset(socket) != MARK;
        if (reads) Sockets.trySetPeekOffset(socket, MARK);
        boolean waitsForUs = Sockets.tryUnsent(socket) != 0;
        inVain = reads || waitsForUs || Sockets.tryUnread(socket) <= 0 ? 0 : inVain + 1;
        return inVain >= looks;
    }

    boolean isSuspicious() {
        return inVain > 0;
    }
}
