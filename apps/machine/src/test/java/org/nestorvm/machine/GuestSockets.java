package org.nestorvm.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;

/**
 * Both ends of sockets between a guest and the host: a program for the guest, and programs of the host that it reaches.
 */
final class GuestSockets {
    /**
     * Sends its input to a port of the host and prints what comes back; or sends back to the first who connects what he
     * sends; or opens the tray.
     */
    private static final String PROGRAM = """
        #include <sys/socket.h>
        #include <linux/vm_sockets.h>
        #include <linux/cdrom.h>
        #include <fcntl.h>
        #include <poll.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/ioctl.h>
        #include <unistd.h>
        static char buffer[1 << 16];
        static long pass(int from, int to) {
            long n = read(from, buffer, sizeof buffer);
            for (long at = 0, w; at < n; at += w) if ((w = write(to, buffer + at, n - at)) <= 0) exit(3);
            return n;
        }
        int main(int argc, char **argv) {
            if (argv[1][0] == 'e') return ioctl(open("/dev/sr0", O_RDONLY | O_NONBLOCK), CDROMEJECT);
            int s = socket(AF_VSOCK, SOCK_STREAM, 0), listens = argv[1][0] == 'l';
            struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = listens ? VMADDR_CID_ANY : VMADDR_CID_HOST, \
            .svm_port = atoi(argv[2]) };
            if (listens) {
                if (bind(s, (void *) &a, sizeof a) || listen(s, 4)) { perror("listen"); return 1; }
                s = accept(s, 0, 0);
                while (pass(s, s) > 0);
                return 0;
            }
            if (connect(s, (void *) &a, sizeof a)) { perror("connect"); return 1; }
            for (struct pollfd p[2] = {{ 0, POLLIN }, { s, POLLIN }}; poll(p, 2, -1) >= 0; ) {
                if (p[0].revents && pass(0, s) <= 0) { p[0].fd = -1; shutdown(s, SHUT_WR); }
                if (p[1].revents && pass(s, 1) <= 0) return 0;
            }
        }
        """;

    static final String NEEDED = "no C compiler here (gcc, libc6-dev)";

    private GuestSockets() {}

    /** The guest's program; null where it cannot be made. */
    static byte[] program(Path directory) throws IOException, InterruptedException {
        if (!Files.isExecutable(Path.of("/usr/bin/gcc")) || !Files.exists(Path.of("/usr/lib/x86_64-linux-gnu/libc.a")))
            return null;
        Path source = Files.writeString(directory.resolve("vs.c"), PROGRAM), program = directory.resolve("vs");
        assertEquals(
                0,
                new ProcessBuilder("/usr/bin/gcc", "-static", "-O1", "-o", program.toString(), source.toString())
                        .inheritIO()
                        .start()
                        .waitFor());
        return Files.readAllBytes(program);
    }

    interface Service {
        void serve(SocketChannel channel) throws IOException;
    }

    /** A program of the host that the guest reaches at a port, once. */
    static CompletableFuture<Void> serve(Path path, int port, Service service) throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                .bind(UnixDomainSocketAddress.of(path + "_" + port));
        return inBackground(() -> {
            try (server;
                    SocketChannel channel = server.accept()) {
                service.serve(channel);
            }
            return null;
        });
    }

    static <T> CompletableFuture<T> inBackground(Callable<T> task) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> {
            try {
                result.complete(task.call());
            } catch (Throwable t) {
                result.completeExceptionally(t);
            }
        });
        return result;
    }

    static void write(SocketChannel channel, byte[] bytes) throws IOException {
        for (ByteBuffer buffer = ByteBuffer.wrap(bytes); buffer.hasRemaining(); ) channel.write(buffer);
    }

    /** Asks again until the guest listens. */
    static byte[] askTheGuest(Path path, int port, byte[] question) throws Exception {
        for (; ; ) {
            try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                write(channel, ("CONNECT " + port + "\n").getBytes(StandardCharsets.US_ASCII));
                ByteBuffer one = ByteBuffer.allocate(1);
                StringBuilder line = new StringBuilder();
                while (line.indexOf("\n") < 0 && channel.read(one.clear()) == 1) line.append((char) one.get(0));
                if (!line.toString().startsWith("OK ")) {
                    Thread.sleep(50);
                    continue;
                }
                CompletableFuture<Void> sent = inBackground(() -> {
                    write(channel, question);
                    channel.shutdownOutput();
                    return null;
                });
                byte[] answer = Channels.newInputStream(channel).readAllBytes();
                sent.get();
                return answer;
            }
        }
    }
}
