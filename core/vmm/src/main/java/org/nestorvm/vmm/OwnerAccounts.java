package org.nestorvm.vmm;

import java.util.HashMap;
import java.util.Map;

/**
 * How much guest memory each owner's machines may come to hold, and how much they may now. Memory counts from create to
 * teardown, touched or not.
 */
final class OwnerAccounts {
    private final Map<String, Long> held = new HashMap<>();
    private final Map<String, Long> limits = new HashMap<>();
    private long defaultLimit = Long.MAX_VALUE;

    synchronized void setLimit(String owner, long bytes) {
        limits.put(owner, checked(bytes));
    }

    /** For owners without a limit of their own. */
    synchronized void setDefaultLimit(long bytes) {
        defaultLimit = checked(bytes);
    }

    private static long checked(long bytes) {
        if (bytes < 0) throw new VmRefusedException("a memory limit of " + bytes + " bytes must not be negative");
        return bytes;
    }

    /** @throws MemoryLimitException when the sum would be above the limit; nothing is charged then */
    synchronized void charge(String owner, long bytes) {
        long before = held.getOrDefault(owner, 0L);
        long limit = limits.getOrDefault(owner, defaultLimit);
        if (bytes > limit - before) throw new MemoryLimitException(owner, bytes, before, limit);
        held.put(owner, before + bytes);
    }

    synchronized void release(String owner, long bytes) {
        long after = held.getOrDefault(owner, 0L) - bytes;
        if (after < 0)
            throw new IllegalStateException("owner \"" + owner + "\" gives back more memory than it holds: " + bytes);
        if (after == 0) held.remove(owner);
        else held.put(owner, after);
    }

    synchronized long held(String owner) {
        return held.getOrDefault(owner, 0L);
    }
}
