package org.nestorvm.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.nestorvm.disk.CheckResult;
import org.nestorvm.disk.Converter;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.disk.Disks;
import org.nestorvm.disk.ImageOptions;
import org.nestorvm.disk.Images;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.isolation.UsageException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Disk images on the host. Options have the names that qemu-img gives them. */
@Command(
        name = "image",
        description = "Makes, converts, checks and tells of disk images.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            ImageCommand.Create.class,
            ImageCommand.Convert.class,
            ImageCommand.Info.class,
            ImageCommand.Check.class,
            ImageCommand.Resize.class,
            ImageSnapshot.class,
            ImageCommit.class,
            ImageRebase.class,
            ImageCompare.class,
            ImageMap.class
        })
final class ImageCommand implements Runnable {
    /** Statuses of `check`, as qemu-img has them. */
    static final int CORRUPT = 2, LEAKS = 3;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "a command is missing; there are create, convert, info, check, resize, snapshot, commit, "
                        + "rebase, compare and map");
    }

    abstract static class Part implements Callable<Integer> {
        @Spec
        CommandSpec spec;

        @Option(
                names = {"-q", "--quiet"},
                description = "Print nothing but errors.")
        boolean quiet;

        PrintWriter out() {
            return spec.commandLine().getOut();
        }

        void say(String line) {
            if (!quiet) out().println(line);
        }

        static ImageOptions parsed(String format, String options) throws UsageException {
            if (!format.equals(Disks.RAW) && !format.equals(Disks.QCOW2))
                throw new UsageException("unknown format '" + format + "'; there are raw and qcow2");
            return UsageException.checked(() -> ImageOptions.parse(format, options));
        }

        static OpenOptions options(OpenOptions options, String format) {
            return format == null ? options : options.withFormat(format);
        }
    }

    @Command(
            name = "create",
            description = "Makes an image that reads zero, or as its backing file does.",
            mixinStandardHelpOptions = true,
            sortOptions = false)
    static final class Create extends Part {
        @Option(names = "-f", paramLabel = "FORMAT", defaultValue = "raw", description = "raw or qcow2 (default: raw).")
        String format;

        @Option(
                names = "-o",
                paramLabel = "NAME=VALUE,...",
                description = "preallocation; for qcow2 also compat, cluster_size, lazy_refcounts, refcount_bits, "
                        + "compression_type, backing_file, backing_fmt.")
        String options;

        @Option(
                names = "-b",
                paramLabel = "BACKING",
                description = "The image that shows where nothing was written yet; a relative name counts from the "
                        + "folder of FILE.")
        String backing;

        @Option(names = "-F", paramLabel = "FORMAT", description = "The format of BACKING.")
        String backingFormat;

        @Parameters(index = "0", paramLabel = "FILE")
        Path file;

        @Parameters(
                index = "1",
                arity = "0..1",
                paramLabel = "SIZE",
                description = "Bytes, or with a suffix like 512M and 20G; left out: the size of BACKING.")
        String size;

        @Override
        public Integer call() throws IOException {
            ImageOptions made = parsed(format, options);
            if (backing != null)
                made = made.withBacking(backing, backingFormat == null ? made.backingFormat() : backingFormat);
            if (size == null && made.backingFile() == null)
                throw new UsageException("a new image needs a size; write it like 20G");
            long bytes = size == null ? -1 : UsageException.checked(() -> ImageOptions.size(size));
            Images.create(file, format, bytes, made);
            say("nestor: made " + file + ", " + format + ", "
                    + ImageReport.size(Images.info(file, OpenOptions.READ.withFormat(format))
                            .sizeBytes()));
            return 0;
        }
    }

    @Command(
            name = "convert",
            description = "Copies what a guest sees of one image into a new one.",
            mixinStandardHelpOptions = true,
            sortOptions = false)
    static final class Convert extends Part {
        @Option(
                names = "-f",
                paramLabel = "FORMAT",
                description = "The format of SOURCE (default: told by its first bytes).")
        String sourceFormat;

        @Option(
                names = "-O",
                paramLabel = "FORMAT",
                defaultValue = "raw",
                description = "The format of TARGET: raw or qcow2 (default: raw).")
        String format;

        @Option(names = "-c", description = "Compress the clusters of a qcow2 image.")
        boolean compress;

        @Option(names = "-o", paramLabel = "NAME=VALUE,...", description = "As with create.")
        String options;

        @Option(names = "-p", description = "Show the progress also where standard error is no terminal.")
        boolean progress;

        @Parameters(index = "0", paramLabel = "SOURCE")
        Path source;

        @Parameters(index = "1", paramLabel = "TARGET", description = "Replaced when the copy is complete.")
        Path target;

        @Override
        public Integer call() throws IOException {
            try (ImageProgress shown = new ImageProgress("converting", target, progress, quiet)) {
                Converter.convert(
                        source,
                        options(OpenOptions.READ, sourceFormat),
                        target,
                        format,
                        parsed(format, options),
                        compress,
                        shown);
            }
            return 0;
        }
    }

    @Command(
            name = "info",
            description = "Tells what an image is.",
            mixinStandardHelpOptions = true,
            sortOptions = false)
    static final class Info extends Part {
        @Option(
                names = "-f",
                paramLabel = "FORMAT",
                description = "The format of FILE (default: told by its first bytes).")
        String format;

        @Option(
                names = "--output",
                paramLabel = "human|json",
                defaultValue = "human",
                description = "Text for people or for programs (default: human).")
        String output;

        @Option(
                names = {"-U", "--force-share"},
                description = "Also while another process writes to the image; what is told may be out of date.")
        boolean share;

        @Parameters(index = "0", paramLabel = "FILE")
        Path file;

        @Override
        public Integer call() throws IOException {
            boolean json = ImageReport.json(spec, output);
            OpenOptions open = share ? OpenOptions.READ.unlocked() : OpenOptions.READ;
            out().print(ImageReport.info(Images.info(file, options(open, format)), json));
            out().flush();
            return 0;
        }
    }

    @Command(
            name = "check",
            description = "Looks for contradictions in a qcow2 image. Status 0: none; 2: corrupt; 3: clusters that "
                    + "nobody uses.",
            mixinStandardHelpOptions = true,
            sortOptions = false)
    static final class Check extends Part {
        @Option(
                names = "-f",
                paramLabel = "FORMAT",
                description = "The format of FILE (default: told by its first bytes).")
        String format;

        @Option(
                names = "-r",
                paramLabel = "leaks|all",
                description = "Mend: only what nobody uses, or all that can be mended.")
        String repair;

        @Option(
                names = "--output",
                paramLabel = "human|json",
                defaultValue = "human",
                description = "Text for people or for programs (default: human).")
        String output;

        @Option(
                names = {"-U", "--force-share"},
                description = "Also while another process writes to the image; what is found may be wrong.")
        boolean share;

        @Parameters(index = "0", paramLabel = "FILE")
        Path file;

        @Override
        public Integer call() throws IOException {
            boolean json = ImageReport.json(spec, output);
            CheckResult result =
                    Images.check(file, options(share ? OpenOptions.READ.unlocked() : OpenOptions.READ, format), repair);
            if (json || !quiet) out().print(ImageReport.check(file, result, json));
            out().flush();
            if (result.corruptions() > result.corruptionsFixed()) return CORRUPT;
            return result.leaks() > result.leaksFixed() ? LEAKS : 0;
        }
    }

    @Command(
            name = "resize",
            description = "Changes the size of the guest's disk.",
            mixinStandardHelpOptions = true,
            sortOptions = false)
    static final class Resize extends Part {
        @Option(
                names = "-f",
                paramLabel = "FORMAT",
                description = "The format of FILE (default: told by its first bytes).")
        String format;

        @Option(names = "--shrink", description = "Allow a smaller size: the end of the disk is lost.")
        boolean shrink;

        @Parameters(index = "0", paramLabel = "FILE")
        Path file;

        @Parameters(index = "1", paramLabel = "[+|-]SIZE", description = "The new size, or how much more or less.")
        String size;

        @Override
        public Integer call() throws IOException {
            OpenOptions open = options(OpenOptions.WRITE, format);
            long before;
            try (DiskImage image = Disks.open(file, options(OpenOptions.READ, format))) {
                before = image.sizeBytes();
            }
            long change = UsageException.checked(() -> ImageOptions.size(size.replaceFirst("^[+-]", "")));
            long bytes = size.startsWith("+") ? before + change : size.startsWith("-") ? before - change : change;
            if (bytes < 0)
                throw new IOException(file + ": a disk of " + before + " bytes cannot become " + change + " smaller");
            Images.resize(file, open, bytes, shrink);
            say("nestor: " + file + " has " + ImageReport.size(bytes) + " now");
            return 0;
        }
    }
}
