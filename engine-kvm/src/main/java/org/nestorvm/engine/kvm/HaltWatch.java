package org.nestorvm.engine.kvm;

import java.util.List;
import org.nestorvm.vmm.VmClock;

/**
 * Finds guests that have stopped for good (P26). With local APICs in the kernel HLT does not leave the guest: a machine whose processors all wait in HLT with
 * interrupts disabled would hang without a word. Twice a second each processor that has not come back since the last look is asked, in its own thread, whether it waits for
 * nothing that can come. The machine has stopped when two rounds in a row find all of them so: in one round a processor may have been woken
 * after it answered, by another that stopped before it was asked.
 */
final class HaltWatch implements AutoCloseable {
    private static final long INTERVAL_NS = 500_000_000L;

    private final VmClock clock;
    private final List<KvmVcpu> vcpus;
    private final VmClock.Timer timer;
    private boolean started, closed;
    private volatile boolean stoppedLastRound;

    HaltWatch(VmClock clock, List<KvmVcpu> vcpus) {
        this.clock = clock;
        this.vcpus = vcpus;
        timer = clock.newTimer(this::look);
    }

    /** Called when a processor begins to run. */
    synchronized void start() {
        if (started || closed) return;
        started = true;
        timer.arm(clock.nowNs() + INTERVAL_NS);
    }

    private synchronized void look() {
        if (closed) return;
        stoppedLastRound = allStopped();
        for (KvmVcpu vcpu : vcpus) vcpu.forgetAnswer();
        for (KvmVcpu vcpu : vcpus) vcpu.askWhetherStopped();
        timer.arm(clock.nowNs() + INTERVAL_NS);
    }

    /** Asked by a processor that has just found that it waits for nothing. */
    boolean machineStopped() {
        return stoppedLastRound && allStopped();
    }

    private boolean allStopped() {
        for (KvmVcpu vcpu : vcpus) if (!vcpu.stopped()) return false;
        return !vcpus.isEmpty();
    }

    @Override public synchronized void close() {
        closed = true;
        timer.disarm();
    }
}
