package org.nestorvm.isolation;

import java.io.IOException;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.disk.Disks;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.virtio.VirtioDevice;
import org.nestorvm.virtio.scsi.DiskMedium;
import org.nestorvm.virtio.scsi.ScsiCdDevice;

/** The options of a CD-ROM drive: the image that lies in it, by descriptor or by name. */
final class CdromArguments {
    private CdromArguments() {}

    static VirtioDevice open(String name, DeviceArguments arguments) throws IOException {
        int[] descriptors = arguments.takeNumbers("files");
        String file = arguments.take("file");
        if (file == null && descriptors.length == 0)
            throw new UsageException(
                    "device cdrom needs --file NAME with an ISO image, or --files with its descriptor");
        for (int i = 0; i < descriptors.length; i++) descriptors[i] = BlkArguments.readOnly(name, descriptors[i]);
        OpenOptions options = OpenOptions.READ.withFormat(Disks.RAW);
        DiskImage image = descriptors.length > 0
                ? Disks.open(file == null ? name : file, options, descriptors)
                : Disks.open(HostText.path(file), options);
        ScsiCdDevice drive = new ScsiCdDevice(name, "nestor-" + name);
        try {
            drive.insert(new DiskMedium(image));
            return drive;
        } catch (IOException | RuntimeException | Error e) {
            image.close();
            drive.close();
            throw e;
        }
    }
}
