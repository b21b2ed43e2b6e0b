package org.nestorvm.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import org.nestorvm.disk.Images;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.disk.Snapshot;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code nestor image snapshot}: one of four things, with the letters of qemu-img; without a letter it lists. */
@Command(
        name = "snapshot",
        description = "Lists, makes, applies and deletes the snapshots inside a qcow2 image.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class ImageSnapshot extends ImageCommand.Part {
    private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss", Locale.ROOT);
    private static final String ROW = "%-9s %-16s %8s%20s%13s%11s%n";

    static final class Action {
        @Option(names = "-l", description = "List the snapshots.")
        boolean list;

        @Option(names = "-c", paramLabel = "NAME", description = "Make a snapshot of the disk as it is.")
        String create;

        @Option(
                names = "-a",
                paramLabel = "SNAPSHOT",
                description = "The disk becomes what it was then; by number or name.")
        String apply;

        @Option(names = "-d", paramLabel = "SNAPSHOT", description = "Delete a snapshot; by number or name.")
        String delete;
    }

    @ArgGroup(exclusive = true)
    Action action = new Action();

    @Mixin
    ImageMixins.SourceFormat format;

    @Mixin
    ImageMixins.Share share;

    @Parameters(index = "0", paramLabel = "FILE")
    Path file;

    @Override
    public Integer call() throws IOException {
        OpenOptions write = format.of(OpenOptions.WRITE);
        if (action.create != null) Images.createSnapshot(file, write, action.create);
        else if (action.apply != null) Images.applySnapshot(file, write, action.apply);
        else if (action.delete != null) Images.deleteSnapshot(file, write, action.delete);
        else list(format.of(share.options()));
        return 0;
    }

    private void list(OpenOptions read) throws IOException {
        var snapshots = Images.snapshots(file, read);
        if (snapshots.isEmpty()) return;
        out().println("Snapshot list:");
        out().printf(Locale.ROOT, ROW, "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
        for (Snapshot snapshot : snapshots) row(snapshot);
    }

    private void row(Snapshot snapshot) {
        long ms = snapshot.vmClockNs() / 1_000_000;
        String clock = String.format(
                Locale.ROOT, "%02d:%02d:%02d.%03d", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        out().printf(
                        Locale.ROOT,
                        ROW,
                        snapshot.id(),
                        snapshot.name(),
                        ImageReport.shortSize(snapshot.vmStateBytes()),
                        DATE.format(Instant.ofEpochSecond(snapshot.date()).atZone(ZoneId.systemDefault())),
                        clock,
                        snapshot.icount() < 0 ? "" : Long.toString(snapshot.icount()));
    }
}
