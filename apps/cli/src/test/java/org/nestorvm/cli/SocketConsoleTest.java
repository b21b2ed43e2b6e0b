package org.nestorvm.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class SocketConsoleTest {
    @TempDir
    Path directory;

    private final LinkedBlockingQueue<String> typed = new LinkedBlockingQueue<>();

    private SocketConsole listen(Path path) throws IOException {
        return SocketConsole.listen(
                path, (bytes, length) -> typed.add(new String(bytes, 0, length, StandardCharsets.US_ASCII)));
    }

    private static byte[] read(SocketChannel client, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        while (bytes.hasRemaining() && client.read(bytes) >= 0) continue;
        return Arrays.copyOf(bytes.array(), bytes.position());
    }

    @Test
    void clientReadsWhatTheGuestPrintsAndTypes() throws Exception {
        Path path = directory.resolve("console");
        try (SocketConsole console = listen(path)) {
            console.write("early ".getBytes(StandardCharsets.US_ASCII));
            try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                assertThat(read(client, 6)).asString().isEqualTo("early ");
                client.write(ByteBuffer.wrap(new byte[] {'l', 's'}));
                assertThat(typed.poll(10, TimeUnit.SECONDS)).isEqualTo("ls");
                console.write("late".getBytes(StandardCharsets.US_ASCII));
                assertThat(read(client, 4)).asString().isEqualTo("late");
            }
        }
        assertThat(path).doesNotExist();
    }

    @Test
    void nextClientIsServedWhenTheFirstHasGone() throws Exception {
        Path path = directory.resolve("console");
        try (SocketConsole console = listen(path)) {
            for (String name : new String[] {"one", "two"}) {
                try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                    client.write(ByteBuffer.wrap(name.getBytes(StandardCharsets.US_ASCII)));
                    assertThat(typed.poll(10, TimeUnit.SECONDS)).isEqualTo(name);
                    console.write(name.getBytes(StandardCharsets.US_ASCII));
                    assertThat(read(client, 3)).asString().isEqualTo(name);
                }
            }
        }
    }

    /** It connects and leaves while another is attached, and there is output that it does not take. */
    @Test
    void aClientThatLeavesBeforeItIsServedIsNobodyElsesConcern() throws Exception {
        Path path = directory.resolve("console");
        CountDownLatch guestTakesInput = new CountDownLatch(1);
        ConsoleInput slow = (bytes, length) -> {
            guestTakesInput.await();
            typed.add(new String(bytes, 0, length, StandardCharsets.US_ASCII));
        };
        try (SocketConsole console = SocketConsole.listen(path, slow)) {
            try (SocketChannel attached = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                attached.write(ByteBuffer.wrap(new byte[] {'1'}));
            }
            SocketChannel.open(UnixDomainSocketAddress.of(path)).close();
            console.write("kept".getBytes(StandardCharsets.US_ASCII));
            guestTakesInput.countDown();
            try (SocketChannel next = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                next.write(ByteBuffer.wrap(new byte[] {'2'}));
                assertThat(typed.poll(10, TimeUnit.SECONDS)).isEqualTo("1");
                assertThat(typed.poll(10, TimeUnit.SECONDS)).isEqualTo("2");
                assertThat(read(next, 4)).asString().isEqualTo("kept");
            }
        }
    }

    @Test
    void onlyTheNewestOutputIsKeptForAClientToCome() throws Exception {
        Path path = directory.resolve("console");
        byte[] output = new byte[SocketConsole.BACKLOG + 1000];
        for (int i = 0; i < output.length; i++) output[i] = (byte) (i * 7 + i / 256);
        try (SocketConsole console = listen(path)) {
            console.write(output);
            try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                assertThat(read(client, SocketConsole.BACKLOG))
                        .isEqualTo(Arrays.copyOfRange(output, 1000, output.length));
            }
        }
    }

    @Test
    void socketLeftBehindIsReplacedButNothingElseIs() throws Exception {
        Path stale = directory.resolve("stale"), file = directory.resolve("file"), busy = directory.resolve("busy");
        try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            dead.bind(UnixDomainSocketAddress.of(stale));
        }
        assertThat(Files.exists(stale)).isTrue();
        listen(stale).close();
        Files.createFile(file);
        assertThatThrownBy(() -> listen(file)).hasMessageContaining("no socket is there");
        try (SocketConsole first = listen(busy)) {
            first.write('x');
            assertThatThrownBy(() -> listen(busy)).hasMessageContaining("another program listens there");
        }
        assertThatThrownBy(() -> listen(directory.resolve("none/console"))).hasMessageContaining("cannot listen there");
    }
}
