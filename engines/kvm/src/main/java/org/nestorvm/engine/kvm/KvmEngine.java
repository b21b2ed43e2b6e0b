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

    /**
     * System property: {@code ring} for dirty logs that processors report in rings, {@code bitmap} for the kernel's
     * bitmap of a slot, as without the property.
     */
    public static final String DIRTY_LOG = "nestor.kvm.dirtyLog";

    private final boolean readOnlyReserved;
    private final int dirtyRingBytes;
    private final boolean evenOverrun;

    /** As the system properties say. */
    public KvmEngine() {
        this(
                Boolean.getBoolean(READ_ONLY_RESERVED),
                "ring".equals(System.getProperty(DIRTY_LOG)) ? KvmDirtyRings.DEFAULT_BYTES : 0,
                false);
    }

    /**
     * @param dirtyRingBytes 0 for a bitmap
     * @param evenOverrun rings also where the kernel overruns them, for tests
     */
    KvmEngine(boolean readOnlyReserved, int dirtyRingBytes, boolean evenOverrun) {
        this.readOnlyReserved = readOnlyReserved;
        this.evenOverrun = evenOverrun;
        this.dirtyRingBytes = dirtyRingBytes;
    }

    @Override
    public String name() {
        return "kvm";
    }

    @Override
    public String unavailableBecause() {
        return KvmProbe.unavailableBecause();
    }

    @Override
    public EngineVm create(VirtualMachine vm, EngineOptions options) throws IOException {
        if (options.clock() instanceof InstructionClock)
            throw new IOException("kvm cannot run \"" + vm.name()
                    + "\" on a clock that counts instructions: use the engine soft, or the host's clock");
        if (dirtyRingBytes != 0) checkRings(vm.name());
        List<KvmMemory.Slot> slots = new ArrayList<>(vm.slots().size());
        for (MemorySlot slot : vm.slots())
            slots.add(new KvmMemory.Slot(slot.gpa(), slot.sizeBytes(), slot.hostAddress(), readOnly(slot.range())));
        return KvmVm.create(
                vm.name(), slots, KvmSettings.of(options, vm.config().vcpus()).withDirtyRing(dirtyRingBytes));
    }

    private void checkRings(String machine) throws IOException {
        KvmHost host = KvmHost.get();
        int most = host.emulates() && !evenOverrun ? 0 : host.dirtyRingBytes();
        if (dirtyRingBytes > most)
            throw new IOException("kvm cannot log dirty pages of \"" + machine + "\" in rings of " + dirtyRingBytes
                    + " bytes: this host's KVM allows " + most + "; set " + DIRTY_LOG + "=bitmap");
    }

    /**
     * RESERVED is memory the guest may write, as in vmm(4), unless the user asks for firmware that the guest cannot
     * change.
     */
    private boolean readOnly(MemoryRange range) {
        return range.type() == MemoryRange.Type.RESERVED && readOnlyReserved;
    }
}
