package org.nestorvm.machine;

import java.security.SecureRandom;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.nestorvm.disk.Disks;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.virtio.blk.BlkDevice;
import org.nestorvm.virtio.rng.RngDevice;
import org.nestorvm.virtio.vsock.VsockDevice;
import org.nestorvm.virtio.vsock.VsockOptions;

/** Devices that run in the machine's own process, for {@link MachineConfig#withDevice}. */
public final class Devices {
    private Devices() {
    }

    public static DeviceSource disk(String name, DiskSpec disk) {
        return onCallersThread -> {
            OpenOptions options = (disk.readOnly() ? OpenOptions.READ : OpenOptions.WRITE).withFormat(disk.format());
            int queues = disk.queues() != null ? disk.queues() : 1;
            return new BlkDevice(name, Disks.open(disk.file(), options), disk.serial() == null ? "" : disk.serial(), queues);
        };
    }

    /** Streams between the guest and Unix sockets of the host. */
    public static DeviceSource vsock(String name, VsockOptions options) {
        return onCallersThread -> new VsockDevice(name, options);
    }

    /** Random bytes: the host's; from a fixed seed where a run must repeat itself. */
    public static DeviceSource rng(String name) {
        return onCallersThread -> {
            RandomGenerator random = onCallersThread ? new SplittableRandom(0) : new SecureRandom();
            return new RngDevice(name, (bytes, length) -> random.nextBytes(bytes));
        };
    }
}
