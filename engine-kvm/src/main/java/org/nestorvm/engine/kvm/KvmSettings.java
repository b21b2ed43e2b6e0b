package org.nestorvm.engine.kvm;

import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.InterruptController;
import org.nestorvm.vmm.VmClock;

/** @param vcpus how many processors the machine will have; CPUID tells the guest */
record KvmSettings(KvmVm.Irqchip irqchip, InterruptController controller, VmClock clock, int vcpus) {
    static KvmSettings of(EngineOptions options, int vcpus) {
        KvmVm.Irqchip irqchip = options.interrupts() == EngineOptions.Interrupts.NONE ? KvmVm.Irqchip.NONE : KvmVm.Irqchip.SPLIT;
        return new KvmSettings(irqchip, options.controller(), options.clock(), vcpus);
    }
}
