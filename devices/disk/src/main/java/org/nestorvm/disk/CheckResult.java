package org.nestorvm.disk;

import java.util.List;

/**
 * What a check of an image found.
 *
 * @param corruptions contradictions that put data in danger
 * @param leaks clusters that are counted as used and are not
 * @param corruptionsFixed of those, mended
 * @param totalClusters of the guest's disk
 * @param allocatedClusters of these, in the file
 * @param fragmentedClusters that do not follow the one before
 * @param imageEndOffset behind the last cluster in use
 * @param messages one line each, the first hundred
 */
public record CheckResult(
        long corruptions,
        long leaks,
        long corruptionsFixed,
        long leaksFixed,
        long totalClusters,
        long allocatedClusters,
        long fragmentedClusters,
        long compressedClusters,
        long imageEndOffset,
        List<String> messages) {
    /** Nothing is left that is wrong. */
    public boolean clean() {
        return corruptions == corruptionsFixed && leaks == leaksFixed;
    }
}
