package org.nestorvm.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import org.nestorvm.disk.Extent;
import org.nestorvm.disk.Images;
import org.nestorvm.disk.OpenOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code nestor image map}, with the columns and names of qemu-img. */
@Command(
        name = "map",
        description = "Tells where in which file of a chain an image's data is: what is stored, for people; or all, "
                + "for programs.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class ImageMap extends ImageCommand.Part {
    private static final String JSON_ROW = "{ \"start\": %d, \"length\": %d, \"depth\": %d, \"present\": %b,"
            + " \"zero\": %b, \"data\": %b, \"compressed\": %b%s}";
    private static final String ROW = "%-16s%-16s%-16s%s%n";

    @Mixin
    ImageMixins.SourceFormat format;

    @Option(
            names = "--start-offset",
            paramLabel = "OFFSET",
            defaultValue = "0",
            converter = ImageSize.class,
            description = "Where to begin on the guest's disk.")
    long start;

    @Option(
            names = "--max-length",
            paramLabel = "LENGTH",
            converter = ImageSize.class,
            description = "How much of it to tell of.")
    Long length;

    @Mixin
    ImageMixins.Output output;

    @Mixin
    ImageMixins.Share share;

    @Parameters(index = "0", paramLabel = "FILE")
    Path file;

    private boolean begun, packed;

    @Override
    public Integer call() throws IOException {
        long bytes = length == null ? Long.MAX_VALUE : length;
        OpenOptions open = format.of(share.options());
        if (!output.json()) refusePacked(open, bytes);
        Images.map(file, open, start, bytes, output.json() ? this::field : this::row);
        begin();
        if (output.json()) out().println("]");
        return 0;
    }

    /** Before the first row, so that there is a whole list or none. */
    private void refusePacked(OpenOptions open, long bytes) throws IOException {
        Images.map(file, open, start, bytes, row -> packed |= row.data() && row.offset() < 0);
        if (packed)
            throw new IOException(
                    file + ": has compressed clusters, which are no place in the file; say --output json");
    }

    /** Nothing is printed before the image is open. */
    private void begin() {
        if (begun) return;
        begun = true;
        if (output.json()) out().print("[");
        else out().printf(Locale.ROOT, ROW, "Offset", "Length", "Mapped to", "File");
    }

    private void row(Extent row) {
        begin();
        if (!row.data() || row.zero() || row.offset() < 0) return;
        out().printf(Locale.ROOT, ROW, hex(row.start()), hex(row.length()), hex(row.offset()), row.file());
    }

    private static String hex(long value) {
        return value == 0 ? "0" : "0x" + Long.toHexString(value);
    }

    private void field(Extent row) {
        if (begun) out().print(",\n");
        begin();
        String place = row.offset() < 0 ? "" : ", \"offset\": " + row.offset();
        out().printf(
                        Locale.ROOT,
                        JSON_ROW,
                        row.start(),
                        row.length(),
                        row.depth(),
                        row.present(),
                        row.zero(),
                        row.data(),
                        row.compressed(),
                        place);
    }
}
