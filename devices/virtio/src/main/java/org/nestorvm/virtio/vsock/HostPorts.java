package org.nestorvm.virtio.vsock;

import java.io.IOException;
import org.nestorvm.virtio.UnixListener;

/** Where the guest's connections to the host go. */
@FunctionalInterface
public interface HostPorts {
    /**
     * @param port 32 bits, unsigned @return a connected socket that does not block, the caller's @throws IOException
     *     when nobody listens there, for instance
     */
    int connect(int port) throws IOException;

    /** The program that listens at PATH_port, reached from this process. */
    static HostPorts of(VsockOptions options) {
        return port -> UnixListener.connect(options.pathOf(port));
    }
}
