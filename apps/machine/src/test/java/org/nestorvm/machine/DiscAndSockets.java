package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;

/**
 * A CD-ROM drive and a socket device, each served by {@code nestor device}; what a guest does with them; and what must
 * come of it. Where no program for the guest can be made it reads the disc only.
 */
final class DiscAndSockets {
    static final String SCRIPT = """
        mount -t iso9660 -o ro /dev/sr0 /tmp && say disc "$(sha256sum </tmp/file.bin)"
        if [ -x /vs ]; then
          say echo "$(/vs connect 7 </tmp/file.bin | sha256sum)"
          say nobody "$(/vs connect 6 </dev/null 2>&1)"
          /vs listen 9
        fi
        umount /tmp
        """;
    private static final int ECHO = 7, GUEST_ECHO = 9;
    final BackEndProcess drive, sockets;
    private final Path path;
    private final byte[] content = new byte[300_000], program;
    private final CompletableFuture<Void> echo;
    private final CompletableFuture<byte[]> answer;

    DiscAndSockets(Path directory) throws Exception {
        new SplittableRandom(8).nextBytes(content);
        program = GuestSockets.program(directory);
        path = directory.resolve("sockets");
        drive = BackEndProcess.start(
                directory.resolve("cd-back-end"),
                "cdrom",
                "--file",
                Files.write(directory.resolve("disc.iso"), new TinyIso("DISC", "FILE.BIN", content).image())
                        .toString());
        sockets = BackEndProcess.start(directory.resolve("vsock-back-end"), "vsock", "--vsock", "cid=42,path=" + path);
        echo = GuestSockets.serve(
                path,
                ECHO,
                channel -> GuestSockets.write(
                        channel, Channels.newInputStream(channel).readAllBytes()));
        answer = program == null
                ? CompletableFuture.completedFuture(content)
                : GuestSockets.inBackground(() -> GuestSockets.askTheGuest(path, GUEST_ECHO, content));
    }

    Map<String, byte[]> files() {
        return program == null ? Map.of() : Map.of("vs", program);
    }

    void check(Map<String, String> said) throws Exception {
        String sum =
                HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content)) + "  -";
        assertThat(said).containsEntry("disc", sum);
        assertThat(answer.get()).isEqualTo(content);
        if (program != null) {
            assertThat(said).containsEntry("echo", sum);
            assertThat(said.get("nobody")).contains("Connection reset");
            echo.get();
        }
        drive.assertEnded();
        sockets.assertEnded();
        assertThat(path).doesNotExist();
    }
}
