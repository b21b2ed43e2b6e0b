package org.nestorvm.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.Processes;
import org.nestorvm.virtio.net.NetOptions;

/** A guest on a tap interface of the host's, in a network namespace that ends with the test's thread. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class TapGuestTest {
    /** The guest's DHCP client begins with an interface without addresses that is up; nobody answers it here. */
    private static final String SCRIPT = """
        until ip link show eth0 | grep -q ,UP; do sleep 0.1; done
        killall udhcpc
        ip addr add 10.77.0.2/24 dev eth0
        say ping "$(ping -c 3 10.77.0.1 | grep -c ttl=)"
        say download "$(wget -q -O - http://10.77.0.1:PORT/ | sha256sum)"
        say pairs "$(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)"
        """;

    private static final Path IP = Path.of("/usr/sbin/ip");

    @TempDir
    Path directory;

    /** Threads, processes and sockets made by the body are in the namespace as well. */
    private static <T> T inNamespace(Callable<T> body) throws Exception {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "no /dev/net/tun here that can be opened");
        assumeTrue(Files.isExecutable(IP), "no ip here: apt-get install iproute2");
        FutureTask<T> task = new FutureTask<>(() -> {
            try {
                Processes.unshare(Processes.CLONE_NEWNET);
            } catch (IOException e) {
                abort("no network namespace of one's own: " + e.getMessage());
            }
            return body.call();
        });
        Thread.ofPlatform().start(task);
        try {
            return task.get();
        } catch (java.util.concurrent.ExecutionException e) {
            if (e.getCause() instanceof Exception exception) throw exception;
            throw e;
        }
    }

    private static void ip(String... arguments) throws Exception {
        List<String> command = new java.util.ArrayList<>(List.of(IP.toString()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), String.join(" ", arguments) + ": " + said);
    }

    @Test
    void aGuestTalksToTheHostThroughTwoQueuesOfItsTap() throws Exception {
        byte[] content = new byte[4 << 20];
        new SplittableRandom(8).nextBytes(content);
        Path expected = Files.write(directory.resolve("content"), content);
        Map<String, String> said = inNamespace(() -> {
            ip("tuntap", "add", "dev", "guest0", "mode", "tap", "multi_queue");
            ip("addr", "add", "10.77.0.1/24", "dev", "guest0");
            ip("link", "set", "guest0", "up");
            try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getByName("10.77.0.1"))) {
                Thread.ofPlatform().daemon().start(() -> DevicesGuestTest.answer(server, content));
                NetOptions tap = NetOptions.parse("tap=guest0,queues=2");
                return CheckedGuest.with(directory, SCRIPT.replace("PORT", Integer.toString(server.getLocalPort())))
                        .run(config -> config.withCpus(2).withDevice(Devices.net("net", tap)));
            }
        });
        assertThat(said)
                .containsEntry("ping", "3")
                .containsEntry("download", DevicesGuestTest.sha256(expected))
                .containsEntry("pairs", "2");
    }
}
