package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.virtio.scsi.ScsiCdDevice;
import org.nestorvm.virtio.vsock.VsockDevice;
import org.nestorvm.virtio.vsock.VsockOptions;

/**
 * A CD-ROM and sockets to the host as Debian's kernel has them, on the soft engine. The guest asks by a socket for the
 * disc to be changed. Beside them a console and a balloon that {@code nestor device} serves.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class CdAndSocketGuestTest {
    private static final int CHANGE_DISC = 5, ECHO = 7, GUEST_ECHO = 9;

    private static final String SCRIPT = """
        for port in /sys/class/virtio-ports/*; do case "$(cat $port/name 2>/dev/null)" in agent) \
        agent=/dev/${port##*/} ;; esac; done
        exec 4<>$agent
        echo from the guest >&4
        read line <&4
        say agent $line
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
        for i in $(seq 100); do
          ballooned=$(sed -n 's/^balloon_inflate //p' /proc/vmstat)
          [ "$ballooned" -ge 16384 ] && break
          sleep 1
        done
        say ballooned "$ballooned"
        """;

    @TempDir
    Path directory;

    private static byte[] content(int seed, int sizeBytes) {
        byte[] content = new byte[sizeBytes];
        new SplittableRandom(seed).nextBytes(content);
        return content;
    }

    private static String sha256(byte[] bytes) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes)) + "  -";
    }

    /** With the guest, by a port of its console. */
    private static String talk(Path port) throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(port))) {
            GuestSockets.write(channel, "from the host\n".getBytes(StandardCharsets.US_ASCII));
            return new String(
                    Channels.newInputStream(channel).readNBytes("from the guest\n".length()),
                    StandardCharsets.US_ASCII);
        }
    }

    @Test
    void discsAreReadAndChangedAndSocketsReachBothWays() throws Exception {
        byte[] first = content(1, 300_000), second = content(2, 1_000_000), question = content(3, 700_000);
        ScsiCdDevice drive = new ScsiCdDevice("cd0", "1");
        drive.insert(new TinyIso("FIRST", "FILE.BIN", first));
        Path path = directory.resolve("vsock");
        byte[] program = GuestSockets.program(directory);
        assumeTrue(program != null, GuestSockets.NEEDED);
        CheckedGuest guest = CheckedGuest.with(directory, SCRIPT, Map.of("vs", program));
        CompletableFuture<Void> changes = GuestSockets.serve(path, CHANGE_DISC, channel -> {
            Channels.newInputStream(channel)
                    .readNBytes(
                            "please\n".length()); // who hangs up on a question breaks the pipe that it comes through
            drive.insert(new TinyIso("SECOND", "FILE.BIN", second));
            GuestSockets.write(channel, "done".getBytes(StandardCharsets.US_ASCII));
        });
        CompletableFuture<Void> echoes = GuestSockets.serve(
                path,
                ECHO,
                channel -> GuestSockets.write(
                        channel, Channels.newInputStream(channel).readAllBytes()));
        VsockDevice sockets = new VsockDevice("vsock", VsockOptions.parse("cid=42,path=" + path));
        CompletableFuture<byte[]> answer =
                GuestSockets.inBackground(() -> GuestSockets.askTheGuest(path, GUEST_ECHO, question));
        BackEndProcess console = BackEndProcess.start(
                directory.resolve("console-back-end"),
                "console",
                "--virtio-console",
                "port=agent:" + directory.resolve("agent"));
        BackEndProcess balloon =
                BackEndProcess.start(directory.resolve("balloon-back-end"), "balloon", "--balloon", "target=64M");
        CompletableFuture<String> heard = GuestSockets.inBackground(() -> talk(directory.resolve("agent")));
        Map<String, String> said = guest.run(config -> config.withDevice(_ -> drive)
                .withDevice(_ -> sockets)
                .withDevice(Devices.vhostUser("console", 3, console.socket, Devices.ALL_QUEUES, 128))
                .withDevice(Devices.vhostUser("balloon", 5, balloon.socket, 5, 128)));
        assertThat(said)
                .containsEntry("model", "NESTOR CD-ROM ")
                .containsEntry("first", sha256(first))
                .containsEntry("changed", "done")
                .containsEntry("second", sha256(second))
                .containsEntry("echo", sha256(second))
                .containsEntry("served", "0")
                .containsKey("open")
                .containsEntry("reloaded", sha256(second));
        assertThat(said.get("nobody")).contains("Connection reset");
        assertThat(said).containsEntry("agent", "from the host").containsEntry("ballooned", "16384");
        assertThat(heard.get()).isEqualTo("from the guest\n");
        console.assertEnded();
        balloon.assertEnded();
        changes.get();
        echoes.get();
        assertThat(answer.get()).isEqualTo(question);
        assertThat(path).doesNotExist();
    }
}
