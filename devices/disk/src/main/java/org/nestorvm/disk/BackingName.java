package org.nestorvm.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Changes the backing file that a header names. The new name is written to a place that nothing uses; then one write of
 * the header's first sector, with the format's extension and no others, makes it valid; then the other extensions
 * follow. So after a loss of power the image has its old backing file or the new one.
 */
final class BackingName {
    private static final int SECTOR = DiskImage.SECTOR_BYTES;

    private BackingName() {}

    /** @param name null for no backing file, and then {@code format} is null as well */
    static void write(BlockFile file, String name, String format) throws IOException {
        Qcow2Header header = Qcow2Header.read(file);
        int clusterBytes = (int) header.clusterBytes();
        byte[] old = Qcow2Header.bytes(file, 0, clusterBytes);
        ByteBuffer fields = ByteBuffer.wrap(old);
        int from = header.version < 3 ? Qcow2Header.V2_BYTES : fields.getInt(Qcow2Header.HEADER_LENGTH);
        byte[] text = name == null ? new byte[0] : name.getBytes(StandardCharsets.UTF_8);
        List<Qcow2Header.Extension> first = new ArrayList<>(), all = new ArrayList<>();
        if (format != null)
            first.add(
                    new Qcow2Header.Extension(Qcow2Header.EXT_BACKING_FORMAT, format.getBytes(StandardCharsets.UTF_8)));
        all.addAll(first);
        header.extensions.stream()
                .filter(one -> one.type() != Qcow2Header.EXT_BACKING_FORMAT)
                .forEach(all::add);
        int end = Math.max(end(from, header.extensions), end(from, all));
        int at = text.length == 0
                ? 0
                : place(
                        file,
                        end,
                        fields.getLong(Qcow2Header.BACKING_OFFSET),
                        fields.getInt(Qcow2Header.BACKING_SIZE),
                        text.length,
                        clusterBytes);
        if (at >= SECTOR) Qcow2Header.put(file, at, text);
        file.sync();
        fields.putLong(Qcow2Header.BACKING_OFFSET, at).putInt(Qcow2Header.BACKING_SIZE, text.length);
        if (end(from, all) > SECTOR) {
            Qcow2Header.put(file, 0, sector(old, from, first));
            file.sync();
        }
        byte[] whole = encode(old, from, all);
        if (end(from, all) > SECTOR) Qcow2Header.put(file, SECTOR, Arrays.copyOfRange(whole, SECTOR, end(from, all)));
        file.sync();
        byte[] sector = Arrays.copyOf(whole, SECTOR);
        if (at > 0 && at < SECTOR) System.arraycopy(text, 0, sector, at, text.length);
        Qcow2Header.put(file, 0, sector);
        file.sync();
    }

    private static int end(int from, List<Qcow2Header.Extension> extensions) {
        int end = from + 8;
        for (Qcow2Header.Extension one : extensions) end += 8 + Math.ceilDiv(one.data().length, 8) * 8;
        return end;
    }

    /** Behind the extensions, not over the old name, and not over the first sector's end. */
    private static int place(BlockFile file, int end, long oldAt, int oldBytes, int bytes, int clusterBytes)
            throws IOException {
        int at = end;
        if (oldAt > 0 && at < oldAt + oldBytes && at + bytes > oldAt) at = (int) oldAt + oldBytes;
        if (at < SECTOR && at + bytes > SECTOR) at = SECTOR;
        if (oldAt > 0 && at < oldAt + oldBytes && at + bytes > oldAt) at = (int) oldAt + oldBytes;
        if (bytes > Qcow2Header.BACKING_NAME_LIMIT || at + bytes > clusterBytes) {
            throw Qcow2Header.bad(
                    file,
                    "has no room in its header for the name of a backing file of " + bytes
                            + " bytes; take a shorter one");
        }
        return at;
    }

    private static byte[] encode(byte[] old, int from, List<Qcow2Header.Extension> extensions) {
        ByteBuffer buffer = ByteBuffer.wrap(old.clone());
        int at = from;
        for (Qcow2Header.Extension one : extensions) {
            int padded = Math.ceilDiv(one.data().length, 8) * 8;
            buffer.putInt(at, one.type())
                    .putInt(at + 4, one.data().length)
                    .put(at + 8, new byte[padded])
                    .put(at + 8, one.data());
            at += 8 + padded;
        }
        buffer.putLong(at, 0);
        return buffer.array();
    }

    private static byte[] sector(byte[] old, int from, List<Qcow2Header.Extension> extensions) {
        return Arrays.copyOf(encode(old, from, extensions), SECTOR);
    }
}
