package org.nestorvm.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.nestorvm.cli.ImageMixins.ImageFormat;
import org.nestorvm.disk.CheckResult;
import org.nestorvm.disk.Converter;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.disk.Disks;
import org.nestorvm.disk.ImageOptions;
import org.nestorvm.disk.Images;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.isolation.UsageException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
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

        static ImageOptions parsed(ImageFormat format, String options) throws UsageException {
            return UsageException.checked(() -> ImageOptions.parse(format.toString(), options));
        }
    }

    @Command(
            name = "create",
            description = "Makes an image that reads zero, or as its backing file does.",
            mixinStandardHelpOptions = true,
            sortOptions = false)
    static final class Create extends Part {
        @Option(names = "-f", paramLabel = "FORMAT", defaultValue = "raw", description = "raw or qcow2 (default: raw).")
        ImageFormat format;

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
        ImageFormat backingFormat;

        @Parameters(index = "0", paramLabel = "FILE")
        Path file;

        @Parameters(
                index = "1",
                arity = "0..1",
                paramLabel = "SIZE",
                converter = ImageSize.class,
                description = "Bytes, or with a suffix like 512M and 20G; left out: the size of BACKING.")
        Long size;

        @Override
        public Integer call() throws IOException {
            ImageOptions made = parsed(format, options);
            if (backing != null)
                made = made.withBacking(
                        backing, backingFormat == null ? made.backingFormat() : backingFormat.toString());
            if (size == null && made.backingFile() == null)
                throw new UsageException("a new image needs a size; write it like 20G");
            Images.create(file, format.toString(), size == null ? -1 : size, made);
            say("nestor: made " + file + ", " + format + ", "
                    + ImageReport.size(Images.info(file, OpenOptions.READ.withFormat(format.toString()))
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
        @Mixin
        ImageMixins.SourceFormat sourceFormat;

        @Option(
                names = "-O",
                paramLabel = "FORMAT",
                defaultValue = "raw",
                description = "The format of TARGET: raw or qcow2 (default: raw).")
        ImageFormat format;

        @Option(names = "-c", description = "Compress the clusters of a qcow2 image.")
        boolean compress;

        @Option(names = "-o", paramLabel = "NAME=VALUE,...", description = "As with create.")
        String options;

        @Mixin
        ImageMixins.Progress progress;

        @Parameters(index = "0", paramLabel = "SOURCE")
        Path source;

        @Parameters(index = "1", paramLabel = "TARGET", description = "Replaced when the copy is complete.")
        Path target;

        @Override
        public Integer call() throws IOException {
            try (ImageProgress shown = progress.show("converting", target, quiet)) {
                Converter.convert(
                        source,
                        sourceFormat.of(OpenOptions.READ),
                        target,
                        format.toString(),
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
        @Mixin
        ImageMixins.SourceFormat format;

        @Mixin
        ImageMixins.Output output;

        @Mixin
        ImageMixins.Share share;

        @Parameters(index = "0", paramLabel = "FILE")
        Path file;

        @Override
        public Integer call() throws IOException {
            out().print(ImageReport.info(Images.info(file, format.of(share.options())), output.json()));
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
        enum Repair {
            LEAKS,
            ALL;

            @Override
            public String toString() {
                return EnumWords.word(this);
            }
        }

        @Mixin
        ImageMixins.SourceFormat format;

        @Option(
                names = "-r",
                paramLabel = "leaks|all",
                description = "Mend: only what nobody uses, or all that can be mended.")
        Repair repair;

        @Mixin
        ImageMixins.Output output;

        @Mixin
        ImageMixins.Share share;

        @Parameters(index = "0", paramLabel = "FILE")
        Path file;

        @Override
        public Integer call() throws IOException {
            CheckResult result =
                    Images.check(file, format.of(share.options()), repair == null ? null : repair.toString());
            if (output.json() || !quiet) out().print(ImageReport.check(file, result, output.json()));
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
        @Mixin
        ImageMixins.SourceFormat format;

        @Option(names = "--shrink", description = "Allow a smaller size: the end of the disk is lost.")
        boolean shrink;

        @Parameters(index = "0", paramLabel = "FILE")
        Path file;

        @Parameters(
                index = "1",
                paramLabel = "[+|-]SIZE",
                converter = ImageSize.ChangeConverter.class,
                description = "The new size, or how much more or less.")
        ImageSize.Change size;

        @Override
        public Integer call() throws IOException {
            long before;
            try (DiskImage image = Disks.open(file, format.of(OpenOptions.READ))) {
                before = image.sizeBytes();
            }
            long bytes = size.from(before);
            if (bytes < 0)
                throw new IOException(
                        file + ": a disk of " + before + " bytes cannot become " + size.bytes() + " smaller");
            Images.resize(file, format.of(OpenOptions.WRITE), bytes, shrink);
            say("nestor: " + file + " has " + ImageReport.size(bytes) + " now");
            return 0;
        }
    }
}
