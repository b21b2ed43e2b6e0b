package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

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
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.virtio.scsi.ScsiCdDevice;
import org.nestorvm.virtio.vsock.VsockDevice;
import org.nestorvm.virtio.vsock.VsockOptions;

/** A CD-ROM and sockets to the host as Debian's kernel has them, on the soft engine. The guest asks by a socket for the disc to be changed. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class CdAndSocketGuestTest {
    private static final int CHANGE_DISC = 5, ECHO = 7, GUEST_ECHO = 9;

    /** Sends its input to a port of the host and prints what comes back; or sends back to the first who connects what he sends; or opens the tray. */
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
            struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = listens ? VMADDR_CID_ANY : VMADDR_CID_HOST, .svm_port = atoi(argv[2]) };
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

    private static final String SCRIPT = """
        say model "$(cat /sys/block/sr0/device/vendor /sys/block/sr0/device/model | tr -s ' \\n' ' ')"
        say blocks "$(cat /sys/block/sr0/size)"
        mount -t iso9660 -o ro /dev/sr0 /tmp && say first "$(sha256sum </tmp/file.bin)"
        umount /tmp
        say changed "$(echo please | /vs connect 5)"
        mount -t iso9660 -o ro /dev/sr0 /tmp && say second "$(sha256sum </tmp/file.bin)"
        say echo "$(/vs connect 7 </tmp/file.bin | sha256sum)"
        umount /tmp
        say nobody "$(/vs connect 6 </dev/null 2>&1)"
        /vs listen 9
        say served "$?"
        /vs eject && say open "$(cat /sys/block/sr0/size)"
        mount -t iso9660 -o ro /dev/sr0 /tmp && say reloaded "$(sha256sum </tmp/file.bin)"
        """;

    @TempDir Path directory;

    private byte[] program() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/gcc")) && Files.exists(Path.of("/usr/lib/x86_64-linux-gnu/libc.a")), "no C compiler here (gcc, libc6-dev)");
        Path source = Files.writeString(directory.resolve("vs.c"), PROGRAM), program = directory.resolve("vs");
        assertEquals(0, new ProcessBuilder("/usr/bin/gcc", "-static", "-O1", "-o", program.toString(), source.toString()).inheritIO().start().waitFor());
        return Files.readAllBytes(program);
    }

    private static byte[] content(int seed, int sizeBytes) {
        byte[] content = new byte[sizeBytes];
        new SplittableRandom(seed).nextBytes(content);
        return content;
    }

    private static String sha256(byte[] bytes) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes)) + "  -";
    }

    private interface Service {
        void serve(SocketChannel channel) throws IOException;
    }

    /** A program of the host that the guest reaches at a port, once. */
    private CompletableFuture<Void> serve(Path path, int port, Service service) throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(path + "_" + port));
        return inBackground(() -> {
            try (server; SocketChannel channel = server.accept()) {
                service.serve(channel);
            }
            return null;
        });
    }

    private static <T> CompletableFuture<T> inBackground(Callable<T> task) {
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

    private static void write(SocketChannel channel, byte[] bytes) throws IOException {
        for (ByteBuffer buffer = ByteBuffer.wrap(bytes); buffer.hasRemaining(); ) channel.write(buffer);
    }

    /** Asks again until the guest listens. */
    private static byte[] askTheGuest(Path path, byte[] question) throws Exception {
        for (;;) {
            try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                write(channel, ("CONNECT " + GUEST_ECHO + "\n").getBytes(StandardCharsets.US_ASCII));
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

    @Test void discsAreReadAndChangedAndSocketsReachBothWays() throws Exception {
        byte[] first = content(1, 300_000), second = content(2, 1_000_000), question = content(3, 700_000);
        ScsiCdDevice drive = new ScsiCdDevice("cd0", "1");
        drive.insert(new TinyIso("FIRST", "FILE.BIN", first));
        Path path = directory.resolve("vsock");
        CheckedGuest guest = CheckedGuest.with(directory, SCRIPT, Map.of("vs", program()));
        CompletableFuture<Void> changes = serve(path, CHANGE_DISC, channel -> {
            Channels.newInputStream(channel).readNBytes("please\n".length());      // who hangs up on a question breaks the pipe that it comes through
            drive.insert(new TinyIso("SECOND", "FILE.BIN", second));
            write(channel, "done".getBytes(StandardCharsets.US_ASCII));
        });
        CompletableFuture<Void> echoes = serve(path, ECHO, channel -> write(channel, Channels.newInputStream(channel).readAllBytes()));
        VsockDevice sockets = new VsockDevice("vsock", VsockOptions.parse("cid=42,path=" + path));
        CompletableFuture<byte[]> answer = inBackground(() -> askTheGuest(path, question));
        Map<String, String> said = guest.run(config -> config.withDevice(_ -> drive).withDevice(_ -> sockets));
        assertThat(said).containsEntry("model", "NESTOR CD-ROM ").containsEntry("first", sha256(first)).containsEntry("changed", "done").containsEntry("second", sha256(second))
            .containsEntry("echo", sha256(second)).containsEntry("served", "0").containsKey("open").containsEntry("reloaded", sha256(second));
        assertThat(said.get("nobody")).contains("Connection reset");
        changes.get();
        echoes.get();
        assertThat(answer.get()).isEqualTo(question);
        assertThat(path).doesNotExist();
    }
}
