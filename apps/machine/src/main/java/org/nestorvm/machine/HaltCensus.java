package org.nestorvm.machine;

/**
 * Finds out that every virtual CPU has halted for good (P26). With one that is plain. With several, one that has halted
 * may still be woken by another's message, so they are asked again and again: all of them have to say so several times
 * in a row.
 */
final class HaltCensus {
    static final int TIMES = 3;
    static final long INTERVAL_MS = 10;
    private final int[] inARow;

    HaltCensus(int cpus) {
        inARow = new int[cpus];
    }

    /** A virtual CPU has come back from the guest. @return true when the machine has halted */
    synchronized boolean observe(int vcpu, boolean halted) {
        inARow[vcpu] = halted ? Math.min(inARow[vcpu] + 1, TIMES) : 0;
        if (inARow.length == 1) return halted;
        for (int times : inARow) {
            if (times < TIMES) return false;
        }
        return true;
    }

    /** Somebody has halted, so that the others are asked too. */
    synchronized boolean isOpen() {
        for (int times : inARow) {
            if (times > 0) return true;
        }
        return false;
    }
}
