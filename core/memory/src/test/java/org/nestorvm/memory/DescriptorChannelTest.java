package org.nestorvm.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.EOFException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nestorvm.memory.DescriptorChannel.Message;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.memory.sys.SocketMessages;

@Timeout(30)
class DescriptorChannelTest {
    private int descriptorsBefore;
    private DescriptorChannel here;
    private DescriptorChannel there;

    @BeforeEach
    void connect() throws IOException {
        descriptorsBefore = Proc.descriptorCount();
        List<DescriptorChannel> pair = DescriptorChannel.pair("test");
        here = pair.get(0);
        there = pair.get(1);
    }

    @AfterEach
    void nothingLeaks() throws IOException {
        here.close();
        there.close();
        assertEquals(descriptorsBefore, Proc.descriptorCount(), "descriptors");
    }

    @Test
    void descriptorArrivesAsAnotherOfTheSameFileAndIsNotInherited() throws IOException {
        int eventfd = Events.eventfd("test", 0, Events.EFD_NONBLOCK);
        here.send(bytes("take this"), eventfd);
        try (Message message = there.receive(9, 1)) {
            assertEquals("take this", new String(message.bytes(), StandardCharsets.UTF_8));
            int copy = message.take(0);
            assertThat(copy).isNotEqualTo(eventfd);
            assertEquals(Descriptors.FD_CLOEXEC, Descriptors.fcntl("copy", copy, Descriptors.F_GETFD, 0));
            Events.trySignal(eventfd, 7);
            assertEquals(7, Events.tryDrain(copy));
            assertThatThrownBy(() -> message.take(0)).isInstanceOf(IllegalStateException.class);
            Descriptors.close(copy);
        }
        Descriptors.close(eventfd);
    }

    @Test
    void descriptorsThatNobodyTakesAreClosedWithTheMessage() throws IOException {
        int eventfd = Events.eventfd("test", 0, 0);
        here.send(bytes("x"), eventfd, eventfd, eventfd);
        try (Message message = there.receive(1, 3)) {
            assertEquals(3, message.descriptorCount());
            Descriptors.close(message.take(1));
        }
        Descriptors.close(eventfd);
    }

    /** One past every limit, odd and even: the padding of control data must not let one more in. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 252})
    void moreDescriptorsThanExpectedAreRefusedAndClosed(int limit) throws IOException {
        int eventfd = Events.eventfd("test", 0, 0);
        int[] many = new int[limit + 1];
        Arrays.fill(many, eventfd);
        here.send(bytes("too many"), many);
        int held = Proc.descriptorCount();
        assertThatThrownBy(() -> there.receive(8, limit))
                .isInstanceOfSatisfying(ErrnoException.class, e -> assertEquals(Errno.EMSGSIZE, e.errno()))
                .hasMessageContaining("test")
                .hasMessageContaining("more than " + limit);
        assertEquals(held, Proc.descriptorCount());
        Descriptors.close(eventfd);
    }

    @Test
    void asManyDescriptorsAsTheKernelAllowsArriveInOrder() throws IOException {
        int[] many = new int[SocketMessages.DESCRIPTORS_MAX];
        for (int i = 0; i < many.length; i++) many[i] = Events.eventfd("test", i + 1, Events.EFD_NONBLOCK);
        here.send(bytes("all"), many);
        try (Message message = there.receive(3, many.length)) {
            for (int i = 0; i < many.length; i++) {
                int descriptor = message.take(i);
                assertEquals(i + 1, Events.tryDrain(descriptor));
                Descriptors.close(descriptor);
            }
        }
        for (int descriptor : many) Descriptors.close(descriptor);
        assertThatThrownBy(() -> here.send(bytes("x"), new int[SocketMessages.DESCRIPTORS_MAX + 1]))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void messageLargerThanTheSocketBufferArrivesWhole() throws Exception {
        byte[] large = new byte[4 << 20];
        for (int i = 0; i < large.length; i++) large[i] = (byte) (i * 31 >> 3);
        int eventfd = Events.eventfd("test", 0, 0);
        FutureTask<Void> sender = start(() -> {
            here.send(large, eventfd);
            return null;
        });
        try (Message message = there.receive(large.length, 1)) {
            assertThat(message.bytes()).isEqualTo(large);
            assertEquals(1, message.descriptorCount());
        }
        sender.get();
        Descriptors.close(eventfd);
    }

    @Test
    void endOfStreamIsNullBetweenMessagesAndAnErrorWithinOne() throws IOException {
        int eventfd = Events.eventfd("test", 0, 0);
        here.send(bytes("half"), eventfd);
        here.close();
        assertThatThrownBy(() -> there.receive(8, 1))
                .isInstanceOf(EOFException.class)
                .hasMessageContaining("4 of 8");
        assertNull(there.receive(8, 1));
        assertThatThrownBy(() -> there.send(bytes("x")))
                .isInstanceOfSatisfying(ErrnoException.class, e -> assertEquals(Errno.EPIPE, e.errno()));
        Descriptors.close(eventfd);
    }

    @Test
    void closeEndsAThreadThatWaits() throws Exception {
        FutureTask<Message> receiver = start(() -> there.receive(1, 0));
        FutureTask<Message> second = start(() -> there.receive(1, 0));
        assertFalse(here.awaitMessage(20));
        there.close();
        there.close();
        for (FutureTask<Message> task : List.of(receiver, second)) {
            try {
                assertNull(task.get(10, TimeUnit.SECONDS));
            } catch (ExecutionException e) {
                assertThat(e.getCause()).isInstanceOf(ClosedChannelException.class); // it had not begun to wait
            }
        }
        assertTrue(here.awaitMessage(-1), "the end is something to receive");
        assertThatThrownBy(() -> there.send(bytes("x"))).isInstanceOf(ClosedChannelException.class);
    }

    @Test
    void listenerAcceptsProcessesOfThisUserOnly(@TempDir Path directory) throws Exception {
        Path path = directory.resolve("vm.sock");
        try (DescriptorListener listener = DescriptorListener.listen(path)) {
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
            FutureTask<DescriptorChannel> accepting = start(listener::accept);
            try (DescriptorChannel client = DescriptorChannel.connect(path);
                    DescriptorChannel server = accepting.get()) {
                assertEquals(ProcessHandle.current().pid(), server.peer().pid());
                client.send(bytes("hello"));
                assertThat(server.receiveSome(100, 0).bytes()).isEqualTo(bytes("hello"));
            }
            assertThatThrownBy(() -> DescriptorListener.listen(path))
                    .isInstanceOfSatisfying(ErrnoException.class, e -> assertEquals(Errno.EADDRINUSE, e.errno()));
            assertTrue(Files.exists(path), "a failed listen leaves the other's path alone");
        }
        assertFalse(Files.exists(path));
        assertThatThrownBy(() -> DescriptorChannel.connect(path))
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining(path.toString())
                .hasMessageContaining("ENOENT");
    }

    @Test
    void closingAListenerEndsTheWaitForAPeer(@TempDir Path directory) throws Exception {
        DescriptorListener listener = DescriptorListener.listen(directory.resolve("s"));
        FutureTask<DescriptorChannel> accepting = start(listener::accept);
        listener.close();
        listener.close();
        assertThatThrownBy(() -> accepting.get(10, TimeUnit.SECONDS)).hasCauseInstanceOf(ClosedChannelException.class);
    }

    @Test
    void pathsThatDoNotFitAreRefused(@TempDir Path directory) throws IOException {
        Path path = directory.resolve("p".repeat(120));
        assertThatThrownBy(() -> DescriptorListener.listen(path))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("107");
        assertThatThrownBy(() -> DescriptorChannel.connect(path))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("107");
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static <T> FutureTask<T> start(java.util.concurrent.Callable<T> body) {
        FutureTask<T> task = new FutureTask<>(body);
        Thread.ofPlatform().daemon().start(task);
        return task;
    }
}
