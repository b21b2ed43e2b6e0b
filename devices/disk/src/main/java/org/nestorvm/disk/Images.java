package org.nestorvm.disk;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.List;
import java.util.function.Consumer;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.memory.sys.HostText;

/**
 * Makes images, tells of them, checks them and changes their size: what {@code nestor image} does, and programs can.
 */
public final class Images {
    private Images() {}

    /**
     * Makes an image that reads zero, or as its backing file does.
     *
     * @param sizeBytes -1: that of the backing file
     */
    public static void create(Path file, String format, long sizeBytes, ImageOptions options) throws IOException {
        boolean backed = options.backingFile() != null;
        if (backed && !format.equals(Disks.QCOW2))
            throw new ImageRequestException("a raw image has no backing file; pass -f qcow2 too");
        if (backed && !options.preallocation().equals("off"))
            throw new ImageRequestException(
                    "preallocation and a backing file exclude each other: what is allocated hides what is below");
        ImageOptions known = backed
                ? options.withBacking(
                        options.backingFile(), backingFormat(file, options.backingFile(), options.backingFormat()))
                : options;
        if (backed) BackingCycle.refuse(file, known.backingFile(), known.backingFormat());
        long size = sizeBytes >= 0 ? sizeBytes : backingSize(file, known);
        boolean existed = Files.exists(file, LinkOption.NOFOLLOW_LINKS);
        try (HostFile host = openNew(file)) {
            write(host, format, size, known);
        } catch (IOException | RuntimeException e) {
            if (!existed) Files.deleteIfExists(file);
            throw e;
        }
        if (format.equals(Disks.QCOW2) && !known.preallocation().equals("off")) preallocate(file, known);
    }

    private static HostFile openNew(Path file) throws IOException {
        try {
            Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-r--r--")));
        } catch (FileAlreadyExistsException e) {
            // made anew below, once nobody uses it
        }
        HostFile host = HostFile.open(HostText.text(file), false);
        try {
            host.lock(true);
            host.setLength(0);
            return host;
        } catch (IOException | RuntimeException e) {
            host.close();
            throw e;
        }
    }

    private static void write(HostFile host, String format, long size, ImageOptions options) throws IOException {
        switch (format) {
            case Disks.QCOW2 -> Qcow2Create.write(host, size, options);
            case Disks.RAW -> {
                host.setLength(size);
                if (size > 0 && !options.preallocation().equals("off")) host.allocate(0, size);
                if (options.preallocation().equals("full")) HostFile.writeZeroes(host, 0, size);
                host.sync();
            }
            default -> throw new ImageRequestException("unknown format '" + format + "'; there are raw and qcow2");
        }
    }

    /** @param format null: what the file's first bytes say */
    static String backingFormat(Path file, String name, String format) throws IOException {
        if (format != null) return format;
        try (HostFile backing = HostFile.open(Disks.resolve(HostText.text(file), name), true)) {
            String found = Disks.probe(backing);
            if (found.equals(Disks.QCOW2) && Qcow2Header.read(backing).backingName != null) {
                throw new IOException(backing.name() + ": its format was guessed as qcow2, and a guessed image gets no"
                        + " backing file of its own; if a guest cannot have written that, say -F qcow2");
            }
            return found;
        }
    }

    private static long backingSize(Path file, ImageOptions options) throws IOException {
        if (options.backingFile() == null)
            throw new ImageRequestException("a new image needs a size; write it like 20G");
        try (DiskImage backing = Disks.open(
                HostText.path(Disks.resolve(HostText.text(file), options.backingFile())),
                OpenOptions.READ.withFormat(options.backingFormat()))) {
            return backing.sizeBytes();
        }
    }

    private static void preallocate(Path file, ImageOptions options) throws IOException {
        try (HostFile host = HostFile.open(HostText.text(file), false);
                Qcow2Image image = (Qcow2Image) Qcow2Image.open(host, false, null)) {
            image.preallocate(options.preallocation());
        }
    }

    public static ImageInfo info(Path file, OpenOptions options) throws IOException {
        try (HostFile host = HostFile.open(HostText.text(file), true)) {
            if (options.locked()) host.lock(false);
            long allocated = allocatedBytes(file);
            String format = options.format() != null ? options.format() : Disks.probe(host);
            if (format.equals(Disks.RAW)) {
                long size = Math.ceilDiv(host.length(), DiskImage.SECTOR_BYTES) * DiskImage.SECTOR_BYTES;
                return new ImageInfo(
                        HostText.text(file),
                        format,
                        size,
                        allocated,
                        null,
                        null,
                        null,
                        0,
                        0,
                        false,
                        0,
                        null,
                        false,
                        false,
                        List.of());
            }
            Qcow2Header header = Qcow2Header.read(host);
            String backing = header.backingName;
            return new ImageInfo(
                    HostText.text(file),
                    format,
                    header.diskBytes(),
                    allocated,
                    backing,
                    backing == null ? null : Disks.resolve(HostText.text(file), backing),
                    header.backingFormat,
                    header.version,
                    (int) header.clusterBytes(),
                    (header.compatible & Qcow2Header.LAZY_REFCOUNTS) != 0,
                    1 << header.refcountOrder,
                    header.compression == Qcow2Header.ZSTD ? "zstd" : "zlib",
                    (header.incompatible & Qcow2Header.DIRTY) != 0,
                    (header.incompatible & Qcow2Header.CORRUPT) != 0,
                    SnapshotTable.read(host, header).stream()
                            .map(SnapshotTable.Entry::snapshot)
                            .toList());
        }
    }

    private static long allocatedBytes(Path file) throws IOException {
        int descriptor = Descriptors.open(HostText.text(file), Descriptors.O_RDONLY);
        try {
            return FileStatus.of(file, descriptor).allocatedBytes();
        } finally {
            Descriptors.close(descriptor);
        }
    }

    /** @param repair {@code leaks}, {@code all}, or null: look only */
    public static CheckResult check(Path file, OpenOptions options, String repair) throws IOException {
        Qcow2Check.Repair how = switch (repair) {
            case null -> Qcow2Check.Repair.NONE;
            case "leaks" -> Qcow2Check.Repair.LEAKS;
            case "all" -> Qcow2Check.Repair.ALL;
            default -> throw new ImageRequestException("cannot repair '" + repair + "'; there are leaks and all");
        };
        boolean write = how != Qcow2Check.Repair.NONE;
        try (HostFile host = HostFile.open(HostText.text(file), !write)) {
            if (options.locked()) host.lock(write);
            String format = options.format() != null ? options.format() : Disks.probe(host);
            if (!format.equals(Disks.QCOW2))
                throw new IOException(file + ": a raw image has nothing that could be checked");
            return Qcow2Check.run(host, how);
        }
    }

    /** The internal snapshots, oldest first. A raw image has none. */
    public static List<Snapshot> snapshots(Path file, OpenOptions options) throws IOException {
        return info(file, options).snapshots();
    }

    /** The guest's disk as it is now, under a name. The names of several may be equal; their numbers are not. */
    public static void createSnapshot(Path file, OpenOptions options, String name) throws IOException {
        withSnapshots(file, options, host -> Qcow2Snapshots.create(host, name, Instant.now()));
    }

    /** The disk becomes what it was when the snapshot was made, its size too. */
    public static void applySnapshot(Path file, OpenOptions options, String idOrName) throws IOException {
        withSnapshots(file, options, host -> Qcow2Snapshots.apply(host, idOrName));
    }

    public static void deleteSnapshot(Path file, OpenOptions options, String idOrName) throws IOException {
        withSnapshots(file, options, host -> Qcow2Snapshots.delete(host, idOrName));
    }

    @FunctionalInterface
    private interface Change {
        void of(BlockFile file) throws IOException;
    }

    private static void withSnapshots(Path file, OpenOptions options, Change change) throws IOException {
        try (HostFile host = HostFile.open(HostText.text(file), false)) {
            if (options.locked()) host.lock(true);
            String format = options.format() != null ? options.format() : Disks.probe(host);
            if (!format.equals(Disks.QCOW2)) {
                throw new IOException(
                        file + ": a raw image has no snapshots; `nestor image convert -O qcow2` makes one that can");
            }
            change.of(host);
        }
    }

    /** @param shrink must be said where the guest's bytes at the end go */
    public static void resize(Path file, OpenOptions options, long sizeBytes, boolean shrink) throws IOException {
        long size = Math.ceilDiv(sizeBytes, DiskImage.SECTOR_BYTES) * DiskImage.SECTOR_BYTES;
        try (DiskImage image = Disks.open(file, options.withReadOnly(false))) {
            if (size < image.sizeBytes() && !shrink)
                throw new IOException(file + ": the disk would become smaller, from " + image.sizeBytes() + " to "
                        + size + " bytes; say --shrink, its end is lost");
            resize(image, size);
        }
    }

    static void resize(DiskImage image, long sizeBytes) throws IOException {
        if (image instanceof Qcow2Image qcow2) qcow2.resize(sizeBytes);
        else ((RawImage) image).resize(sizeBytes);
    }

    /** What the guest's disk consists of, row after row. Neighbours that differ in nothing come as one. */
    public static void map(Path file, OpenOptions options, long from, long bytes, Consumer<Extent> rows)
            throws IOException {
        try (DiskImage image = Disks.open(file, options.withReadOnly(true))) {
            long end = from >= image.sizeBytes() ? from : from + Math.min(bytes, image.sizeBytes() - from);
            Extent row = null;
            for (long at = from; at < end; ) {
                Extent next = Extent.at(image, at, end - at);
                at = next.end();
                if (row != null && !row.continuedBy(next)) {
                    rows.accept(row);
                    row = null;
                }
                row = row == null ? next : row.with(next);
            }
            if (row != null) rows.accept(row);
        }
    }
}
