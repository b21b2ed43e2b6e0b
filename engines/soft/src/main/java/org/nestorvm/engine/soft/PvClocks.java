package org.nestorvm.engine.soft;

import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The clock structures of all processors. While their TSCs are the same each structure says so, and Linux then computes
 * the time on any processor from the first one's structure. So a write to one TSC changes the structures of all, before
 * it is over: otherwise time would jump for a program that moves to the processor with the other TSC. KVM does the same
 * when TSCs do not match.
 */
final class PvClocks {
    private final List<SoftVcpu> vcpus;
    private final ReentrantLock lock = new ReentrantLock();

    PvClocks(List<SoftVcpu> vcpus) {
        this.vcpus = vcpus;
    }

    /** The guest has given {@code by} another structure. */
    void update(SoftVcpu by) {
        lock(by);
        try {
            by.pvclock.update(by, sameEverywhere());
        } finally {
            lock.unlock();
        }
    }

    /** The guest has moved the TSC of {@code by}. */
    void moveTsc(SoftVcpu by, long offset) {
        lock(by);
        try {
            by.setTscOffset(offset);
            boolean stable = sameEverywhere();
            for (SoftVcpu vcpu : vcpus) vcpu.pvclock.update(by, stable);
        } finally {
            lock.unlock();
        }
    }

    /** A processor waits outside the guest, since the lock's holder may wait for every processor's TLB flush. */
    private void lock(SoftVcpu by) {
        if (lock.tryLock()) return;
        by.leaveGuest();
        lock.lock();
        by.enterGuest();
    }

    private boolean sameEverywhere() {
        long first = vcpus.isEmpty() ? 0 : vcpus.getFirst().tscOffset();
        for (SoftVcpu vcpu : vcpus) if (vcpu.tscOffset() != first) return false;
        return true;
    }
}
