package org.nestorvm.engine.soft;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import org.nestorvm.engine.soft.chip.LocalApic;
import org.nestorvm.engine.soft.ops.integer.Atomics;
import org.nestorvm.engine.soft.run.CodeCache;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.EngineVcpu;
import org.nestorvm.vmm.EngineVm;
import org.nestorvm.vmm.VirtualMachine;

/** The processors of one machine and what they share: decoded code, and the bus on which interrupt messages travel. */
final class SoftVm implements EngineVm, LocalApic.Bus {
    private static final long PAGE_BYTES = 4096;
    private static final int SHORTHAND_NONE = 0, SHORTHAND_SELF = 1, SHORTHAND_ALL = 2;

    final VirtualMachine vm;
    final EngineOptions options;
    final CodeCache code;
    /** See {@link Atomics}. */
    final ReentrantLock splitLock = new ReentrantLock();

    private final List<SoftVcpu> vcpus = new CopyOnWriteArrayList<>();
    final PvClocks clocks = new PvClocks(vcpus);

    SoftVm(VirtualMachine vm, EngineOptions options, long codeBytes, long compiledBytes) {
        this.vm = vm;
        code = new CodeCache(codeBytes, compiledBytes);
        this.options = options;
    }

    @Override
    public EngineVcpu createVcpu(int index) {
        SoftVcpu vcpu = new SoftVcpu(this, index);
        vcpus.add(vcpu);
        return vcpu;
    }

    int cpuCount() {
        return Math.max(1, vcpus.size());
    }

    void remove(SoftVcpu vcpu) {
        vcpus.remove(vcpu);
    }

    /** MSI address and data, as a device or an I/O APIC writes them. */
    @Override
    public void signalMsi(long address, int data) {
        int destination = (int) (address >>> 12) & 0xff | (int) (address >>> 40) << 8;
        boolean logical = (address & 4) != 0;
        deliver(null, SHORTHAND_NONE, destination, logical, data >>> 8 & 7, data & 0xff, (data & 1 << 15) != 0);
    }

    /** Delivery mode 1 (lowest priority) goes to one processor, everything else to all that the destination names. */
    @Override
    public void deliver(
            LocalApic from, int shorthand, int destination, boolean logical, int mode, int vector, boolean level) {
        LocalApic lowest = null;
        for (SoftVcpu vcpu : vcpus) {
            LocalApic apic = vcpu.apic;
            if (apic == null) continue;
            boolean mine = switch (shorthand) {
                case SHORTHAND_NONE -> apic.matches(destination, logical);
                case SHORTHAND_SELF -> apic == from;
                case SHORTHAND_ALL -> true;
                default -> apic != from;
            };
            if (!mine) continue;
            if (mode != 1) apic.receive(mode, vector, level);
            else if (lowest == null || apic.priority() < lowest.priority()) lowest = apic;
        }
        if (lowest != null) lowest.receive(1, vector, level);
    }

    @Override
    public void endOfInterrupt(int vector) {
        options.controller().endOfInterrupt(vector);
    }

    @Override
    public void externalInterruptChanged() {
        for (SoftVcpu vcpu : vcpus) vcpu.wake();
    }

    /** A local APIC's page has moved: TLB entries may cover what is memory now, or was. */
    @Override
    public void apicMoved() {
        flushAll(null);
    }

    @Override
    public void invalidate(long gpa, long sizeBytes) {
        flushAll(null);
    }

    @Override
    public void memoryWritten(long gpa, long sizeBytes) {
        for (long at = gpa, end = gpa + sizeBytes; at < end; at = (at & -PAGE_BYTES) + PAGE_BYTES) {
            long host = vm.memory().translate(at);
            if (host != 0) code.written(host, (int) (Math.min(end, (at & -PAGE_BYTES) + PAGE_BYTES) - at));
        }
    }

    /** Host page {@code page} holds code from now on: no processor keeps the right to write it unseen. */
    void codeAppeared(long page, SoftVcpu by) {
        by.mmu.dropWriteTags(page);
        if (vcpus.size() > 1) flushAll(by);
    }

    /**
     * The decoded code has outgrown its share of the heap: all of it goes. Called between two blocks of {@code by}'s.
     */
    void forgetCode(SoftVcpu by) {
        code.clear();
        by.forgetCode();
        if (vcpus.size() > 1) flushAll(by);
    }

    /** Empties every processor's TLB but one's, and waits until those that run have done so. */
    private void flushAll(SoftVcpu except) {
        Thread self = Thread.currentThread();
        SoftVcpu own = null;
        for (SoftVcpu vcpu : vcpus) {
            if (vcpu == except) continue;
            if (vcpu.runsOn(self)) {
                own = vcpu;
                vcpu.mmu.flushAll();
                vcpu.cpu.limit = 0;
            } else {
                vcpu.requestFlush();
            }
        }
        SoftVcpu me = own != null ? own : except;
        for (SoftVcpu vcpu : vcpus) if (vcpu != except && vcpu != own) vcpu.awaitFlush(me);
    }

    boolean allHaltedForever() {
        for (SoftVcpu vcpu : vcpus) if (!vcpu.deaf()) return false;
        return true;
    }

    @Override
    public void close() {
        code.clear();
    }
}
