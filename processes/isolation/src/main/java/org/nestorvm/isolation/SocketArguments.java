package org.nestorvm.isolation;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.memory.DescriptorChannel;
import org.nestorvm.virtio.UnixListener;
import org.nestorvm.virtio.console.ConsoleDevice;
import org.nestorvm.virtio.console.ConsoleOptions;
import org.nestorvm.virtio.vsock.VsockDevice;
import org.nestorvm.virtio.vsock.VsockOptions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The options of devices with Unix sockets of their own, which {@link HostEnds} makes: {@code --listeners} has their
 * descriptors.
 */
final class SocketArguments {
    private static final Logger LOG = LoggerFactory.getLogger(SocketArguments.class);

    private SocketArguments() {}

    static VsockOptions vsock(String text) throws IOException {
        if (text == null)
            throw new IOException(
                    "device vsock needs --vsock PATH or --vsock path=PATH,cid=N, as `nestor run` takes it");
        return VsockOptions.parse(text);
    }

    static OpenedDevice openVsock(String name, DeviceArguments arguments) throws IOException {
        VsockOptions options = vsock(arguments.take("vsock"));
        int[] listeners = listeners("vsock", arguments, 1);
        int broker = arguments.takeNumber("broker", -1);
        if (broker < 0)
            throw new IOException("device vsock needs --broker with a descriptor, which `nestor device` passes to it");
        return OpenedDevice.of(new VsockDevice(
                name,
                options,
                UnixListener.given(options.path(), listeners[0]),
                PortBroker.ask(DescriptorChannel.of("broker of " + name, broker))));
    }

    private static int[] listeners(String kind, DeviceArguments arguments, int count) throws IOException {
        int[] listeners = arguments.takeNumbers("listeners");
        if (listeners.length != count)
            throw new IOException("device " + kind + " needs --listeners with " + count + " descriptors, not "
                    + listeners.length + "; `nestor device` passes them to it");
        return listeners;
    }

    static ConsoleOptions console(String text) throws IOException {
        return text == null ? ConsoleOptions.DEFAULT : ConsoleOptions.parse(text);
    }

    static OpenedDevice openConsole(String name, DeviceArguments arguments) throws IOException {
        ConsoleOptions options = console(arguments.take("virtio-console"));
        String place = arguments.take("console", "none");
        if (!place.equals("stdio") && !place.equals("none"))
            throw new IOException("--console '" + place + "' must be stdio or none");
        boolean stdio = place.equals("stdio");
        if (!stdio && options.ports().isEmpty())
            throw new IOException(
                    "device console leads nowhere: add --console stdio, or --virtio-console port=NAME:PATH");
        int[] descriptors = listeners("console", arguments, options.ports().size());
        List<UnixListener> listeners = new ArrayList<>();
        for (int descriptor : descriptors)
            listeners.add(UnixListener.given(
                    Path.of("port " + options.ports().get(listeners.size()).name()), descriptor));
        ConsoleDevice console = new ConsoleDevice(
                name,
                options,
                listeners,
                stdio ? new FileOutputStream(FileDescriptor.out) : OutputStream.nullOutputStream());
        return new OpenedDevice(console, () -> {
            if (stdio) Thread.ofPlatform().name(name + "-input").daemon().start(() -> type(console));
        });
    }

    /** What comes on standard input, until its end. */
    private static void type(ConsoleDevice console) {
        byte[] bytes = new byte[4096];
        try (InputStream input = new FileInputStream(FileDescriptor.in)) {
            for (int length; (length = input.read(bytes)) > 0; ) {
                for (int typed = 0; typed < length; typed += console.offer(bytes, typed, length - typed))
                    if (!console.awaitRoom()) return;
            }
        } catch (IOException e) {
            LOG.warn("{}: nothing more is typed: {}", console.name(), e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
