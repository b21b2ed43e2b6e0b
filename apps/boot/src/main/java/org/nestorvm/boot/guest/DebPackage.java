package org.nestorvm.boot.guest;

import com.github.luben.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Predicate;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.archivers.ar.ArArchiveEntry;
import org.apache.commons.compress.archivers.ar.ArArchiveInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/** A Debian binary package, deb(5): an ar archive whose third member is the tar archive of the files, compressed. */
public final class DebPackage {
    /** Told of each entry in order. */
    @FunctionalInterface
    public interface Visitor {
        /** @return false to stop */
        boolean visit(TarArchiveEntry entry, TarArchiveInputStream content) throws IOException;
    }

    private static final String DATA = "data.tar";

    public static void forEach(Path deb, Visitor visitor) throws IOException {
        try (ArArchiveInputStream members =
                new ArArchiveInputStream(new BufferedInputStream(Files.newInputStream(deb)))) {
            for (ArArchiveEntry member = members.getNextEntry(); member != null; member = members.getNextEntry()) {
                if (!member.getName().startsWith(DATA)) continue;
                TarArchiveInputStream tar = new TarArchiveInputStream(
                        decompress(deb, member.getName().substring(DATA.length()), members));
                for (TarArchiveEntry entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
                    if (!visitor.visit(entry, tar)) return;
                }
                return;
            }
        }
        throw new IOException(deb + ": no " + DATA + " inside, it is not a Debian package");
    }

    /** The first regular file whose path, without the leading {@code ./}, is wanted. */
    public static byte[] extract(Path deb, Predicate<String> wanted) throws IOException {
        byte[][] found = new byte[1][];
        forEach(deb, (entry, content) -> {
            if (!entry.isFile() || !wanted.test(entry.getName().replaceFirst("^\\./", ""))) return true;
            found[0] = content.readAllBytes();
            return false;
        });
        if (found[0] == null) throw new IOException(deb + ": the file looked for is not in this package");
        return found[0];
    }

    private static InputStream decompress(Path deb, String suffix, InputStream in) throws IOException {
        return switch (suffix) {
            case ".xz" -> new XZInputStream(in);
            case ".zst" -> new ZstdInputStream(in);
            case ".gz" -> new GZIPInputStream(in);
            case "" -> in;
            default ->
                throw new IOException(deb + ": " + DATA + suffix
                        + " is compressed in a way that is not known here; xz, zst and gz are");
        };
    }

    private DebPackage() {}
}
