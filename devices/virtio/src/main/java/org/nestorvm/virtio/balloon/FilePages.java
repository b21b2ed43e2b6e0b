package org.nestorvm.virtio.balloon;

import java.io.IOException;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.virtio.DeviceMemory;

/**
 * Gives pages back through the files behind a driver's memory, in a process that has no machine: FALLOC_FL_PUNCH_HOLE
 * leaves the file as long as it is and every mapping of it, in this process and in the front end's, where it was; who
 * touches the range again has zeroes.
 *
 * <p>Pages of the host's reserved pool (hugetlbfs) stay: taking one again fails when the pool is empty, with a SIGBUS
 * in the front end, which has not been asked.
 */
final class FilePages implements PageRelease {
    private final DeviceMemory memory;
    private DeviceMemory.Region checked;

    FilePages(DeviceMemory memory) {
        this.memory = memory;
    }

    @Override
    public void release(long gpa, long sizeBytes) throws IOException {
        for (DeviceMemory.Region region : memory.regions()) {
            if (gpa < region.gpa() || gpa >= region.end()) continue;
            punch(region, gpa, sizeBytes);
            memory.written(gpa, sizeBytes);
            return;
        }
    }

    private void punch(DeviceMemory.Region region, long gpa, long sizeBytes) throws IOException {
        String name = "guest memory at 0x" + Long.toHexString(region.gpa());
        if (region != checked) check(name, region.descriptor());
        checked = region;
        Descriptors.fallocate(
                name,
                region.descriptor(),
                Descriptors.FALLOC_FL_PUNCH_HOLE | Descriptors.FALLOC_FL_KEEP_SIZE,
                region.fileOffset() + gpa - region.gpa(),
                sizeBytes);
    }

    private static void check(String name, int descriptor) throws IOException {
        if (descriptor < 0) throw new IOException(name + " has no file");
        if (FileStatus.of(name, descriptor).fileSystem() == FileStatus.HUGETLBFS_MAGIC)
            throw new IOException(
                    name + " is of the host's reserved pool of huge pages: those stay with the front end");
    }
}
