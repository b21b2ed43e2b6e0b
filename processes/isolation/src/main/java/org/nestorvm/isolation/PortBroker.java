package org.nestorvm.isolation;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.virtio.vsock.HostPorts;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Connects to programs of the host for a device process that cannot make a socket: that one writes a port, four bytes,
 * and reads one byte, which comes with the connected socket if there is somebody. So a guest that has taken over its
 * device's process reaches what listens at PATH_port, as it did before, and no other socket of the host.
 */
final class PortBroker {
    private static final Logger LOG = LoggerFactory.getLogger(PortBroker.class);
    private static final byte REFUSED = 0, CONNECTED = 1;

    private PortBroker() {}

    /** In the process that may connect: answers until the device's process is gone. */
    static void serve(DescriptorChannel channel, HostPorts ports) {
        try (channel) {
            for (DescriptorChannel.Message asked; (asked = channel.receive(Integer.BYTES, 0)) != null; )
                answer(channel, ports, ByteBuffer.wrap(asked.bytes()).getInt());
        } catch (IOException e) {
            LOG.debug("{}: {}", channel, e.getMessage()); // it has been killed, or this process ends
        }
    }

    private static void answer(DescriptorChannel channel, HostPorts ports, int port) throws IOException {
        int socket;
        try {
            socket = ports.connect(port);
        } catch (IOException e) {
            channel.send(new byte[] {REFUSED});
            return;
        }
        try {
            channel.send(new byte[] {CONNECTED}, socket);
        } finally {
            Descriptors.close(socket);
        }
    }

    /** In the device's process. */
    static HostPorts ask(DescriptorChannel channel) {
        return port -> {
            channel.send(ByteBuffer.allocate(Integer.BYTES).putInt(port).array());
            try (DescriptorChannel.Message answer = channel.receive(1, 1)) {
                if (answer == null || answer.descriptorCount() == 0)
                    throw new IOException("nobody can be connected to for port " + Integer.toUnsignedString(port));
                return answer.take(0);
            }
        };
    }
}
