package org.nestorvm.engine.kvm;

import java.util.List;
import org.nestorvm.vmm.VmClock;

/**
 * Finds processors that have halted with interrupts disabled (P26). With local APICs in the kernel HLT does not leave
 * the guest, and such a machine would hang without a word. Twice a second each processor that has not come back since
 * the last look is asked, in its own thread. Whether another one can still wake it is for the machine to find out,
 * which knows them all.
 */
final class HaltWatch implements AutoCloseable {
    static final long INTERVAL_NS = 500_000_000L;

    private final VmClock clock;
    private final List<KvmVcpu> vcpus;
    private final VmClock.Timer timer;
    private boolean started, closed;

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
        for (KvmVcpu vcpu : vcpus) vcpu.askWhetherStopped();
        timer.arm(clock.nowNs() + INTERVAL_NS);
    }

    @Override
    public synchronized void close() {
        closed = true;
        timer.disarm();
    }
}
