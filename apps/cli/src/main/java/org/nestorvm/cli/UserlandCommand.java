package org.nestorvm.cli;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.nestorvm.boot.guest.DefaultGuest;
import org.nestorvm.boot.guest.Initramfs;
import org.nestorvm.boot.guest.Userland;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What {@code scripts/make-userland} runs: an initramfs of Debian's packages, fetched through the host's apt-get. */
@Command(
        name = "userland",
        hidden = true,
        description = "Makes an initramfs of Debian's packages: a shell, or checks that run and power off.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class UserlandCommand implements Callable<Integer> {
    private static final int STDERR = 2;

    @Option(
            names = "--set",
            paramLabel = "small|full",
            defaultValue = "small",
            description = "bash, coreutils, perl-base, python3-minimal; or also perl, python3, sqlite3, gcc (default: "
                    + "small).")
    Userland.Packages set;

    @Option(
            names = "--checks",
            paramLabel = "FOLDER",
            description = "Scripts (.sh, .pl, .py) that run instead of a shell, in the order of their names.")
    Path checks;

    @Parameters(paramLabel = "FILE", description = "The initramfs to write.")
    Path output;

    @Override
    public Integer call() throws IOException {
        ProgressBar progress = new ProgressBar(System.err, RawTerminal.isTerminal(STDERR), "nestor: fetching packages");
        Initramfs root;
        try {
            root = new Userland(
                            DefaultGuest.usableCacheFolder(
                                    System.getenv(),
                                    System.getProperty("user.home"),
                                    Path.of(System.getProperty("java.io.tmpdir"))),
                            System.getenv().getOrDefault("PATH", ""))
                    .make(set, progress);
        } finally {
            progress.end();
        }
        if (checks != null) addChecks(root);
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(output))) {
            root.writeTo(out);
        }
        System.err.println("nestor: " + output + " has " + (Files.size(output) >> 20)
                + " MiB; give the guest three times that and 256 MiB of memory");
        return 0;
    }

    private void addChecks(Initramfs root) throws IOException {
        try (Stream<Path> files = Files.list(checks)) {
            for (Path file : files.sorted().toList())
                root.file("checks/" + file.getFileName(), 0755, Files.readAllBytes(file));
        }
    }
}
