package org.nestorvm.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * An internal snapshot, as the image lists it.
 *
 * @param date seconds since 1970
 * @param vmStateBytes of a machine's memory, 0 without
 */
public record Snapshot(String id, String name, long date, long vmStateBytes, long l1Offset, int l1Entries) {
    private static final int FIXED_BYTES = 40, L1_SIZE = 8, ID_LENGTH = 12, NAME_LENGTH = 14, DATE = 16, VM_STATE = 32, EXTRA_LENGTH = 36, EXTRA_VM_STATE = 40;
    /** Extra data that QEMU takes, too. */
    private static final int EXTRA_LIMIT = 1024, TABLE_LIMIT = 16 << 20;

    static List<Snapshot> list(BlockFile file, Qcow2Header header) throws IOException {
        List<Snapshot> all = new ArrayList<>();
        long at = header.snapshotsOffset;
        for (int i = 0; i < header.snapshots; i++) {
            ByteBuffer fixed = ByteBuffer.wrap(Qcow2Header.bytes(file, at, FIXED_BYTES + 8));
            int extra = fixed.getInt(EXTRA_LENGTH), id = fixed.getShort(ID_LENGTH) & 0xffff, name = fixed.getShort(NAME_LENGTH) & 0xffff;
            if (extra < 0 || extra > EXTRA_LIMIT || at - header.snapshotsOffset > TABLE_LIMIT) throw Qcow2Header.bad(file, "is damaged: entry " + i + " of its snapshot table is too large");
            byte[] texts = Qcow2Header.bytes(file, at + FIXED_BYTES + extra, id + name);
            long state = extra >= 8 ? fixed.getLong(EXTRA_VM_STATE) : fixed.getInt(VM_STATE) & 0xffff_ffffL;
            all.add(new Snapshot(new String(texts, 0, id, StandardCharsets.UTF_8), new String(texts, id, name, StandardCharsets.UTF_8), fixed.getInt(DATE) & 0xffff_ffffL, state,
                fixed.getLong(0), checkedEntries(file, i, fixed.getInt(L1_SIZE))));
            at += Math.ceilDiv(FIXED_BYTES + extra + id + name, 8) * 8;
        }
        return all;
    }

    private static int checkedEntries(BlockFile file, int index, int entries) throws IOException {
        if (entries < 0 || entries > Qcow2Header.L1_LIMIT) throw Qcow2Header.bad(file, "is damaged: snapshot " + index + " has an L1 table of " + Integer.toUnsignedString(entries) + " entries");
        return entries;
    }

    /** Bytes of the whole table. */
    static long tableBytes(BlockFile file, Qcow2Header header) throws IOException {
        long at = header.snapshotsOffset;
        for (int i = 0; i < header.snapshots; i++) {
            ByteBuffer fixed = ByteBuffer.wrap(Qcow2Header.bytes(file, at, FIXED_BYTES));
            at += Math.ceilDiv(FIXED_BYTES + (fixed.getInt(EXTRA_LENGTH) & 0xfffL) + (fixed.getShort(ID_LENGTH) & 0xffff) + (fixed.getShort(NAME_LENGTH) & 0xffff), 8) * 8;
        }
        return at - header.snapshotsOffset;
    }
}
