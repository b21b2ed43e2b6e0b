package org.nestorvm.machine;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.nestorvm.disk.Disks;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.isolation.IsolatedDevice;
import org.nestorvm.isolation.RestartPolicy;
import org.nestorvm.vhost.Connector;
import org.nestorvm.vhost.FrontEnd;
import org.nestorvm.vhost.FrontEndOptions;
import org.nestorvm.virtio.balloon.BalloonDevice;
import org.nestorvm.virtio.balloon.BalloonOptions;
import org.nestorvm.virtio.blk.BlkDevice;
import org.nestorvm.virtio.console.Channel;
import org.nestorvm.virtio.console.ConsoleDevice;
import org.nestorvm.virtio.console.ConsoleOptions;
import org.nestorvm.virtio.net.NetOptions;
import org.nestorvm.virtio.rng.RngDevice;
import org.nestorvm.virtio.scsi.DiskMedium;
import org.nestorvm.virtio.scsi.ScsiCdDevice;
import org.nestorvm.virtio.vsock.VsockDevice;
import org.nestorvm.virtio.vsock.VsockOptions;

/**
 * Devices for {@link MachineConfig#withDevice}: in the machine's own process, in processes of their own, or served by
 * another program over vhost-user.
 */
public final class Devices {
    /** For a back end that listens, or does so again after it has been started again. */
    private static final int BACK_END_PATIENCE_MS = 5000;
    /** As many as a back end has. */
    public static final int ALL_QUEUES = FrontEndOptions.ALL_QUEUES;

    private static final int MOST_DEFAULT_QUEUES = 4;

    private Devices() {}

    public static DeviceSource disk(String name, DiskSpec disk) {
        return machine -> new BlkDevice(
                name,
                Disks.open(disk.file(), options(disk)),
                disk.serial() == null ? "" : disk.serial(),
                queues(disk, machine),
                threads(disk));
    }

    /** The same in a confined process of its own, which is started again when it dies. */
    public static DeviceSource isolatedDisk(String name, DiskSpec disk) {
        return machine -> IsolatedDevice.disk(
                name,
                disk.file(),
                options(disk),
                disk.serial(),
                queues(disk, machine),
                threads(disk),
                RestartPolicy.USUAL);
    }

    private static OpenOptions options(DiskSpec disk) {
        return (disk.readOnly() ? OpenOptions.READ : OpenOptions.WRITE).withFormat(disk.format());
    }

    private static int queues(DiskSpec disk, DeviceSource.Host machine) {
        return disk.queues() != null ? disk.queues() : Math.min(machine.cpus(), MOST_DEFAULT_QUEUES);
    }

    private static int threads(DiskSpec disk) {
        return disk.threads() != null ? disk.threads() : BlkDevice.DEFAULT_THREADS;
    }

    /** Streams between the guest and Unix sockets of the host. */
    public static DeviceSource vsock(String name, VsockOptions options) {
        return machine -> new VsockDevice(name, options);
    }

    /** A CD-ROM drive. @param iso what lies in it; null for nothing */
    public static DeviceSource cdrom(String name, Path iso) {
        return machine -> {
            ScsiCdDevice drive = new ScsiCdDevice(name, "nestor-" + name);
            try {
                if (iso != null) drive.insert(new DiskMedium(Disks.open(iso, OpenOptions.READ.withFormat(Disks.RAW))));
                return drive;
            } catch (IOException | RuntimeException | Error e) {
                drive.close();
                throw e;
            }
        };
    }

    /** A folder of the host, which the guest mounts with {@code mount -t virtiofs TAG PLACE}. */
    public static DeviceSource share(String name, Path folder, String tag) {
        return machine -> SharedFolder.open(name, folder, tag, SharedFolder.Access.READ_WRITE);
    }

    /** The same where nothing that the guest does changes the folder: the host's kernel refuses it. */
    public static DeviceSource shareReadOnly(String name, Path folder, String tag) {
        return machine -> SharedFolder.open(name, folder, tag, SharedFolder.Access.READ_ONLY);
    }

    /**
     * A device that a process of somebody else's serves at a Unix socket, over vhost-user. @param type its number in
     * section 5 of the virtio specification @param queues or {@link #ALL_QUEUES}
     */
    public static DeviceSource vhostUser(String name, int type, Path socket, int queues, int queueSize) {
        return machine -> FrontEnd.connect(
                FrontEndOptions.of(type, name, queues, queueSize, Connector.path(socket, BACK_END_PATIENCE_MS)));
    }

    /** A network interface. */
    public static DeviceSource net(String name, NetOptions options) {
        return machine -> options.open(name);
    }

    /** The same in a confined process of its own, which is started again when it dies. */
    public static DeviceSource isolatedNet(String name, NetOptions options) {
        return machine -> IsolatedDevice.net(name, options, RestartPolicy.USUAL);
    }

    /**
     * A console, hvc0 to Linux, with the output that the serial port has; what is typed goes here. Its further ports
     * are Unix sockets.
     */
    public static DeviceSource console(String name, ConsoleOptions options) {
        return machine -> new ConsoleDevice(name, options, machine.console());
    }

    /** The same with its output somewhere else than the serial port's. */
    public static DeviceSource console(String name, ConsoleOptions options, OutputStream output) {
        return machine -> new ConsoleDevice(name, options, output);
    }

    /** Ports between programs of the guest and this process. */
    public static DeviceSource channels(String name, List<Channel> channels) {
        return machine -> new ConsoleDevice(name, channels);
    }

    /** Memory that the guest gives back, asked or of its own: see {@link BalloonDevice#setTarget}. */
    public static DeviceSource balloon(String name, BalloonOptions options) {
        return machine -> new BalloonDevice(name, options, machine.pages());
    }

    /** Random bytes: the host's; from a fixed seed where a run must repeat itself. */
    public static DeviceSource rng(String name) {
        return machine -> {
            RandomGenerator random = machine.onCallersThread() ? new SplittableRandom(0) : new SecureRandom();
            return new RngDevice(name, (bytes, length) -> random.nextBytes(bytes));
        };
    }
}
