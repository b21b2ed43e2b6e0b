package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.function.DoubleConsumer;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.IoVector;

/** Gives a qcow2 image another backing file, as {@code qemu-img rebase} does. */
public final class Rebaser {
    private static final int PIECE_BYTES = 2 << 20;

    private Rebaser() {}

    /**
     * A guest of the image reads what it read before: what would change is written to the image first.
     *
     * @param backing as the header has it, relative to the image's folder; empty for none
     * @param format of the backing file; null: what its first bytes say
     */
    public static void rebase(Path file, OpenOptions options, String backing, String format, DoubleConsumer progress)
            throws IOException {
        String known = knownFormat(file, backing, format);
        try (DiskImage image = Disks.open(file, options.withReadOnly(false))) {
            Qcow2Image overlay = qcow2(file, image);
            if (known == null) copy(overlay, null, progress);
            else {
                try (DiskImage below = Disks.open(resolved(file, backing), OpenOptions.READ.withFormat(known))) {
                    copy(overlay, below, progress);
                }
            }
            overlay.setBacking(known == null ? null : backing, known);
        }
    }

    /**
     * Only the name in the header changes: for a backing file that was moved, or has the same content. The files are
     * not read.
     */
    public static void rename(Path file, OpenOptions options, String backing, String format) throws IOException {
        String known = knownFormat(file, backing, format);
        try (HostFile host = HostFile.open(HostText.text(file), false)) {
            host.lock(true);
            String own = options.format() != null ? options.format() : Disks.probe(host);
            if (!own.equals(Disks.QCOW2)) throw noQcow2(file);
            Qcow2Image.prepareToWrite(host, Qcow2Header.read(host));
            BackingName.write(host, known == null ? null : backing, known);
        }
    }

    private static Path resolved(Path file, String backing) throws IOException {
        return HostText.path(Disks.resolve(HostText.text(file), backing));
    }

    private static String knownFormat(Path file, String backing, String format) throws IOException {
        if (backing.isEmpty()) return null;
        if (format != null && !format.equals(Disks.RAW) && !format.equals(Disks.QCOW2)) {
            throw new ImageRequestException("unknown format '" + format + "'; there are raw and qcow2");
        }
        BackingCycle.refuse(file, backing, format);
        return Images.backingFormat(file, backing, format);
    }

    private static Qcow2Image qcow2(Path file, DiskImage image) throws IOException {
        if (image instanceof Qcow2Image qcow2) return qcow2;
        throw noQcow2(file);
    }

    private static IOException noQcow2(Path file) {
        return new IOException(
                file + ": a raw image has no backing file; `nestor image create -f qcow2 -b` makes one that has");
    }

    /** @param below what will be under the overlay; null for nothing */
    static void copy(Qcow2Image overlay, DiskImage below, DoubleConsumer progress) throws IOException {
        long size = overlay.sizeBytes();
        int pieceBytes = Math.max(PIECE_BYTES, (int) overlay.header().clusterBytes());
        try (Arena arena = Arena.ofConfined()) {
            long before = arena.allocate(pieceBytes, 4096).address();
            long after = arena.allocate(pieceBytes, 4096).address();
            for (long at = 0; at < size; ) {
                long run = overlay.unallocated(at, size - at);
                long bytes = run < 0 ? -run : Math.min(run, pieceBytes);
                if (run > 0 && !(isZero(overlay, at, bytes) && isZero(below, at, bytes))) {
                    overlay.read(at, new IoVector(1).add(before, bytes));
                    readOrZero(below, at, after, bytes);
                    keep(overlay, at, before, after, bytes);
                }
                at += bytes;
                progress.accept((double) at / size);
            }
        }
        overlay.flush();
    }

    private static boolean isZero(DiskImage image, long at, long bytes) throws IOException {
        if (image == null || at >= image.sizeBytes()) return true;
        return image.nextData(at) >= Math.min(image.sizeBytes(), at + bytes);
    }

    private static void readOrZero(DiskImage below, long at, long to, long bytes) throws IOException {
        long there = below == null ? 0 : Math.clamp(below.sizeBytes() - at, 0, bytes);
        if (there > 0) below.read(at, new IoVector(1).add(to, there));
        HostMemory.fill(to + there, bytes - there, (byte) 0);
    }

    private static void keep(Qcow2Image overlay, long at, long before, long after, long bytes) throws IOException {
        int cluster = (int) overlay.header().clusterBytes();
        for (long done = 0; done < bytes; done += cluster) {
            int piece = (int) Math.min(cluster, bytes - done);
            if (HostMemory.mismatch(before + done, after + done, piece) < 0) continue;
            boolean zero = HostMemory.mismatch(before + done, HostFile.ZEROES, piece) < 0;
            if (!zero || !overlay.hide(at + done)) overlay.write(at + done, new IoVector(1).add(before + done, piece));
        }
    }
}
