package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.HostText;

/**
 * The header of a qcow2 file, versions 2 and 3, with its extensions: "Qcow2 Image File Format" of QEMU's documentation.
 * Big endian, in the first cluster.
 *
 * <p>{@link #read} takes nothing that could lead a reader astray: every number is checked against the file and against
 * limits that keep tables small enough for memory (those of QEMU: 32 MiB for an L1 table, 8 MiB for a refcount table,
 * 65,536 snapshots). Refused with one line: encryption, external data files, extended L2 entries, and incompatible
 * features that nobody here knows, by the name that the file gives them.
 */
final class Qcow2Header {
    static final int MAGIC = 'Q' << 24 | 'F' << 16 | 'I' << 8 | 0xfb;
    static final int V2_BYTES = 72, V3_BYTES = 104, OUR_BYTES = 112;
    static final int BACKING_OFFSET = 8,
            BACKING_SIZE = 16,
            CLUSTER_BITS = 20,
            SIZE = 24,
            CRYPT_METHOD = 32,
            L1_SIZE = 36,
            L1_TABLE_OFFSET = 40,
            REFCOUNT_TABLE_OFFSET = 48,
            REFCOUNT_TABLE_CLUSTERS = 56,
            NB_SNAPSHOTS = 60,
            SNAPSHOTS_OFFSET = 64,
            INCOMPATIBLE_FEATURES = 72,
            COMPATIBLE_FEATURES = 80,
            AUTOCLEAR_FEATURES = 88,
            REFCOUNT_ORDER = 96,
            HEADER_LENGTH = 100,
            COMPRESSION_TYPE = 104;
    static final long DIRTY = 1, CORRUPT = 1 << 1, EXTERNAL_DATA = 1 << 2, COMPRESSION = 1 << 3, EXTENDED_L2 = 1 << 4;
    static final long LAZY_REFCOUNTS = 1, BITMAPS = 1;
    static final int EXT_END = 0,
            EXT_BACKING_FORMAT = 0xe2792aca,
            EXT_FEATURE_NAMES = 0x6803f857,
            EXT_BITMAPS = 0x23852875;
    static final int ZLIB = 0, ZSTD = 1;
    static final int MIN_CLUSTER_BITS = 9, MAX_CLUSTER_BITS = 21;
    static final int L1_LIMIT = 32 << 20 >> 3,
            REFCOUNT_TABLE_LIMIT = 8 << 20,
            SNAPSHOT_LIMIT = 65_536,
            BACKING_NAME_LIMIT = 1023;
    /** Of the whole disk: the L1 limit allows 2 EiB of 2 MiB clusters. */
    static final long SIZE_LIMIT = 1L << 61;

    private static final int FEATURE_BYTES = 48, FEATURE_NAME = 2;

    /** @param data without padding */
    record Extension(int type, byte[] data) {}

    int version = 3,
            clusterBits = 16,
            l1Entries,
            refcountTableClusters,
            snapshots,
            refcountOrder = 4,
            compression = ZLIB;
    long sizeBytes, l1Offset, refcountTableOffset, snapshotsOffset, incompatible, compatible, autoclear;
    String backingName, backingFormat;
    final List<Extension> extensions = new ArrayList<>();

    long clusterBytes() {
        return 1L << clusterBits;
    }

    /** What a guest sees: whole sectors, without the part of one at the end. */
    long diskBytes() {
        return sizeBytes / DiskImage.SECTOR_BYTES * DiskImage.SECTOR_BYTES;
    }

    /** Guest clusters that one L2 table describes, as a power of two. */
    int l2Bits() {
        return clusterBits - 3;
    }

    /** L1 entries that a disk of this size needs. */
    static long l1EntriesFor(long sizeBytes, int clusterBits) {
        return Math.ceilDiv(sizeBytes, 1L << 2 * clusterBits - 3);
    }

    static Qcow2Header read(BlockFile file) throws IOException {
        byte[] first = bytes(file, 0, 512);
        ByteBuffer buffer = ByteBuffer.wrap(first);
        Qcow2Header header = new Qcow2Header();
        if (file.length() < V2_BYTES || buffer.getInt(0) != MAGIC)
            throw bad(file, "is no qcow2 image: the magic number at its start is missing");
        header.version = buffer.getInt(4);
        if (header.version != 2 && header.version != 3)
            throw bad(
                    file,
                    "is qcow2 of version " + Integer.toUnsignedString(header.version) + "; versions 2 and 3 are taken");
        header.clusterBits =
                header.limited(file, "cluster_bits", buffer.getInt(CLUSTER_BITS), MIN_CLUSTER_BITS, MAX_CLUSTER_BITS);
        header.readCommon(file, buffer);
        int length = header.version == 2 ? V2_BYTES : header.readVersion3(file, buffer);
        byte[] cluster = bytes(file, 0, (int) header.clusterBytes());
        header.readBackingName(file, buffer, cluster);
        header.readExtensions(
                file,
                cluster,
                length,
                header.backingName == null ? cluster.length : (int) buffer.getLong(BACKING_OFFSET));
        header.refuseFeatures(file);
        return header;
    }

    private void readCommon(BlockFile file, ByteBuffer buffer) throws IOException {
        sizeBytes = buffer.getLong(SIZE);
        if (sizeBytes < 0 || sizeBytes > SIZE_LIMIT)
            throw bad(
                    file,
                    "has a disk of " + Long.toUnsignedString(sizeBytes) + " bytes; at most " + SIZE_LIMIT
                            + " are taken");
        int method = buffer.getInt(CRYPT_METHOD);
        if (method != 0)
            throw bad(
                    file,
                    "is encrypted (method " + method
                            + "), which is not supported; `qemu-img convert` writes a plain copy");
        l1Entries = limited(file, "l1_size", buffer.getInt(L1_SIZE), 0, L1_LIMIT);
        l1Offset = buffer.getLong(L1_TABLE_OFFSET);
        refcountTableOffset = buffer.getLong(REFCOUNT_TABLE_OFFSET);
        refcountTableClusters = limited(
                file,
                "refcount_table_clusters",
                buffer.getInt(REFCOUNT_TABLE_CLUSTERS),
                1,
                Math.max(1, REFCOUNT_TABLE_LIMIT >> clusterBits));
        snapshots = limited(file, "nb_snapshots", buffer.getInt(NB_SNAPSHOTS), 0, SNAPSHOT_LIMIT);
        snapshotsOffset = buffer.getLong(SNAPSHOTS_OFFSET);
        if (l1EntriesFor(sizeBytes, clusterBits) > l1Entries)
            throw bad(
                    file,
                    "has an L1 table of " + l1Entries + " entries, too few for a disk of " + sizeBytes + " bytes");
        placed(file, "L1 table", l1Offset, 8L * l1Entries);
        inFile(file, "refcount table", refcountTableOffset, (long) refcountTableClusters << clusterBits);
        placed(file, "snapshot table", snapshotsOffset, 40L * snapshots);
    }

    private int readVersion3(BlockFile file, ByteBuffer buffer) throws IOException {
        incompatible = buffer.getLong(INCOMPATIBLE_FEATURES);
        compatible = buffer.getLong(COMPATIBLE_FEATURES);
        autoclear = buffer.getLong(AUTOCLEAR_FEATURES);
        refcountOrder = limited(file, "refcount_order", buffer.getInt(REFCOUNT_ORDER), 0, 6);
        int length = limited(file, "header_length", buffer.getInt(HEADER_LENGTH), V3_BYTES, (int) clusterBytes());
        if (length % 8 != 0) throw bad(file, "has a header_length of " + length + ", which is no multiple of 8");
        compression = length > COMPRESSION_TYPE ? buffer.get(COMPRESSION_TYPE) & 0xff : ZLIB;
        if (compression > ZSTD)
            throw bad(file, "compresses by method " + compression + "; zlib (0) and zstd (1) are known");
        if ((compression != ZLIB) != ((incompatible & COMPRESSION) != 0))
            throw bad(
                    file, "has compression_type " + compression + ", which contradicts its incompatible feature bit 3");
        return length;
    }

    private void readBackingName(BlockFile file, ByteBuffer buffer, byte[] cluster) throws IOException {
        long offset = buffer.getLong(BACKING_OFFSET);
        if (offset == 0) return;
        int size = limited(file, "backing_file_size", buffer.getInt(BACKING_SIZE), 1, BACKING_NAME_LIMIT);
        if (offset < V2_BYTES || offset > cluster.length - size)
            throw bad(
                    file,
                    "has the name of its backing file outside of its first cluster, at "
                            + Long.toUnsignedString(offset));
        backingName = HostText.text(Arrays.copyOfRange(cluster, (int) offset, (int) offset + size));
    }

    private void readExtensions(BlockFile file, byte[] cluster, int from, int to) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(cluster);
        for (int at = from; at <= to - 8; ) {
            int type = buffer.getInt(at), length = buffer.getInt(at + 4);
            if (type == EXT_END) return;
            if (length < 0 || length > to - at - 8)
                throw bad(
                        file,
                        "has a header extension (type " + Integer.toHexString(type)
                                + ") that leaves the first cluster");
            byte[] data = Arrays.copyOfRange(cluster, at + 8, at + 8 + length);
            extensions.add(new Extension(type, data));
            if (type == EXT_BACKING_FORMAT && length > 0) backingFormat = new String(data, StandardCharsets.UTF_8);
            at += 8 + Math.ceilDiv(length, 8) * 8;
        }
    }

    private void refuseFeatures(BlockFile file) throws IOException {
        if ((incompatible & EXTERNAL_DATA) != 0)
            throw bad(
                    file,
                    "keeps its data in another file (external data file), which is not supported; `qemu-img "
                            + "convert` writes a copy in one file");
        if ((incompatible & EXTENDED_L2) != 0)
            throw bad(
                    file,
                    "has extended L2 entries (subclusters), which are not supported; `qemu-img convert` writes "
                            + "a copy without");
        long unknown = incompatible & -(EXTENDED_L2 << 1);
        if (unknown != 0) {
            int bit = Long.numberOfTrailingZeros(unknown);
            throw bad(file, "needs the feature " + featureName(bit) + ", which is not supported");
        }
    }

    private String featureName(int bit) {
        for (Extension extension : extensions) {
            byte[] data = extension.data();
            for (int at = 0;
                    extension.type() == EXT_FEATURE_NAMES && at + FEATURE_BYTES <= data.length;
                    at += FEATURE_BYTES) {
                if (data[at] != 0 || data[at + 1] != bit) continue;
                String name = new String(
                                data, at + FEATURE_NAME, FEATURE_BYTES - FEATURE_NAME, StandardCharsets.US_ASCII)
                        .replaceAll("[^ -~]", "")
                        .strip();
                return "'" + name + "' (incompatible bit " + bit + ")";
            }
        }
        return "of incompatible bit " + bit;
    }

    private int limited(BlockFile file, String field, int value, int least, int most) throws IOException {
        if (Integer.compareUnsigned(value, least) < 0 || Integer.compareUnsigned(value, most) > 0) {
            throw bad(
                    file,
                    "has a " + field + " of " + Integer.toUnsignedString(value) + "; " + least + " to " + most
                            + " are taken");
        }
        return value;
    }

    /** A table of no entries may be anywhere, but at a cluster. */
    private void placed(BlockFile file, String table, long offset, long size) throws IOException {
        if (size > 0) inFile(file, table, offset, size);
        else if (offset < 0 || (offset & clusterBytes() - 1) != 0) throw misplaced(file, table, offset);
    }

    private void inFile(BlockFile file, String table, long offset, long size) throws IOException {
        long end = Math.ceilDiv(file.length(), clusterBytes()) * clusterBytes();
        if ((offset & clusterBytes() - 1) != 0 || offset < clusterBytes() || offset > end - size) {
            throw misplaced(file, table, offset);
        }
    }

    private static IOException misplaced(BlockFile file, String table, long offset) {
        return bad(
                file, "has its " + table + " at " + Long.toUnsignedString(offset) + ", which is no place in this file");
    }

    static IOException bad(BlockFile file, String what) {
        return new IOException(file.name() + " " + what);
    }

    static byte[] bytes(BlockFile file, long offset, int sizeBytes) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            byte[] bytes = new byte[sizeBytes];
            long at = arena.allocate(Math.max(1, sizeBytes)).address();
            file.read(offset, at, sizeBytes);
            HostMemory.copyOut(at, bytes, 0, sizeBytes);
            return bytes;
        }
    }

    static void put(BlockFile file, long offset, byte[] bytes) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            long at = arena.allocate(bytes.length).address();
            HostMemory.copyIn(bytes, 0, at, bytes.length);
            file.write(offset, at, bytes.length);
        }
    }

    /** The header and all behind it for a new file. */
    byte[] encode() throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate((int) clusterBytes());
        buffer.putInt(0, MAGIC)
                .putInt(4, version)
                .putInt(CLUSTER_BITS, clusterBits)
                .putLong(SIZE, sizeBytes)
                .putInt(L1_SIZE, l1Entries)
                .putLong(L1_TABLE_OFFSET, l1Offset)
                .putLong(REFCOUNT_TABLE_OFFSET, refcountTableOffset)
                .putInt(REFCOUNT_TABLE_CLUSTERS, refcountTableClusters);
        int at = V2_BYTES;
        if (version == 3) {
            buffer.putLong(INCOMPATIBLE_FEATURES, incompatible)
                    .putLong(COMPATIBLE_FEATURES, compatible)
                    .putLong(AUTOCLEAR_FEATURES, autoclear)
                    .putInt(REFCOUNT_ORDER, refcountOrder)
                    .putInt(HEADER_LENGTH, OUR_BYTES)
                    .put(COMPRESSION_TYPE, (byte) compression);
            at = OUR_BYTES;
        }
        byte[] name = backingName == null ? new byte[0] : HostText.bytes(backingName);
        if (backingFormat != null)
            at = extension(buffer, at, EXT_BACKING_FORMAT, backingFormat.getBytes(StandardCharsets.UTF_8));
        if (version == 3 && clusterBits >= 12) at = extension(buffer, at, EXT_FEATURE_NAMES, featureNames());
        if (name.length > BACKING_NAME_LIMIT || at + 8 + name.length > buffer.capacity()) {
            throw new IOException("the backing file's name has " + name.length + " bytes; "
                    + Math.min(BACKING_NAME_LIMIT, buffer.capacity() - at - 8) + " fit in this header");
        }
        if (name.length > 0)
            buffer.putLong(BACKING_OFFSET, at + 8)
                    .putInt(BACKING_SIZE, name.length)
                    .put(at + 8, name);
        return buffer.array();
    }

    private static int extension(ByteBuffer buffer, int at, int type, byte[] data) throws IOException {
        if (at + 16 + data.length > buffer.capacity())
            throw new IOException(
                    "the header does not fit in a cluster of " + buffer.capacity() + " bytes; take larger clusters");
        buffer.putInt(at, type).putInt(at + 4, data.length).put(at + 8, data);
        return at + 8 + Math.ceilDiv(data.length, 8) * 8;
    }

    private static byte[] featureNames() {
        String[][] names = {
            {"dirty bit", "corrupt bit", "external data file", "compression type", "extended L2 entries"},
            {"lazy refcounts"},
            {"bitmaps", "raw external data"}
        };
        ByteBuffer buffer = ByteBuffer.allocate(8 * FEATURE_BYTES);
        int at = 0;
        for (int kind = 0; kind < names.length; kind++) {
            for (int bit = 0; bit < names[kind].length; bit++, at += FEATURE_BYTES) {
                buffer.put(at, (byte) kind)
                        .put(at + 1, (byte) bit)
                        .put(at + FEATURE_NAME, names[kind][bit].getBytes(StandardCharsets.US_ASCII));
            }
        }
        return buffer.array();
    }
}
