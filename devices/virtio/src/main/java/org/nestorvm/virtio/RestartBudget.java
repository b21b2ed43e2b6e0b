package org.nestorvm.virtio;

import java.util.ArrayDeque;

/**
 * How often something that ends by itself is started again: at most so many times within a time, whatever it has done
 * in between.
 */
public final class RestartBudget {
    private final int most;
    private final long withinNs;
    private final ArrayDeque<Long> starts = new ArrayDeque<>();

    public RestartBudget(int most, long withinNs) {
        this.most = most;
        this.withinNs = withinNs;
    }

    /** @return whether one more is allowed; it is counted then */
    public boolean take(long nowNs) {
        while (!starts.isEmpty() && nowNs - starts.peekFirst() > withinNs) starts.removeFirst();
        if (starts.size() >= most) return false;
        starts.addLast(nowNs);
        return true;
    }
}
