package org.nestorvm.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import org.nestorvm.disk.Extent;
import org.nestorvm.disk.ImageOptions;
import org.nestorvm.disk.Images;
import org.nestorvm.disk.OpenOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code nestor image map}, with the columns and names of qemu-img. */
@Command(
        name = "map",
        description = "Tells where in which file of a chain an image's data is.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class ImageMap extends ImageCommand.Part {
    private static final String JSON_ROW = "{ \"start\": %d, \"length\": %d, \"depth\": %d, \"present\": %b,"
            + " \"zero\": %b, \"data\": %b, \"compressed\": %b%s}";
    private static final String ROW = "%-16s%-16s%-16s%s%n";

    @Option(names = "-f", paramLabel = "FORMAT", description = "The format of FILE (default: told by its first bytes).")
    String format;

    @Option(
            names = "--start-offset",
            paramLabel = "OFFSET",
            defaultValue = "0",
            description = "Where to begin on the guest's disk.")
    String start;

    @Option(names = "--max-length", paramLabel = "LENGTH", description = "How much of it to tell of.")
    String length;

    @Option(
            names = "--output",
            paramLabel = "human|json",
            defaultValue = "human",
            description = "What is stored, for people; or all, for programs (default: human).")
    String output;

    @Option(
            names = {"-U", "--force-share"},
            description = "Also while another process writes to the image.")
    boolean share;

    @Parameters(index = "0", paramLabel = "FILE")
    Path file;

    private boolean begun, packed;

    @Override
    public Integer call() throws IOException {
        boolean json = ImageReport.json(spec, output);
        long from = ImageOptions.size(start), bytes = length == null ? Long.MAX_VALUE : ImageOptions.size(length);
        OpenOptions open = options(share ? OpenOptions.READ.unlocked() : OpenOptions.READ, format);
        PrintWriter out = out();
        Images.map(file, open, from, bytes, json ? this::field : this::row);
        begin(json);
        if (json) out.println("]");
        out.flush();
        if (packed)
            throw new IOException(
                    file + ": has compressed clusters, which are no place in the file; say --output json");
        return 0;
    }

    /** Nothing is printed before the image is open. */
    private void begin(boolean json) {
        if (begun) return;
        begun = true;
        if (json) out().print("[");
        else out().printf(Locale.ROOT, ROW, "Offset", "Length", "Mapped to", "File");
    }

    private void row(Extent row) {
        begin(false);
        packed |= row.data() && row.offset() < 0;
        if (!row.data() || row.zero() || row.offset() < 0) return;
        out().printf(Locale.ROOT, ROW, hex(row.start()), hex(row.length()), hex(row.offset()), row.file());
    }

    private static String hex(long value) {
        return value == 0 ? "0" : "0x" + Long.toHexString(value);
    }

    private void field(Extent row) {
        if (begun) out().print(",\n");
        begin(true);
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
