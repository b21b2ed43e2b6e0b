package org.nestorvm.disk;

/** The L2 entry of a compressed cluster: where its bytes begin, and how many sectors they reach into. */
final class PackedEntry {
    private PackedEntry() {}

    private static int offsetBits(int clusterBits) {
        return 62 - (clusterBits - 8);
    }

    static long offset(long entry, int clusterBits) {
        return entry & (1L << offsetBits(clusterBits)) - 1 & (1L << 56) - 1;
    }

    /** Behind the last sector that it reaches into. */
    static long end(long entry, int clusterBits) {
        long sectors = entry >>> offsetBits(clusterBits) & (1L << clusterBits - 8) - 1;
        return (offset(entry, clusterBits) & -DiskImage.SECTOR_BYTES) + (sectors + 1) * DiskImage.SECTOR_BYTES;
    }

    static long of(long offset, int sizeBytes, int clusterBits) {
        long sectors = (offset + sizeBytes - 1 >>> 9) - (offset >>> 9);
        return offset | sectors << offsetBits(clusterBits) | ClusterMap.COMPRESSED;
    }
}
