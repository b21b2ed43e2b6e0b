package org.nestorvm.machine;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.nestorvm.devices.InterruptRouter;
import org.nestorvm.devices.MsiSink;
import org.nestorvm.devices.PciBus;
import org.nestorvm.virtio.DeviceMemory;
import org.nestorvm.virtio.VirtioDevice;
import org.nestorvm.virtio.pci.VirtioPci;
import org.nestorvm.vmm.EngineVm;
import org.nestorvm.vmm.EventWiring;
import org.nestorvm.vmm.MemorySlot;
import org.nestorvm.vmm.VirtualMachine;

/** The virtio functions of a machine: made in order, on PCI devices 1, 2 and so on, closed in the opposite one. */
final class VirtioBus implements AutoCloseable {
    private final List<VirtioPci> functions = new ArrayList<>();

    private VirtioBus() {}

    /** All or nothing. */
    static VirtioBus create(MachineConfig config, VirtualMachine vm, Board board, MsiSink msi) throws IOException {
        VirtioBus bus = new VirtioBus();
        boolean onCallersThread = config.time() == MachineConfig.Time.INSTRUCTIONS;
        DeviceSource.Host host =
                new DeviceSource.Host(onCallersThread, config.cpus(), vm::discardWithin, config.console());
        try {
            for (DeviceSource source : config.devices()) bus.add(source.open(host), vm, board, msi, onCallersThread);
            board.pci().assignMemory(Layout.PCI_MEMORY, Layout.PCI_MEMORY_BYTES);
            return bus;
        } catch (IOException | RuntimeException | Error e) {
            bus.close();
            throw e;
        }
    }

    private void add(VirtioDevice device, VirtualMachine vm, Board board, MsiSink msi, boolean onCallersThread)
            throws IOException {
        try {
            int slot = functions.size() + 1;
            int wire = PciBus.interruptWire(slot);
            EventWiring wiring = vm.engine() instanceof EventWiring offered ? offered : null;
            VirtioPci function = new VirtioPci(
                    device,
                    new VirtioPci.Wires(memory(vm), msi, board.pciInterrupt(wire), wiring, onCallersThread),
                    InterruptRouter.pciIrq(wire));
            functions.add(function);
            board.pci().add(slot, function);
        } catch (IOException | RuntimeException | Error e) {
            if (functions.isEmpty() || functions.getLast().device() != device) device.close();
            throw e;
        }
    }

    /**
     * The machine's memory as its devices see it. What they write reaches dirty logs, and processors that hold decoded
     * code.
     */
    private static DeviceMemory memory(VirtualMachine vm) {
        EngineVm engine = vm.engine();
        return new DeviceMemory(vm.slots().stream().map(VirtioBus::region).toList(), (gpa, sizeBytes) -> {
            vm.memory().markDirty(gpa, sizeBytes);
            engine.memoryWritten(gpa, sizeBytes);
        });
    }

    private static DeviceMemory.Region region(MemorySlot slot) {
        return new DeviceMemory.Region(
                slot.gpa(), slot.sizeBytes(), slot.hostAddress(), slot.object().descriptor(), 0);
    }

    List<VirtioPci> functions() {
        return List.copyOf(functions);
    }

    /** The processors must have left the guest. */
    @Override
    public void close() {
        for (VirtioPci function : functions.reversed()) function.close();
        functions.clear();
    }
}
