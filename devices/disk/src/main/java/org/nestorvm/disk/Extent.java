package org.nestorvm.disk;

import java.io.IOException;

/**
 * What a stretch of a guest's disk is, and where: a row of {@code qemu-img map}.
 *
 * @param start on the guest's disk
 * @param depth of the file that decides: 0 is the image, 1 its backing file, ...
 * @param present whether that file has anything there; else it is the last one that could have
 * @param zero whether it reads zero
 * @param data whether the file stores bytes
 * @param offset in that file, -1 where there is no such place
 * @param file its name
 */
public record Extent(
        long start,
        long length,
        int depth,
        boolean present,
        boolean zero,
        boolean data,
        boolean compressed,
        long offset,
        String file) {

    long end() {
        return start + length;
    }

    /** Whether the other follows and differs in nothing. */
    boolean continuedBy(Extent next) {
        boolean same = depth == next.depth
                && present == next.present
                && zero == next.zero
                && data == next.data
                && compressed == next.compressed
                && file.equals(next.file);
        return same && (offset < 0 ? next.offset < 0 : next.offset == offset + length);
    }

    Extent with(Extent next) {
        return new Extent(start, length + next.length, depth, present, zero, data, compressed, offset, file);
    }

    /** From {@code offset} on, {@code bytes} of it at most and one at least. Both within the disk. */
    static Extent at(DiskImage image, long offset, long bytes) throws IOException {
        return at(image, offset, bytes, 0);
    }

    static Extent at(DiskImage image, long offset, long bytes, int depth) throws IOException {
        return switch (image) {
            case Qcow2Image qcow2 -> qcow2.extent(offset, bytes, depth);
            case RawImage raw -> raw.extent(offset, bytes, depth);
            default -> new Extent(offset, bytes, depth, true, false, true, false, -1, image.format());
        };
    }
}
