package org.nestorvm.isolation;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.Sockets;
import org.nestorvm.virtio.UnixListener;
import org.nestorvm.virtio.console.ConsoleOptions;
import org.nestorvm.virtio.vsock.HostPorts;
import org.nestorvm.virtio.vsock.VsockOptions;

/**
 * What the command keeps for its device: the Unix sockets that others connect to, which it makes and whose files it
 * removes when it ends, however the device has ended; and, for vsock, the making of connections. The device's process
 * is given the sockets. This process is not confined, so it speaks with nobody but the device's, and with that in four
 * bytes a time.
 */
final class HostEnds implements AutoCloseable {
    private final List<UnixListener> listeners = new ArrayList<>();
    private final List<Integer> given = new ArrayList<>(); // in the order of the device's descriptors
    private final int firstDescriptor;
    private final Thread atExit = new Thread(this::removeFiles, "socket-files");
    private DescriptorChannel broker;
    private HostPorts ports;
    private int deviceEnd = -1;
    private boolean closed;

    private HostEnds(int firstDescriptor) {
        this.firstDescriptor = firstDescriptor;
    }

    /** @param arguments are told the descriptors, from {@code firstDescriptor} on */
    static HostEnds open(DeviceKind kind, DeviceArguments arguments, int firstDescriptor) throws IOException {
        HostEnds ends = new HostEnds(firstDescriptor);
        Runtime.getRuntime().addShutdownHook(ends.atExit);
        try {
            switch (kind) {
                case VSOCK -> ends.vsock(arguments);
                case CONSOLE -> ends.console(arguments);
                default -> {}
            }
            String socket = arguments.get("socket"); // last: who waits for it finds the others there
            if (socket != null) arguments.with("listener", ends.listen(socket));
            return ends;
        } catch (Throwable t) {
            ends.close();
            throw t;
        }
    }

    private int give(int descriptor) {
        given.add(descriptor);
        return firstDescriptor + given.size() - 1;
    }

    private synchronized int add(UnixListener listener) {
        listeners.add(listener);
        return give(listener.descriptor());
    }

    /** For one front end, which the device waits for. */
    private int listen(String path) throws IOException {
        UnixListener listener = UnixListener.listen("vhost-user", socketPath(path));
        int number = add(listener);
        Descriptors.nonBlocking(path, listener.descriptor(), false);
        return number;
    }

    private static Path socketPath(String path) throws IOException {
        int bytes = HostText.bytes(path).length;
        if (bytes == 0 || bytes > Sockets.PATH_MAX_BYTES)
            throw new UsageException("--socket '" + path + "' has " + bytes
                    + " bytes; the path of a Unix socket has 1 to " + Sockets.PATH_MAX_BYTES);
        return HostText.path(path);
    }

    private void vsock(DeviceArguments arguments) throws IOException {
        VsockOptions options = SocketArguments.vsock(arguments.get("vsock"));
        arguments.with("listeners", add(UnixListener.listen("vsock", options.path())));
        int[] pair = Sockets.pair("broker of vsock");
        broker = DescriptorChannel.of("broker of vsock", pair[0]);
        deviceEnd = pair[1];
        ports = HostPorts.of(options);
        arguments.with("broker", give(deviceEnd));
    }

    private void console(DeviceArguments arguments) throws IOException {
        ConsoleOptions options = SocketArguments.console(arguments.get("virtio-console"));
        StringBuilder numbers = new StringBuilder();
        for (UnixListener listener : options.listen())
            numbers.append(numbers.isEmpty() ? "" : ",").append(add(listener));
        if (!numbers.isEmpty()) arguments.with("listeners", numbers);
    }

    /** For the device's process; they stay this object's. */
    int[] descriptors() {
        return given.stream().mapToInt(Integer::intValue).toArray();
    }

    /** The device's process has its descriptors. */
    void started() {
        if (broker == null) return;
        closeDeviceEnd();
        Thread.ofPlatform().name("vsock-broker").daemon().start(() -> PortBroker.serve(broker, ports));
    }

    private void closeDeviceEnd() {
        if (deviceEnd >= 0) Descriptors.close(deviceEnd);
        deviceEnd = -1;
    }

    private synchronized void removeFiles() {
        if (closed) return;
        closed = true;
        listeners.forEach(UnixListener::close);
    }

    @Override
    public void close() {
        removeFiles();
        closeDeviceEnd();
        if (broker != null) broker.close();
        try {
            Runtime.getRuntime().removeShutdownHook(atExit);
        } catch (IllegalStateException e) {
            // The program ends already.
        }
    }
}
