package org.nestorvm.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.nestorvm.disk.Committer;
import org.nestorvm.disk.OpenOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code nestor image commit}. */
@Command(
        name = "commit",
        description = "Writes what an image has of its own into its backing file, and empties it.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class ImageCommit extends ImageCommand.Part {
    @Mixin
    ImageMixins.SourceFormat format;

    @Option(
            names = "-b",
            paramLabel = "BASE",
            description = "The file to write to, further down the chain; FILE stays then.")
    Path base;

    @Option(names = "-d", description = "Do not empty FILE.")
    boolean keep;

    @Mixin
    ImageMixins.Progress progress;

    @Parameters(index = "0", paramLabel = "FILE")
    Path file;

    @Override
    public Integer call() throws IOException {
        try (ImageProgress shown = progress.show("committing", file, quiet)) {
            Committer.commit(file, format.of(OpenOptions.WRITE), base, keep, shown);
        }
        say("Image committed.");
        return 0;
    }
}
