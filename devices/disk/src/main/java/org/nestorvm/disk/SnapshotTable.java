package org.nestorvm.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The snapshot table of a qcow2 image: "Qcow2 Image File Format", Snapshots. What is not known here is kept as it is.
 */
final class SnapshotTable {
    /** Of the extra data that an entry of version 3 has at least, and of that which is written here. */
    static final int LEAST_EXTRA_BYTES = 16, OUR_EXTRA_BYTES = 24;

    private static final int FIXED_BYTES = 40,
            L1_SIZE = 8,
            ID_LENGTH = 12,
            NAME_LENGTH = 14,
            DATE = 16,
            DATE_NS = 20,
            VM_CLOCK = 24,
            VM_STATE = 32,
            EXTRA_LENGTH = 36,
            EXTRA = 40,
            EXTRA_DISK_SIZE = 8,
            EXTRA_ICOUNT = 16;
    /** Extra data that QEMU takes, too. */
    private static final int EXTRA_LIMIT = 1024, TABLE_LIMIT = 16 << 20;

    /**
     * @param l1Offset where its L1 table is
     * @param diskBytes of the guest's disk then; -1 when the entry does not say
     * @param extraBytes of extra data
     * @param bytes of the whole entry, without padding
     */
    record Entry(Snapshot snapshot, long l1Offset, int l1Entries, long diskBytes, int extraBytes, byte[] bytes) {}

    private SnapshotTable() {}

    static List<Entry> read(BlockFile file, Qcow2Header header) throws IOException {
        List<Entry> all = new ArrayList<>();
        long at = header.snapshotsOffset;
        for (int i = 0; i < header.snapshots; i++) {
            ByteBuffer fixed = ByteBuffer.wrap(Qcow2Header.bytes(file, at, FIXED_BYTES));
            int extra = fixed.getInt(EXTRA_LENGTH);
            if (extra < 0 || extra > EXTRA_LIMIT || at - header.snapshotsOffset > TABLE_LIMIT) {
                throw Qcow2Header.bad(file, "is damaged: entry " + i + " of its snapshot table is too large");
            }
            int texts = (fixed.getShort(ID_LENGTH) & 0xffff) + (fixed.getShort(NAME_LENGTH) & 0xffff);
            Entry entry = decode(Qcow2Header.bytes(file, at, FIXED_BYTES + extra + texts));
            checkEntries(file, i, entry.l1Entries);
            all.add(entry);
            at += padded(entry);
        }
        return all;
    }

    private static long padded(Entry entry) {
        return Math.ceilDiv(entry.bytes.length, 8) * 8L;
    }

    private static Entry decode(byte[] bytes) {
        ByteBuffer fields = ByteBuffer.wrap(bytes);
        int extra = fields.getInt(EXTRA_LENGTH), idBytes = fields.getShort(ID_LENGTH) & 0xffff, textAt = EXTRA + extra;
        int nameBytes = fields.getShort(NAME_LENGTH) & 0xffff;
        String id = new String(bytes, textAt, idBytes, StandardCharsets.UTF_8);
        String name = new String(bytes, textAt + idBytes, nameBytes, StandardCharsets.UTF_8);
        long vmState = extra >= 8 ? fields.getLong(EXTRA) : fields.getInt(VM_STATE) & 0xffff_ffffL;
        long diskBytes = extra >= EXTRA_DISK_SIZE + 8 ? fields.getLong(EXTRA + EXTRA_DISK_SIZE) : -1;
        long icount = extra >= EXTRA_ICOUNT + 8 ? fields.getLong(EXTRA + EXTRA_ICOUNT) : -1;
        Snapshot snapshot = new Snapshot(
                id,
                name,
                fields.getInt(DATE) & 0xffff_ffffL,
                fields.getInt(DATE_NS),
                vmState,
                fields.getLong(VM_CLOCK),
                icount);
        return new Entry(snapshot, fields.getLong(0), fields.getInt(L1_SIZE), diskBytes, extra, bytes);
    }

    private static void checkEntries(BlockFile file, int index, int entries) throws IOException {
        if (entries < 0 || entries > Qcow2Header.L1_LIMIT) {
            throw Qcow2Header.bad(
                    file,
                    "is damaged: snapshot " + index + " has an L1 table of " + Integer.toUnsignedString(entries)
                            + " entries");
        }
    }

    /** A snapshot of the disk alone. */
    static Entry entry(Snapshot snapshot, long l1Offset, int l1Entries, long diskBytes) {
        byte[] id = snapshot.id().getBytes(StandardCharsets.UTF_8);
        byte[] name = snapshot.name().getBytes(StandardCharsets.UTF_8);
        ByteBuffer fields = ByteBuffer.allocate(EXTRA + OUR_EXTRA_BYTES + id.length + name.length);
        fields.putLong(0, l1Offset)
                .putInt(L1_SIZE, l1Entries)
                .putShort(ID_LENGTH, (short) id.length)
                .putShort(NAME_LENGTH, (short) name.length)
                .putInt(DATE, (int) snapshot.date())
                .putInt(DATE_NS, snapshot.dateNs())
                .putInt(EXTRA_LENGTH, OUR_EXTRA_BYTES)
                .putLong(EXTRA + EXTRA_DISK_SIZE, diskBytes)
                .putLong(EXTRA + EXTRA_ICOUNT, snapshot.icount());
        fields.put(EXTRA + OUR_EXTRA_BYTES, id).put(EXTRA + OUR_EXTRA_BYTES + id.length, name);
        return decode(fields.array());
    }

    /** Bytes of the whole table. */
    static long sizeBytes(List<Entry> entries) {
        return entries.stream().mapToLong(SnapshotTable::padded).sum();
    }

    static byte[] encode(BlockFile file, List<Entry> entries) throws IOException {
        long size = sizeBytes(entries);
        if (entries.size() > Qcow2Header.SNAPSHOT_LIMIT || size > TABLE_LIMIT) {
            throw Qcow2Header.bad(file, "has no room for another snapshot in its table; delete some first");
        }
        byte[] table = new byte[(int) size];
        int at = 0;
        for (Entry entry : entries) {
            System.arraycopy(entry.bytes, 0, table, at, entry.bytes.length);
            at += (int) padded(entry);
        }
        return table;
    }

    /** By its number or, when none has that, by its name, as qemu-img looks for it. @return -1 when there is none */
    static int find(List<Entry> entries, String idOrName) {
        for (int i = 0; i < entries.size(); i++)
            if (entries.get(i).snapshot.id().equals(idOrName)) return i;
        for (int i = 0; i < entries.size(); i++)
            if (entries.get(i).snapshot.name().equals(idOrName)) return i;
        return -1;
    }

    /** One more than the largest number. */
    static String nextId(List<Entry> entries) {
        long largest = 0;
        for (Entry entry : entries) {
            String id = entry.snapshot.id();
            if (id.matches("[0-9]{1,18}")) largest = Math.max(largest, Long.parseLong(id));
        }
        return Long.toString(largest + 1);
    }

    /** Whether the entry has what its image's version asks for. */
    static boolean isComplete(Entry entry, int version) {
        return version < 3 || entry.extraBytes >= LEAST_EXTRA_BYTES;
    }
}
