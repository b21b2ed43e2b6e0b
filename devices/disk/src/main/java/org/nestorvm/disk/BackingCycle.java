package org.nestorvm.disk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.nestorvm.memory.sys.HostText;

/** An image that had itself below it could not be read by anybody, so no command makes one. */
final class BackingCycle {
    private BackingCycle() {}

    /**
     * Follows the names from the new backing file down. A file that is not there, or cannot be opened here, ends the
     * search: it has nothing below it now.
     *
     * @param file the image, which need not exist yet
     * @param backing as its header will have it
     * @param format of the backing file; null: what its first bytes say
     */
    static void refuse(Path file, String backing, String format) throws IOException {
        Path at = resolved(file, backing);
        String known = format;
        for (int depth = 1; at != null && depth < Disks.CHAIN_LIMIT; depth++) {
            if (isSame(file, at))
                throw new IOException(file + ": "
                        + (depth == 1
                                ? "cannot be its own backing file"
                                : "is below " + backing + ", which so cannot be its backing file")
                        + "; name another image");
            Qcow2Header header = header(at, known);
            if (header == null || header.backingName == null) return;
            at = resolved(at, header.backingName);
            known = header.backingFormat;
        }
    }

    /** Null for a name that is no file's. */
    private static Path resolved(Path overlay, String name) {
        try {
            return HostText.path(Disks.resolve(HostText.text(overlay), name));
        } catch (IOException e) {
            return null;
        }
    }

    private static boolean isSame(Path file, Path other) throws IOException {
        if (Files.exists(file) && Files.exists(other)) return Files.isSameFile(file, other);
        return file.toAbsolutePath().normalize().equals(other.toAbsolutePath().normalize());
    }

    /** Null for what is no qcow2 image, or cannot be read. */
    private static Qcow2Header header(Path file, String format) {
        try (HostFile host = HostFile.open(HostText.text(file), true)) {
            boolean qcow2 = (format != null ? format : Disks.probe(host)).equals(Disks.QCOW2);
            return qcow2 ? Qcow2Header.read(host) : null;
        } catch (IOException e) {
            return null;
        }
    }
}
