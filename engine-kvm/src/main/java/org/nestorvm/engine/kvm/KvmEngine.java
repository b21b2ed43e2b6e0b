package org.nestorvm.engine.kvm;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.EngineVm;
import org.nestorvm.vmm.InstructionClock;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.MemorySlot;
import org.nestorvm.vmm.VirtualMachine;

/** The host's KVM. */
public final class KvmEngine implements Engine {
    /** System property: with {@code true}, writes to RESERVED ranges leave the guest and are dropped by the bus. */
    public static final String READ_ONLY_RESERVED = "nestor.kvm.readOnlyReserved";

    public KvmEngine() {
    }

    @Override public String name() {
        return "kvm";
    }

    @Override public String unavailableBecause() {
        return KvmProbe.unavailableBecause();
    }

    @Override public EngineVm create(VirtualMachine vm, EngineOptions options) throws IOException {
        if (options.clock() instanceof InstructionClock)
            throw new IOException("kvm cannot run \"" + vm.name() + "\" on a clock that counts instructions: use the engine soft, or the host's clock");
        List<KvmMemory.Slot> slots = new ArrayList<>(vm.slots().size());
        for (MemorySlot slot : vm.slots()) slots.add(new KvmMemory.Slot(slot.gpa(), slot.sizeBytes(), slot.hostAddress(), readOnly(slot.range())));
        return KvmVm.create(vm.name(), slots, KvmSettings.of(options, vm.config().vcpus()));
    }

    /** RESERVED is memory the guest may write, as in vmm(4), unless the user asks for firmware that the guest cannot change. */
    private static boolean readOnly(MemoryRange range) {
        return range.type() == MemoryRange.Type.RESERVED && Boolean.getBoolean(READ_ONLY_RESERVED);
    }
}
