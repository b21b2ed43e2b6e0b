package org.nestorvm.memory.sys;

import static org.nestorvm.memory.sys.Libc.INT;
import static org.nestorvm.memory.sys.Libc.LONG;

import java.lang.foreign.MemorySegment;

/**
 * Waiting and waking: eventfd(2), poll(2), epoll(7), timerfd_create(2). The calls made per event allocate nothing and
 * answer with a negated errno.
 */
public final class Events {
    public static final int EFD_SEMAPHORE = 0x1, EFD_NONBLOCK = 0x800;
    private static final int EFD_CLOEXEC = 0x80000, EPOLL_CLOEXEC = 0x80000;
    public static final int POLLIN = 0x1, POLLOUT = 0x4, POLLERR = 0x8, POLLHUP = 0x10;
    public static final int EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3;
    public static final int EPOLLIN = 0x1,
            EPOLLOUT = 0x4,
            EPOLLERR = 0x8,
            EPOLLHUP = 0x10,
            EPOLLONESHOT = 1 << 30,
            EPOLLET = 1 << 31;
    // struct epoll_event is packed on x86-64 only
    private static final boolean PACKED = System.getProperty("os.arch").equals("amd64");
    /** Bytes of one struct epoll_event. */
    public static final int EPOLL_EVENT_BYTES = PACKED ? 12 : 16;

    private static final int EPOLL_DATA = PACKED ? 4 : 8;

    private static final int CLOCK_MONOTONIC = 1, TFD_NONBLOCK = 0x800, TFD_CLOEXEC = 0x80000;
    private static final int IT_VALUE_SEC = 16, IT_VALUE_NSEC = 24; // of struct itimerspec; the interval comes first
    private static final long NS_PER_SECOND = 1_000_000_000;

    private static final int POLLFD_BYTES = 8, POLLFD_EVENTS = 4, POLLFD_REVENTS = 6;

    private static final LibcFunction EVENTFD = LibcFunction.of("eventfd");
    private static final LibcFunction EVENTFD_READ = LibcFunction.of("eventfd_read");
    private static final LibcFunction EVENTFD_WRITE = LibcFunction.of("eventfd_write");
    private static final LibcFunction POLL = LibcFunction.of("poll");
    private static final LibcFunction TIMERFD_CREATE = LibcFunction.of("timerfd_create");
    private static final LibcFunction TIMERFD_SETTIME = LibcFunction.of("timerfd_settime");
    private static final LibcFunction EPOLL_CREATE1 = LibcFunction.of("epoll_create1");
    private static final LibcFunction EPOLL_CTL = LibcFunction.of("epoll_ctl");
    private static final LibcFunction EPOLL_WAIT = LibcFunction.of("epoll_wait");

    private Events() {}

    /**
     * A counter that one side adds to and the other waits for. @param flags {@link #EFD_NONBLOCK},
     * {@link #EFD_SEMAPHORE} or 0
     */
    public static int eventfd(Object object, int initial, int flags) throws ErrnoException {
        FaultPoints.call("eventfd", object);
        return Libc.check("eventfd", object, EVENTFD.tryInt(initial, flags | EFD_CLOEXEC));
    }

    /**
     * Adds to the counter. @return 0, or a negated errno: -EAGAIN when a non-blocking counter is full, and so the
     * reader awake anyway
     */
    public static int trySignal(int eventfd, long add) {
        return EVENTFD_WRITE.tryInt(eventfd, add);
    }

    /**
     * Adds 1 to an eventfd whose file description another process has as well, and never waits: that one can clear
     * O_NONBLOCK and fill the counter, after which {@link #trySignal} would wait.
     *
     * @return 0, or a negated errno
     */
    public static int trySignalShared(int eventfd) {
        if (Primitive.KERNEL_SIGNAL.present()) return KernelSignal.trySignal(eventfd);
        int events = tryPoll(eventfd, POLLOUT, 0);
        return events > 0 ? trySignal(eventfd, 1) : events == 0 ? -Errno.EAGAIN : events;
    }

    /**
     * {@link #tryDrain} for an eventfd whose file description another process has as well; never waits. @return what it
     * was, or a negated errno: -EAGAIN when it was zero
     */
    public static long tryDrainShared(int eventfd) {
        CallState state = CallState.get();
        MemorySegment vector = state.small;
        vector.set(LONG, 0, state.value.address());
        vector.set(LONG, Long.BYTES, Long.BYTES);
        long result = Descriptors.tryPreadv2(eventfd, vector.address(), 1, -1, Descriptors.RWF_NOWAIT);
        if (result == -Errno.EOPNOTSUPP || result == -Errno.ENOSYS) { // before Linux 5.8
            int events = tryPoll(eventfd, POLLIN, 0);
            return events > 0 ? tryDrain(eventfd) : events == 0 ? -Errno.EAGAIN : events;
        }
        return result < 0 ? result : state.value.get(LONG, 0);
    }

    /**
     * Takes the counter back to zero. @return what it was, or a negated errno: -EAGAIN when a non-blocking one was
     * zero. Blocks otherwise.
     */
    public static long tryDrain(int eventfd) {
        CallState state = CallState.get();
        int result = EVENTFD_READ.tryInt(eventfd, state.value.address());
        return result < 0 ? result : state.value.get(LONG, 0);
    }

    /**
     * A descriptor that becomes readable when a time has passed, and that {@link #tryDrain} takes back. Non-blocking.
     */
    public static int timerfd(Object object) throws ErrnoException {
        FaultPoints.call("timerfd_create", object);
        return Libc.check("timerfd_create", object, TIMERFD_CREATE.tryInt(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    }

    /** Sets the time from now, in place of any set before; 0 for never. @return 0 or a negated errno */
    public static int trySetTimer(int timerfd, long delayNs) {
        CallState state = CallState.get();
        MemorySegment time = state.small;
        time.fill((byte) 0);
        time.set(LONG, IT_VALUE_SEC, delayNs / NS_PER_SECOND);
        time.set(LONG, IT_VALUE_NSEC, delayNs % NS_PER_SECOND);
        return TIMERFD_SETTIME.tryInt(timerfd, 0, time.address(), 0L);
    }

    /**
     * Waits for one descriptor.
     *
     * @param timeoutMs 0 not at all, negative for ever
     * @return the events that came, 0 after the time, or a negated errno (-EINTR after a signal)
     */
    public static int tryPoll(int descriptor, int events, int timeoutMs) {
        CallState state = CallState.get();
        MemorySegment pollfd = state.value; // struct pollfd is eight bytes
        assert pollfd.byteSize() == POLLFD_BYTES;
        pollfd.set(INT, 0, descriptor);
        pollfd.set(Libc.SHORT, POLLFD_EVENTS, (short) events);
        pollfd.set(Libc.SHORT, POLLFD_REVENTS, (short) 0);
        int result = POLL.tryInt(pollfd.address(), 1L, timeoutMs);
        return result < 0 ? result : pollfd.get(Libc.SHORT, POLLFD_REVENTS);
    }

    /**
     * Waits for several: an array of struct pollfd (int descriptor, short events, short revents).
     *
     * @return how many have events, or a negated errno
     */
    public static int tryPoll(long pollfdAddress, int count, int timeoutMs) {
        return POLL.tryInt(pollfdAddress, (long) count, timeoutMs);
    }

    public static int epollCreate(Object object) throws ErrnoException {
        FaultPoints.call("epoll_create1", object);
        return Libc.check("epoll_create1", object, EPOLL_CREATE1.tryInt(EPOLL_CLOEXEC));
    }

    /** @param data comes back with each event of the descriptor */
    public static void epollControl(Object object, int epoll, int operation, int descriptor, int events, long data)
            throws ErrnoException {
        FaultPoints.call("epoll_ctl", object);
        CallState state = CallState.get();
        int result;
        MemorySegment event = state.small;
        HostMemory.putInt(event.address(), events);
        HostMemory.putLong(event.address() + EPOLL_DATA, data);
        result = EPOLL_CTL.tryInt(epoll, operation, descriptor, event.address());
        Libc.check("epoll_ctl", object, result);
    }

    /**
     * @param eventsAddress room for {@code limit} times {@link #EPOLL_EVENT_BYTES}. @return how many came, 0 after the
     *     time, or a negated errno
     */
    public static int tryEpollWait(int epoll, long eventsAddress, int limit, int timeoutMs) {
        return EPOLL_WAIT.tryInt(epoll, eventsAddress, limit, timeoutMs);
    }

    /** The events of entry {@code index} that {@link #tryEpollWait} filled in. */
    public static int epollEvents(long eventsAddress, int index) {
        return HostMemory.getInt(eventsAddress + (long) index * EPOLL_EVENT_BYTES);
    }

    /** The data of that entry. */
    public static long epollData(long eventsAddress, int index) {
        return HostMemory.getLong(eventsAddress + (long) index * EPOLL_EVENT_BYTES + EPOLL_DATA);
    }
}
