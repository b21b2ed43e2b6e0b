package org.nestorvm.virtio.net;

/**
 * Whether a program that reads its stream socket at once has ceased to: looked at again and again, what it has not read is there and never becomes less. What is counted is what the kernel keeps for it, which goes up while the
 * guest sends more and does not read zero between two frames of a program that works; but then some look finds less than the one before, since the socket takes nothing new before three quarters of it are read.
 *
 * <p>A program that waits until we read does not hang. Looks are counted and not time, of which any amount may pass while this process is stopped.
 */
final class UnreadWatch {
    private final int looks;
    private int before, inVain;

    /** @param looks in a row that find nothing read */
    UnreadWatch(int looks) {
        this.looks = looks;
    }

    /**
     * @param unsent {@link org.nestorvm.memory.sys.Sockets#tryUnsent} of our end
     * @param unread {@link org.nestorvm.memory.sys.Sockets#tryUnread} of our end
     * @return whether it hangs
     */
    boolean look(int unsent, int unread) {
        boolean works = unsent <= 0 || unsent < before || unread != 0;
        inVain = works ? 0 : inVain + 1;
        before = unsent;
        return inVain >= looks;
    }

    boolean isSuspicious() {
        return inVain > 0;
    }
}
