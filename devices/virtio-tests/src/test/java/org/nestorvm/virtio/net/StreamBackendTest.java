package org.nestorvm.virtio.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.testkit.DriverMemory;

/** Unix sockets as {@code --net unix=} names them: connected, waited at, come back to. */
@Timeout(60)
class StreamBackendTest {
    private static final long FEATURES =
            Features.VERSION_1 | NetFeatures.STATUS | NetFeatures.MRG_RXBUF | NetFeatures.CONTROL;

    @TempDir
    Path directory;

    private static void talk(NetDriver driver, Peer peer) throws Exception {
        for (int i = 0; i < 50; i++) {
            peer.send(Packets.frame(60 + i, i));
            assertArrayEquals(Packets.frame(60 + i, i), Packets.without(driver.receive()));
            driver.send(Packets.plain(Packets.frame(61 + i, i)));
            assertArrayEquals(Packets.frame(61 + i, i), peer.receive());
        }
    }

    private static Peer connect(Path path) throws IOException {
        int socket = Sockets.stream(path);
        Sockets.connect(socket, path.toString());
        return new Peer(socket, true);
    }

    @Test
    void aServerServesOnePeerAfterTheOther() throws Exception {
        Path path = directory.resolve("net");
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = NetOptions.parse("unix=" + path + ",server,mac=52:54:00:00:00:01")
                        .open("net0");
                NetDriver driver = new NetDriver(device, memory, FEATURES)) {
            driver.post(8, 1600);
            assertEquals(0, device.config().get(6, 2));
            try (Peer first = connect(path);
                    Peer second = connect(path)) {
                driver.driver.awaitConfigChange();
                assertEquals(1, device.config().get(6, 2));
                talk(driver, first);
                first.close();
                driver.driver.awaitConfigChange();
                driver.driver.awaitConfigChange();
                assertEquals(1, device.config().get(6, 2));
                talk(driver, second);
            }
            assertThatThrownBy(
                            () -> NetOptions.parse("unix=" + path + ",server").open("net1"))
                    .hasMessageContaining("unix=" + path + ",server: bind")
                    .hasMessageContaining("EADDRINUSE");
        }
        assertThat(path).doesNotExist();
    }

    @Test
    void aSocketFileThatIsLeftOverIsReplacedAndAnyOtherFileIsNot() throws Exception {
        Path path = directory.resolve("net"), file = Files.writeString(directory.resolve("file"), "precious");
        int left = Sockets.stream(path);
        Sockets.bind(left, path.toString());
        Descriptors.close(left);
        NetOptions.parse("unix=" + path + ",server").open("net0").close();
        assertThatThrownBy(() -> NetOptions.parse("unix=" + file + ",server").open("net0"))
                .hasMessageContaining("EADDRINUSE");
        assertThat(file).hasContent("precious");
    }

    @Test
    void aClientComesBack() throws Exception {
        Path path = directory.resolve("net");
        try (DriverMemory memory = new DriverMemory();
                NetDevice device =
                        NetOptions.parse("unix=" + path + ",reconnect=10").open("net0");
                NetDriver driver = new NetDriver(device, memory, FEATURES)) {
            driver.post(8, 1600);
            int listening = Sockets.stream(path);
            Sockets.bind(listening, path.toString());
            Sockets.listen(path, listening, 1);
            for (int i = 0; i < 3; i++) {
                try (Peer peer = new Peer(Sockets.accept(path, listening), true)) {
                    driver.driver.awaitConfigChange();
                    talk(driver, peer);
                }
                driver.driver.awaitConfigChange();
            }
            Descriptors.close(listening);
        }
    }

    @Test
    void aClientConnects() throws Exception {
        Path path = directory.resolve("net");
        int listening = Sockets.stream(path);
        Sockets.bind(listening, path.toString());
        Sockets.listen(path, listening, 1);
        try (DriverMemory memory = new DriverMemory();
                NetDevice device = NetOptions.parse("unix=" + path).open("net0");
                Peer peer = new Peer(Sockets.accept(path, listening), true);
                NetDriver driver = new NetDriver(device, memory, FEATURES)) {
            driver.post(8, 1600);
            talk(driver, peer);
        }
        Descriptors.close(listening);
    }
}
