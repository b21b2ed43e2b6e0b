package org.nestorvm.isolation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Events;
import org.nestorvm.virtio.vsock.HostPorts;
import org.nestorvm.virtio.vsock.VsockOptions;

/** The process that connects in a device's place, and a device that may be an enemy's. */
@Timeout(30)
class PortBrokerTest {
    private final Path directory;
    private final List<DescriptorChannel> pair;
    private final Thread server;
    private final List<Integer> asked = Collections.synchronizedList(new ArrayList<>());

    PortBrokerTest(@TempDir Path directory) throws IOException {
        this.directory = directory;
        pair = DescriptorChannel.pair("broker");
        HostPorts ports = HostPorts.of(VsockOptions.parse(directory.resolve("v").toString()));
        server = Thread.ofPlatform()
                .daemon()
                .start(() -> PortBroker.serve(pair.get(0), port -> {
                    asked.add(port);
                    return ports.connect(port);
                }));
    }

    private static long open() throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors.count();
        }
    }

    @Test
    void whoListensIsConnectedToAndNothingIsLeftOpen() throws Exception {
        try (DescriptorChannel device = pair.get(1);
                ServerSocketChannel service = ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                        .bind(UnixDomainSocketAddress.of(directory.resolve("v_4294967295")))) {
            HostPorts ports = PortBroker.ask(device);
            long before = open();
            for (int i = 0; i < 50; i++) {
                Descriptors.close(ports.connect(-1));
                service.accept().close();
                assertThatThrownBy(() -> ports.connect(6))
                        .isInstanceOf(IOException.class)
                        .hasMessageContaining("port 6");
            }
            assertThat(open()).isLessThanOrEqualTo(before);
        }
        server.join();
        assertThat(asked).hasSize(100).containsOnly(-1, 6);
    }

    /** What is no port, four bytes and nothing with them, ends the conversation. */
    @Test
    void p49_whatIsNoPortEndsTheConversation() throws Exception {
        int event = Events.eventfd("stowaway", 0, Events.EFD_NONBLOCK);
        try (DescriptorChannel device = pair.get(1)) {
            device.send(new byte[4], event);
            assertNull(end(device));
        } finally {
            Descriptors.close(event);
        }
        server.join();
        assertEquals(List.of(), asked);
    }

    @Test
    void p49_halfAPortIsNone() throws Exception {
        pair.get(1).send(new byte[2]);
        pair.get(1).close();
        server.join();
        assertEquals(List.of(), asked);
    }

    private static Object end(DescriptorChannel device) {
        try {
            return device.receive(1, 1);
        } catch (IOException e) {
            return null; // reset, since there was something that it has not read
        }
    }
}
