package org.nestorvm.machine;

import java.nio.file.Path;
import java.util.Objects;
import org.nestorvm.virtio.blk.BlkDevice;
import org.nestorvm.vmm.VmRefusedException;

/**
 * A disk of a machine.
 *
 * @param file the image
 * @param format {@code raw}, {@code qcow2}, or null: told by the file's first bytes
 * @param serial what the guest reads as the disk's identity, up to {@value BlkDevice#SERIAL_BYTES} ASCII characters;
 *     null for none
 * @param queues one thread each; null for one a virtual CPU, up to four
 * @param threads most of those that requests go to that may wait for the host's disk, so that others of their queue
 *     need not; 0 for none, null for {@value BlkDevice#DEFAULT_THREADS}
 */
public record DiskSpec(Path file, String format, boolean readOnly, String serial, Integer queues, Integer threads) {
    public DiskSpec {
        Objects.requireNonNull(file, "file");
        if (format != null && !format.equals("raw") && !format.equals("qcow2"))
            throw new VmRefusedException("disk " + file + ": format '" + format + "' is not known; raw and qcow2 are");
        if (serial != null
                && (serial.length() > BlkDevice.SERIAL_BYTES || serial.chars().anyMatch(c -> c < ' ' || c > '~')))
            throw new VmRefusedException("disk " + file + ": serial '" + serial + "' must be up to "
                    + BlkDevice.SERIAL_BYTES + " printable ASCII characters");
        if (queues != null && (queues < 1 || queues > BlkDevice.MAX_QUEUES))
            throw new VmRefusedException(
                    "disk " + file + ": queues=" + queues + " must be 1 to " + BlkDevice.MAX_QUEUES);
        if (threads != null && (threads < 0 || threads > BlkDevice.MAX_THREADS))
            throw new VmRefusedException(
                    "disk " + file + ": threads=" + threads + " must be 0 to " + BlkDevice.MAX_THREADS);
    }

    public static DiskSpec of(Path file) {
        return new DiskSpec(file, null, false, null, null, null);
    }

    public DiskSpec withReadOnly(boolean on) {
        return new DiskSpec(file, format, on, serial, queues, threads);
    }
}
