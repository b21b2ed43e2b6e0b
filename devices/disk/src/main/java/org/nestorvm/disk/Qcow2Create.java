package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;

/** Writes an empty qcow2 image: header, refcount table, the blocks for what is here, L1 table. */
final class Qcow2Create {
    /** A refcount table for a full image is made at once if it is no larger. */
    private static final int REFCOUNT_TABLE_BYTES = 1 << 20;

    private Qcow2Create() {}

    static void write(BlockFile file, long sizeBytes, ImageOptions options) throws IOException {
        Qcow2Header header = header(sizeBytes, options);
        int bits = header.clusterBits;
        long entries = Qcow2Header.l1EntriesFor(header.sizeBytes, bits);
        if (entries > Qcow2Header.L1_LIMIT) {
            throw new IOException(file.name() + ": a disk of " + sizeBytes + " bytes needs larger clusters than "
                    + header.clusterBytes() + "; the L1 table has at most " + Qcow2Header.L1_LIMIT + " entries");
        }
        header.l1Entries = (int) entries;
        long tableClusters = refcountTableClusters(header),
                l1Clusters = Math.ceilDiv(8 * entries, header.clusterBytes());
        long perBlock = header.clusterBytes() * 8 >> header.refcountOrder, blocks = 1;
        while (blocks * perBlock < 1 + tableClusters + blocks + l1Clusters) blocks++;
        tableClusters = Math.max(tableClusters, Math.ceilDiv(8 * blocks, header.clusterBytes()));
        header.refcountTableOffset = header.clusterBytes();
        header.refcountTableClusters = (int) tableClusters;
        header.l1Offset = 1 + tableClusters + blocks << bits;
        long total = 1 + tableClusters + blocks + l1Clusters;
        long[] table = new long[(int) blocks];
        for (int i = 0; i < blocks; i++) {
            table[i] = 1 + tableClusters + i << bits;
            writeBlock(file, header, table[i], Math.min(perBlock, total - i * perBlock));
        }
        Tables.write(file, header.refcountTableOffset, table, 0, table.length);
        file.setLength(total << bits);
        Qcow2Header.put(file, 0, header.encode());
        file.sync();
    }

    private static void writeBlock(BlockFile file, Qcow2Header header, long offset, long used) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            long block = arena.allocate(header.clusterBytes(), 8).address();
            for (int i = 0; i < used; i++) RefcountEntry.put(block, i, header.refcountOrder, 1);
            file.write(offset, block, header.clusterBytes());
        }
    }

    private static long refcountTableClusters(Qcow2Header header) {
        long perBlock = header.clusterBytes() * 8 >> header.refcountOrder;
        long blocks = Math.ceilDiv(header.sizeBytes + header.sizeBytes / 64 >>> header.clusterBits, perBlock) + 1;
        return Math.max(
                1, Math.min(8 * blocks, REFCOUNT_TABLE_BYTES) + header.clusterBytes() - 1 >>> header.clusterBits);
    }

    private static Qcow2Header header(long sizeBytes, ImageOptions options) throws IOException {
        Qcow2Header header = new Qcow2Header();
        header.version = options.version();
        header.clusterBits = Integer.numberOfTrailingZeros(options.clusterBytes());
        header.sizeBytes = Math.ceilDiv(sizeBytes, DiskImage.SECTOR_BYTES) * DiskImage.SECTOR_BYTES;
        header.refcountOrder = Integer.numberOfTrailingZeros(options.refcountBits());
        header.backingName = options.backingFile();
        header.backingFormat = options.backingFormat();
        boolean zstd = options.compressionType().equals("zstd");
        if (options.version() == 2 && (zstd || options.refcountBits() != 16 || options.lazyRefcounts())) {
            throw new IOException(
                    "compat=0.10 has no zstd, no lazy_refcounts, and refcount_bits is 16; take compat=1.1");
        }
        if (zstd) {
            header.compression = Qcow2Header.ZSTD;
            header.incompatible |= Qcow2Header.COMPRESSION;
        }
        if (options.lazyRefcounts()) header.compatible |= Qcow2Header.LAZY_REFCOUNTS;
        return header;
    }
}
