package org.nestorvm.virtio.scsi;

import java.io.IOException;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.memory.sys.IoVector;

/** An image in a CD-ROM drive. */
public record DiskMedium(DiskImage image) implements Medium {
    @Override
    public long sizeBytes() {
        return image.sizeBytes();
    }

    @Override
    public void read(long offset, IoVector into) throws IOException {
        image.read(offset, into);
    }

    @Override
    public void close() throws IOException {
        image.close();
    }
}
