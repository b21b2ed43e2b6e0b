package org.nestorvm.memory.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class EventsTest {
    @Test
    void counterAddsUpAndDrains() throws IOException {
        int eventfd = Events.eventfd("counter", 3, Events.EFD_NONBLOCK);
        assertEquals(0, Events.trySignal(eventfd, 4));
        assertEquals(7, Events.tryDrain(eventfd));
        assertEquals(-Errno.EAGAIN, Events.tryDrain(eventfd));
        assertEquals(0, Events.trySignal(eventfd, -2), "the largest count, 2^64 - 2");
        assertEquals(-Errno.EAGAIN, Events.trySignal(eventfd, 1), "full");
        Descriptors.close(eventfd);
        assertEquals(-Errno.EBADF, Events.trySignal(-1, 1));
    }

    @Test
    void signalWakesAThreadThatDrains() throws Exception {
        int eventfd = Events.eventfd("wake", 0, 0);
        long[] drained = new long[1];
        Thread waiter = Thread.ofPlatform().start(() -> drained[0] = Events.tryDrain(eventfd));
        Events.trySignal(eventfd, 5);
        waiter.join();
        assertEquals(5, drained[0]);
        Descriptors.close(eventfd);
    }

    /** Another process has cleared O_NONBLOCK, and filled the counter or emptied it. */
    @Test
    void aSharedCounterIsNeverWaitedFor() throws IOException {
        int eventfd = Events.eventfd("shared", 0, 0);
        assertEquals(-Errno.EAGAIN, Events.tryDrainShared(eventfd), "empty");
        assertEquals(0, Events.trySignalShared(eventfd));
        assertEquals(0, Events.trySignalShared(eventfd));
        assertEquals(2, Events.tryDrainShared(eventfd));
        assertEquals(0, Events.trySignal(eventfd, -2), "the largest count that write(2) leaves");
        for (int i = 0; i < 1000; i++) Events.trySignalShared(eventfd);
        assertThat(Events.tryDrainShared(eventfd)).isIn(-1L, -2L);
        try (Primitive.Absence _ = Primitive.KERNEL_SIGNAL.assumeAbsent()) {
            assertEquals(0, Events.trySignal(eventfd, -2));
            assertEquals(-Errno.EAGAIN, Events.trySignalShared(eventfd));
            assertEquals(-2, Events.tryDrainShared(eventfd));
            assertEquals(0, Events.trySignalShared(eventfd));
            assertEquals(1, Events.tryDrainShared(eventfd));
        }
        Descriptors.close(eventfd);
        assertThat(Events.trySignalShared(-1)).isNegative();
    }

    @Test
    void signalsOfManyThreadsAllArrive() throws Exception {
        int eventfd = Events.eventfd("many", 0, 0), threads = 16, each = 2000;
        Thread[] running = new Thread[threads];
        for (int i = 0; i < threads; i++) {
            running[i] = Thread.ofPlatform().start(() -> {
                for (int signal = 0; signal < each; signal++) Events.trySignalShared(eventfd);
            });
        }
        for (Thread thread : running) thread.join();
        assertEquals(threads * each, Events.tryDrainShared(eventfd));
        Descriptors.close(eventfd);
    }

    @Test
    void timerBecomesReadableOnce() throws IOException {
        int timer = Events.timerfd("timer");
        assertEquals(-Errno.EAGAIN, Events.tryDrain(timer));
        assertEquals(0, Events.trySetTimer(timer, 3_000_000_000_000L));
        assertEquals(0, Events.tryPoll(timer, Events.POLLIN, 0));
        assertEquals(0, Events.trySetTimer(timer, 1));
        assertEquals(Events.POLLIN, Events.tryPoll(timer, Events.POLLIN, -1));
        assertEquals(1, Events.tryDrain(timer));
        assertEquals(0, Events.trySetTimer(timer, 1));
        assertEquals(0, Events.trySetTimer(timer, 0), "never, whether it has come or not");
        assertEquals(0, Events.tryPoll(timer, Events.POLLIN, 0));
        assertEquals(-Errno.EINVAL, Events.trySetTimer(timer, -1));
        Descriptors.close(timer);
    }

    @Test
    void pollTellsWhatIsReady() throws IOException {
        int[] pipe = Descriptors.pipe("poll");
        assertEquals(0, Events.tryPoll(pipe[0], Events.POLLIN, 0));
        assertEquals(Events.POLLOUT, Events.tryPoll(pipe[1], Events.POLLOUT, -1));
        try (Arena arena = Arena.ofConfined()) {
            long array = arena.allocate(16, 4).address();
            HostMemory.putInt(array, pipe[0]);
            HostMemory.putShort(array + 4, (short) Events.POLLIN);
            HostMemory.putInt(array + 8, pipe[1]);
            HostMemory.putShort(array + 12, (short) Events.POLLOUT);
            assertEquals(1, Events.tryPoll(array, 2, 0));
            assertEquals(Events.POLLOUT, HostMemory.getShort(array + 14));
        }
        Descriptors.close(pipe[1]);
        assertEquals(Events.POLLHUP, Events.tryPoll(pipe[0], Events.POLLIN, 0));
        Descriptors.close(pipe[0]);
    }

    @Test
    void epollGivesBackTheDataOfWhatIsReady() throws IOException {
        int epoll = Events.epollCreate("epoll");
        int one = Events.eventfd("one", 0, 0), two = Events.eventfd("two", 1, 0);
        Events.epollControl("one", epoll, Events.EPOLL_CTL_ADD, one, Events.EPOLLIN, 0x1111_2222_3333_4444L);
        Events.epollControl("two", epoll, Events.EPOLL_CTL_ADD, two, Events.EPOLLIN | Events.EPOLLET, -5);
        try (Arena arena = Arena.ofConfined()) {
            long events = arena.allocate(4L * Events.EPOLL_EVENT_BYTES, 8).address();
            assertEquals(1, Events.tryEpollWait(epoll, events, 4, -1));
            assertEquals(-5, Events.epollData(events, 0));
            assertEquals(Events.EPOLLIN, Events.epollEvents(events, 0));
            assertEquals(0, Events.tryEpollWait(epoll, events, 4, 0), "edge triggered: told once");
            Events.trySignal(one, 1);
            Events.trySignal(two, 1);
            assertEquals(2, Events.tryEpollWait(epoll, events, 4, 0));
            assertThat(new long[] {Events.epollData(events, 0), Events.epollData(events, 1)})
                    .containsExactlyInAnyOrder(0x1111_2222_3333_4444L, -5);
        }
        assertThatThrownBy(() -> Events.epollControl("one", epoll, Events.EPOLL_CTL_ADD, one, Events.EPOLLIN, 0))
                .hasMessageContaining("EEXIST");
        for (int descriptor : new int[] {one, two, epoll}) Descriptors.close(descriptor);
    }

    @Test
    void requestNumbersMatchTheHeader() {
        assertEquals(0x4020AE46, Ioctl.iow(0xAE, 0x46, 32), "KVM_SET_USER_MEMORY_REGION");
        assertEquals(0xAE80, Ioctl.io(0xAE, 0x80), "KVM_RUN");
        assertEquals(0x8090AE81, Ioctl.ior(0xAE, 0x81, 144), "KVM_GET_REGS");
        assertEquals(0xC008AE05, Ioctl.iowr(0xAE, 0x05, 8), "KVM_GET_SUPPORTED_CPUID");
        assertThatThrownBy(() -> Ioctl.iow(0xAE, 0x100, 8)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Ioctl.iow(0xAE, 1, 1 << 14)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void failedRequestIsNamed() {
        assertThatThrownBy(() -> Ioctl.ioctl("KVM_CREATE_VM", "/dev/null", -1, 0xAE01, 0))
                .hasMessage("KVM_CREATE_VM of /dev/null: EBADF (9), bad descriptor");
    }
}
