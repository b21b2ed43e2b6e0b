package org.nestorvm.disk;

import java.util.List;

/**
 * What a file says of itself. The last fields are those of qcow2.
 *
 * @param allocatedBytes that the file occupies
 * @param backingFile as the header has it, {@code fullBackingFile} as it is found from here; null without
 */
public record ImageInfo(
        String file,
        String format,
        long sizeBytes,
        long allocatedBytes,
        String backingFile,
        String fullBackingFile,
        String backingFormat,
        int version,
        int clusterBytes,
        boolean lazyRefcounts,
        int refcountBits,
        String compressionType,
        boolean dirty,
        boolean corrupt,
        List<Snapshot> snapshots) {}
