package org.nestorvm.engine.kvm;

import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.VmClock;

/**
 * @param vcpus how many processors the machine will have; CPUID tells the guest
 * @param dirtyRingBytes size of a processor's ring of dirty pages, a power of two; 0: the dirty log is a bitmap
 */
record KvmSettings(
        KvmVm.Irqchip irqchip, InterruptController controller, VmClock clock, int vcpus, int dirtyRingBytes) {
    static KvmSettings of(EngineOptions options, int vcpus) {
        KvmVm.Irqchip irqchip = switch (options.interrupts()) {
            case NONE -> KvmVm.Irqchip.NONE;
            case LOCAL_APIC -> KvmVm.Irqchip.SPLIT;
            case ALL -> KvmVm.Irqchip.KERNEL;
        };
        return new KvmSettings(irqchip, options.controller(), options.clock(), vcpus, 0);
    }

    KvmSettings withDirtyRing(int bytes) {
        return new KvmSettings(irqchip, controller, clock, vcpus, bytes);
    }
}
