package org.nestorvm.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.nestorvm.disk.Comparison;
import org.nestorvm.disk.OpenOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code nestor image compare}, with qemu-img's lines and statuses. */
@Command(
        name = "compare",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = "Tells whether a guest would see the same on two images. Status 0: the same; 1: not;"
                + " 2: an image cannot be opened; 3, 4: its tables or its data cannot be read.")
final class ImageCompare extends ImageCommand.Part {
    static final int DIFFERENT = 1, NOT_OPENED = 2, TABLES_FAILED = 3, DATA_FAILED = 4;

    @Mixin
    ImageMixins.SourceFormat format;

    @Option(
            names = "-F",
            paramLabel = "FORMAT",
            description = "The format of OTHER (default: told by its first bytes).")
    ImageMixins.ImageFormat otherFormat;

    @Option(names = "-s", description = "Strict: sizes must be equal, and what is allocated.")
    boolean strict;

    @Mixin
    ImageMixins.Progress progress;

    @Mixin
    ImageMixins.Share share;

    @Parameters(index = "0", paramLabel = "FILE")
    Path file;

    @Parameters(index = "1", paramLabel = "OTHER")
    Path other;

    @Override
    public Integer call() {
        OpenOptions open = share.options(),
                otherOpen = ImageMixins.ImageFormat.of(open.withFormatOption("-F"), otherFormat);
        try (Comparison comparison = new Comparison(file, format.of(open), other, otherOpen)) {
            return compare(comparison);
        } catch (IOException e) {
            return failed(e, NOT_OPENED);
        }
    }

    private int compare(Comparison comparison) {
        try (ImageProgress shown = progress.show("comparing", file, quiet)) {
            if (!strict && comparison.sizesDiffer()) say("Warning: Image size mismatch!");
            Comparison.Result found = comparison.compare(strict, shown);
            say(
                    switch (found.kind()) {
                        case EQUAL -> "Images are identical.";
                        case CONTENT -> "Content mismatch at offset " + found.offset() + "!";
                        case STATUS -> "Strict mode: Offset " + found.offset() + " block status mismatch!";
                        case SIZE -> "Strict mode: Image size mismatch!";
                    });
            return found.kind() == Comparison.Kind.EQUAL ? 0 : DIFFERENT;
        } catch (IOException e) {
            return failed(e, comparison.wasReading() ? DATA_FAILED : TABLES_FAILED);
        }
    }

    private int failed(IOException e, int status) {
        spec.commandLine().getErr().println("nestor: " + Nestor.oneLine(e.getMessage()));
        return status;
    }
}
