package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.DoubleConsumer;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.IoVector;

/**
 * Writes what an image has of its own into a file below it, as {@code qemu-img commit} does.
 *
 * <p>What was written is durable before the image becomes empty, and that happens in one step ({@link Qcow2Switch}). So
 * after a loss of power at any moment a guest of the image reads what it read before.
 */
public final class Committer {
    private static final int PIECE_BYTES = 2 << 20;

    private Committer() {}

    /**
     * @param base the file to write to, which becomes as large as the image; null: the image's backing file
     * @param keep leave the image as it is. One with files between it and {@code base} always stays
     */
    public static void commit(Path image, OpenOptions options, Path base, boolean keep, DoubleConsumer progress)
            throws IOException {
        List<Path> chain = Disks.chain(image, options);
        if (chain.size() == 1) throw new IOException(image + ": has no backing file, so there is nothing to commit to");
        int depth = base == null ? 1 : depth(image, chain, base);
        enlarge(image, options, depth);
        try (Disks.Committed opened = Disks.openToCommit(HostText.text(image), options, depth)) {
            run(opened.file(), opened.top(), opened.base(), depth, !keep && depth == 1, progress);
        }
    }

    private static int depth(Path image, List<Path> chain, Path base) throws IOException {
        Path beside = image.resolveSibling(base);
        for (int i = 1; i < chain.size(); i++) {
            Path file = chain.get(i);
            if (isSame(file, base) || isSame(file, beside)) return i;
        }
        throw new IOException(
                base + ": is not among the backing files of " + image + "; `nestor image info` tells them one by one");
    }

    private static boolean isSame(Path file, Path other) throws IOException {
        return Files.exists(other) && Files.isSameFile(file, other);
    }

    /** A disk's new size counts from the next opening on. */
    private static void enlarge(Path image, OpenOptions options, int depth) throws IOException {
        try (Disks.Committed opened = Disks.openToCommit(HostText.text(image), options, depth)) {
            long size = opened.top().sizeBytes();
            if (opened.base().sizeBytes() < size) Images.resize(opened.base(), size);
        }
    }

    /** @param base the image at this depth below {@code top} */
    static void run(BlockFile file, DiskImage top, DiskImage base, int depth, boolean empties, DoubleConsumer progress)
            throws IOException {
        Qcow2Header header = empties ? Qcow2Switch.prepare(file) : null;
        long size = top.sizeBytes();
        try (Arena arena = Arena.ofConfined()) {
            IoVector buffer =
                    new IoVector(1).add(arena.allocate(PIECE_BYTES, 4096).address(), PIECE_BYTES);
            for (long at = 0; at < size; ) {
                Extent extent = Extent.at(top, at, size - at);
                if (extent.depth() < depth) copy(extent, top, base, buffer);
                at = extent.end();
                progress.accept((double) at / size);
            }
        }
        base.flush();
        if (empties) Qcow2Snapshots.empty(file, header);
    }

    private static void copy(Extent extent, DiskImage top, DiskImage base, IoVector buffer) throws IOException {
        if (extent.zero()) {
            base.writeZeroes(extent.start(), extent.length(), true);
            return;
        }
        IoVector piece = new IoVector(1);
        for (long at = extent.start(); at < extent.end(); at += piece.totalBytes()) {
            piece.clear().add(buffer, 0, Math.min(extent.end() - at, PIECE_BYTES));
            top.read(at, piece);
            base.write(at, piece);
        }
    }
}
