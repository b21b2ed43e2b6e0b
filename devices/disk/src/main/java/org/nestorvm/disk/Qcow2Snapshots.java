package org.nestorvm.disk;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Makes, applies and deletes the internal snapshots of an image that nobody else uses. Each is one {@link Qcow2Switch}.
 *
 * <p>A new snapshot takes the L1 table over that the image had, and with it the L2 tables. The image gets another, with
 * entries that are no longer its own alone.
 */
final class Qcow2Snapshots {
    /** What a name may have in the table; qemu-img cuts longer ones. */
    private static final int NAME_LIMIT = 255;

    private Qcow2Snapshots() {}

    static List<Snapshot> list(BlockFile file) throws IOException {
        return SnapshotTable.read(file, Qcow2Header.read(file)).stream()
                .map(SnapshotTable.Entry::snapshot)
                .toList();
    }

    static void create(BlockFile file, String name, Instant now) throws IOException {
        int bytes = name.getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
        if (bytes == 0 || bytes > NAME_LIMIT) {
            throw new IOException(
                    "a snapshot's name has 1 to " + NAME_LIMIT + " bytes, this one " + bytes + "; take another");
        }
        Qcow2Header header = Qcow2Switch.prepare(file);
        List<SnapshotTable.Entry> all = new ArrayList<>(SnapshotTable.read(file, header));
        Snapshot made = new Snapshot(SnapshotTable.nextId(all), name, now.getEpochSecond(), now.getNano(), 0, 0, 0);
        all.add(SnapshotTable.entry(made, header.l1Offset, header.l1Entries, header.diskBytes()));
        long[] l1 = Tables.read(file, header.l1Offset, header.l1Entries);
        Qcow2Switch.run(file, header, new Qcow2Switch.State(l1, header.sizeBytes, all));
    }

    /** The disk becomes what it was, with the size that it had. The snapshot stays. */
    static void apply(BlockFile file, String idOrName) throws IOException {
        Qcow2Header header = Qcow2Switch.prepare(file);
        List<SnapshotTable.Entry> all = SnapshotTable.read(file, header);
        SnapshotTable.Entry wanted = all.get(find(file, all, idOrName));
        long size = wanted.diskBytes() < 0 ? header.sizeBytes : wanted.diskBytes();
        long entries = Math.max(wanted.l1Entries(), Qcow2Header.l1EntriesFor(size, header.clusterBits));
        if (size > Qcow2Header.SIZE_LIMIT || entries > Qcow2Header.L1_LIMIT) {
            throw Qcow2Header.bad(
                    file, "is damaged: snapshot " + wanted.snapshot().id() + " has a disk of " + size + " bytes");
        }
        long[] l1 = Tables.read(file, wanted.l1Offset(), wanted.l1Entries());
        Qcow2Switch.run(file, header, new Qcow2Switch.State(Arrays.copyOf(l1, (int) entries), size, all));
    }

    static void delete(BlockFile file, String idOrName) throws IOException {
        Qcow2Header header = Qcow2Switch.prepare(file);
        List<SnapshotTable.Entry> all = new ArrayList<>(SnapshotTable.read(file, header));
        all.remove(find(file, all, idOrName));
        long[] l1 = Tables.read(file, header.l1Offset, header.l1Entries);
        Qcow2Switch.run(file, header, new Qcow2Switch.State(l1, header.sizeBytes, all));
    }

    private static int find(BlockFile file, List<SnapshotTable.Entry> all, String idOrName) throws IOException {
        int at = SnapshotTable.find(all, idOrName);
        if (at >= 0) return at;
        throw Qcow2Header.bad(
                file, "has no snapshot '" + idOrName + "'; `nestor image snapshot -l` lists those that it has");
    }

    /** The guest's disk becomes empty: what its backing file has shows through everywhere. */
    static void empty(BlockFile file) throws IOException {
        empty(file, Qcow2Switch.prepare(file));
    }

    static void empty(BlockFile file, Qcow2Header header) throws IOException {
        long[] l1 = new long[header.l1Entries];
        Qcow2Switch.run(file, header, new Qcow2Switch.State(l1, header.sizeBytes, SnapshotTable.read(file, header)));
    }
}
