package org.nestorvm.isolation;

import java.io.IOException;
import java.util.Arrays;
import java.util.Locale;
import org.nestorvm.memory.sys.Entropy;
import org.nestorvm.sandbox.SandboxPolicy;
import org.nestorvm.virtio.balloon.BalloonDevice;
import org.nestorvm.virtio.balloon.BalloonOptions;
import org.nestorvm.virtio.net.NetOptions;
import org.nestorvm.virtio.rng.RngDevice;

/**
 * The devices that can have a process of their own: what each is made from, what it keeps when it is confined, and what
 * its JVM gets.
 */
enum DeviceKind {
    RNG(SandboxPolicy.PLAIN, 16, 6, true) {
        @Override
        OpenedDevice open(String name, DeviceArguments arguments) {
            return OpenedDevice.of(new RngDevice(name, Entropy::fill));
        }
    },
    BLK(SandboxPolicy.DISK, 48, 16, false) {
        @Override
        OpenedDevice open(String name, DeviceArguments arguments) throws IOException {
            return OpenedDevice.of(BlkArguments.open(name, arguments));
        }
    },
    NET(SandboxPolicy.NET, 48, 16, false) {
        @Override
        OpenedDevice open(String name, DeviceArguments arguments) throws IOException {
            String net = arguments.take("net");
            if (net == null) throw new UsageException("device net needs --net, as `nestor run` takes it");
            return OpenedDevice.of(
                    UsageException.checked(() -> NetOptions.parse(net)).open(name));
        }
    },
    /** As much as its heap is there outside of it, too, and all windows of its connections are. */
    VSOCK(SandboxPolicy.SOCKETS, 96, 16, false) {
        @Override
        OpenedDevice open(String name, DeviceArguments arguments) throws IOException {
            return SocketArguments.openVsock(name, arguments);
        }
    },
    CONSOLE(SandboxPolicy.STREAMS, 16, 6, true) {
        @Override
        OpenedDevice open(String name, DeviceArguments arguments) throws IOException {
            return SocketArguments.openConsole(name, arguments);
        }
    },
    CDROM(SandboxPolicy.CDROM, 16, 6, true) {
        @Override
        OpenedDevice open(String name, DeviceArguments arguments) throws IOException {
            return OpenedDevice.of(CdromArguments.open(name, arguments));
        }
    },
    BALLOON(SandboxPolicy.PLAIN, 16, 6, true) {
        /**
         * What it asks the guest for stays as it is: nobody here hears of another wish, or of the guest's statistics.
         */
        @Override
        OpenedDevice open(String name, DeviceArguments arguments) throws IOException {
            String text = arguments.take("balloon", "on");
            BalloonOptions options = UsageException.checked(() -> BalloonOptions.parse(text));
            if (options.statisticsSeconds() != 0)
                throw new UsageException("device balloon has nobody to tell the guest's statistics to; leave out stats="
                        + options.statisticsSeconds());
            return OpenedDevice.of(new BalloonDevice(name, options));
        }
    };

    final SandboxPolicy policy;
    final int heapMiB, codeMiB;
    /** Whether the JVM's quick compiler is enough: where the device has little to do. */
    final boolean quickCompiler;

    DeviceKind(SandboxPolicy policy, int heapMiB, int codeMiB, boolean quickCompiler) {
        this.policy = policy;
        this.heapMiB = heapMiB;
        this.codeMiB = codeMiB;
        this.quickCompiler = quickCompiler;
    }

    /** In the device process, before it is confined: opens whatever is not passed open. */
    abstract OpenedDevice open(String name, DeviceArguments arguments) throws IOException;

    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    static DeviceKind of(String label) throws IOException {
        for (DeviceKind kind : values()) if (kind.label().equals(label)) return kind;
        throw new UsageException("no device is called '" + label + "'; there are "
                + String.join(
                        ", ", Arrays.stream(values()).map(DeviceKind::label).toList()));
    }
}
