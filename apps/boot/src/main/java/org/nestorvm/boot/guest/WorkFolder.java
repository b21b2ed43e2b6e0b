package org.nestorvm.boot.guest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * Where what is fetched is put together, beside its place. One that a killed process has left is removed by a later
 * fetch: its age tells, since whose it was cannot be known in a folder that several machines may share.
 */
final class WorkFolder {
    private static final String PREFIX = ".fetch-";
    private static final Duration LEFT_OVER = Duration.ofDays(1);

    private WorkFolder() {}

    static Path create(Path in) throws IOException {
        Instant before = Instant.now().minus(LEFT_OVER);
        try (DirectoryStream<Path> others = Files.newDirectoryStream(in, PREFIX + "*")) {
            for (Path each : others)
                if (Files.getLastModifiedTime(each).toInstant().isBefore(before)) deleteQuietly(each);
        }
        return Files.createTempDirectory(in, PREFIX);
    }

    /** Another process may be about it, too. */
    private static void deleteQuietly(Path tree) {
        try {
            delete(tree);
        } catch (IOException | UncheckedIOException e) {
            return; // the next fetch tries again
        }
    }

    static void delete(Path tree) throws IOException {
        try (Stream<Path> paths = Files.walk(tree)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) Files.deleteIfExists(path);
        }
    }
}
