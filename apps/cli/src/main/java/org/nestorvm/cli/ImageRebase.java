package org.nestorvm.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.disk.Rebaser;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code nestor image rebase}. */
@Command(
        name = "rebase",
        description = "Gives an image another backing file, or none; what a guest sees stays the same.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class ImageRebase extends ImageCommand.Part {
    @Mixin
    ImageMixins.SourceFormat format;

    @Option(
            names = "-u",
            description = "Change only the name in FILE: for a backing file that was moved or holds the same.")
    boolean unsafe;

    @Option(
            names = "-b",
            paramLabel = "BACKING",
            required = true,
            description = "The new backing file; a relative name counts from the folder of FILE. '' for none.")
    String backing;

    @Option(names = "-F", paramLabel = "FORMAT", description = "The format of BACKING.")
    ImageMixins.ImageFormat backingFormat;

    @Mixin
    ImageMixins.Progress progress;

    @Parameters(index = "0", paramLabel = "FILE")
    Path file;

    @Override
    public Integer call() throws IOException {
        String known = ImageMixins.ImageFormat.name(backingFormat);
        OpenOptions open = format.of(OpenOptions.WRITE);
        if (unsafe) {
            Rebaser.rename(file, open, backing, known);
            return 0;
        }
        try (ImageProgress shown = progress.show("rebasing", file, quiet)) {
            Rebaser.rebase(file, open, backing, known, shown);
        }
        return 0;
    }
}
