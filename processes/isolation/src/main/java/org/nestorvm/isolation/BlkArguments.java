package org.nestorvm.isolation;

import java.io.IOException;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.disk.Disks;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.virtio.VirtioDevice;
import org.nestorvm.virtio.blk.BlkDevice;

/**
 * The options of a block device: its files by descriptor, those of backing files included, or, for who starts it by
 * hand, by name.
 */
final class BlkArguments {
    private BlkArguments() {}

    /**
     * A descriptor that cannot be written to, in place of one that was given. @param descriptor belongs to this method;
     * it is closed when another takes its place
     */
    static int readOnly(String name, int descriptor) throws IOException {
        if ((Descriptors.fcntl(name, descriptor, Descriptors.F_GETFL, 0) & Descriptors.O_ACCMODE)
                == Descriptors.O_RDONLY) return descriptor;
        int reopened = Descriptors.open("/proc/self/fd/" + descriptor, Descriptors.O_RDONLY);
        Descriptors.close(descriptor);
        return reopened;
    }

    static VirtioDevice open(String name, DeviceArguments arguments) throws IOException {
        int[] descriptors = arguments.takeNumbers("files");
        String file = arguments.take("file");
        OpenOptions options = new OpenOptions(
                arguments.take("format"), arguments.takeSwitch("readonly", false), arguments.takeSwitch("lock", true));
        String serial = arguments.take("serial", "");
        int queues = arguments.takeNumber("queues", 1),
                threads = arguments.takeNumber("threads", BlkDevice.DEFAULT_THREADS);
        if (file == null && descriptors.length == 0)
            throw new UsageException("device blk needs --file NAME, or --files with descriptors");
        if (queues < 1 || queues > BlkDevice.MAX_QUEUES)
            throw new UsageException("--queues " + queues + " must be 1 to " + BlkDevice.MAX_QUEUES);
        if (threads < 0 || threads > BlkDevice.MAX_THREADS)
            throw new UsageException("--threads " + threads + " must be 0 to " + BlkDevice.MAX_THREADS);
        for (int i = options.readOnly() ? 0 : 1; i < descriptors.length; i++)
            descriptors[i] = readOnly(name, descriptors[i]);
        DiskImage image = descriptors.length > 0
                ? Disks.open(file == null ? name : file, options, descriptors)
                : Disks.open(HostText.path(file), options);
        return new BlkDevice(name, image, serial, queues, threads);
    }
}
