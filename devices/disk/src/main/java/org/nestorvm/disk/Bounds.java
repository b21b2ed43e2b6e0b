package org.nestorvm.disk;

import java.io.IOException;

/** The one check of what a request may name. */
final class Bounds {
    private Bounds() {}

    static void check(DiskImage image, long offset, long sizeBytes) throws IOException {
        if (offset < 0
                || sizeBytes < 0
                || offset > image.sizeBytes() - sizeBytes
                || (offset | sizeBytes) % DiskImage.SECTOR_BYTES != 0) {
            throw new IOException("no such part of a disk of " + image.sizeBytes() + " bytes: offset=" + offset
                    + " size=" + sizeBytes + "; both are multiples of " + DiskImage.SECTOR_BYTES);
        }
    }

    static void checkWrite(DiskImage image, long offset, long sizeBytes) throws IOException {
        if (image.readOnly()) throw new IOException("the disk is read-only");
        check(image, offset, sizeBytes);
    }
}
