package org.nestorvm.memory.sys;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is called per exit, per packet or per fault allocates nothing on the Java heap. */
class HotCallsTest {
    private static final int ROUNDS = 20_000, FIONREAD = 0x541B;
    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @Test
    void eventfdSignalAndDrain() throws IOException {
        int eventfd = Events.eventfd("hot", 0, Events.EFD_NONBLOCK);
        allocatesNothing(() -> Events.trySignal(eventfd, 2), 0);
        Events.tryDrain(eventfd);
        allocatesNothing(() -> (int) Events.tryDrain(eventfd), -Errno.EAGAIN);
        allocatesNothing(() -> Events.trySignalShared(eventfd), 0);
        Events.tryDrainShared(eventfd);
        allocatesNothing(() -> (int) Events.tryDrainShared(eventfd), -Errno.EAGAIN);
        Descriptors.close(eventfd);
    }

    @Test
    void ioctlThatSucceedsAndThatFails() throws IOException {
        int[] pipe = Descriptors.pipe("hot");
        try (Arena arena = Arena.ofConfined()) {
            long answer = arena.allocate(8).address();
            allocatesNothing(() -> Ioctl.tryIoctl(pipe[0], FIONREAD, answer), 0);
            allocatesNothing(() -> Ioctl.tryIoctl(pipe[0], 0xAE80, 0), -Errno.ENOTTY);
        }
        Descriptors.close(pipe[0]);
        Descriptors.close(pipe[1]);
    }

    @Test
    void pollReadAndWrite(@TempDir Path directory) throws IOException {
        int file = Descriptors.open(
                Files.write(directory.resolve("disk"), new byte[8]).toString(), Descriptors.O_RDWR);
        try (Arena arena = Arena.ofConfined()) {
            long buffer = arena.allocate(8).address();
            allocatesNothing(() -> Events.tryPoll(file, Events.POLLIN, 0), Events.POLLIN);
            allocatesNothing(() -> (int) Descriptors.tryPread(file, buffer, 8, 0), 8);
            allocatesNothing(() -> (int) Descriptors.tryPwrite(file, buffer, 8, 0), 8);
        }
        Descriptors.close(file);
    }

    @Test
    void vectorsThroughASocket() throws IOException {
        int[] pair = Sockets.messagePair("hot");
        try (Arena arena = Arena.ofConfined()) {
            long buffer = arena.allocate(16).address();
            IoVector out = new IoVector(2).add(buffer, 3).add(buffer + 8, 5);
            allocatesNothing(
                    () -> (int) (Descriptors.tryWritev(pair[0], out.address(), out.count())
                            + Descriptors.tryReadv(pair[1], out.address(), out.count())),
                    16);
        }
        Descriptors.close(pair[0]);
        Descriptors.close(pair[1]);
    }

    @Test
    void waitingForOtherEventsAndForATime() throws IOException {
        int epoll = Events.epollCreate("hot"), timer = Events.timerfd("hot");
        Events.epollControl("hot", epoll, Events.EPOLL_CTL_ADD, timer, 0, 1);
        allocatesNothing(
                () -> {
                    try {
                        Events.epollControl("hot", epoll, Events.EPOLL_CTL_MOD, timer, Events.EPOLLIN, 1);
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                    return Events.trySetTimer(timer, 1_000_000_000_000L);
                },
                0);
        Descriptors.close(timer);
        Descriptors.close(epoll);
    }

    @Test
    void fillingMemory() {
        try (Arena arena = Arena.ofConfined()) {
            long buffer = arena.allocate(8192).address();
            IoVector vector = new IoVector(2).add(buffer, 3).add(buffer + 8, 5000);
            for (int sizeBytes : new int[] {1, 8, 44, 512, 4096}) {
                allocatesNothing(
                        () -> {
                            HostMemory.fill(buffer, sizeBytes, (byte) 0);
                            vector.fill(1, sizeBytes, (byte) 0);
                            return 0;
                        },
                        0);
            }
        }
    }

    @Test
    void makingAPageResident() throws IOException {
        long page = MemoryCalls.mmap(
                "hot",
                4096,
                MemoryCalls.PROT_READ | MemoryCalls.PROT_WRITE,
                MemoryCalls.MAP_PRIVATE | MemoryCalls.MAP_ANONYMOUS,
                -1,
                0);
        allocatesNothing(
                () -> MemoryCalls.tryMadvise(page, 4096, MemoryCalls.MADV_HUGEPAGE),
                Primitive.HUGEPAGE_ADVICE.present() ? 0 : -Errno.EINVAL);
        MemoryCalls.munmap("hot", page, 4096);
    }

    private void allocatesNothing(IntSupplier call, int expected) {
        run(call, expected); // compiled, and the thread's state made
        long least = Long.MAX_VALUE;
        for (int attempt = 0;
                attempt < 200 && least >= ROUNDS;
                attempt++) { // until HotSpot has compiled it, however busy the machine
            long before = threads.getCurrentThreadAllocatedBytes();
            run(call, expected);
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertTrue(least < ROUNDS, "bytes allocated in " + ROUNDS + " rounds: " + least);
    }

    private static void run(IntSupplier call, int expected) {
        for (int i = 0; i < ROUNDS; i++) {
            int result = call.getAsInt();
            if (result != expected) throw new AssertionError("expected " + expected + ", got " + result);
        }
    }
}
