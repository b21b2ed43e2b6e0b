package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.InterruptPins;

/**
 * State of the chips that KVM emulates in a machine whose whole interrupt controller is the kernel's
 * ({@link KvmVm.Irqchip#KERNEL}).
 */
final class KvmChips {
    /** The order is that of the header's KVM_IRQCHIP_ numbers; the 8254 has calls of its own. */
    enum Chip {
        PIC_MASTER,
        PIC_SLAVE,
        IOAPIC,
        PIT
    }

    private static final long CHIP_ID = offset(KvmStructs.IRQCHIP, "chip_id"),
            CHIP = offset(KvmStructs.IRQCHIP, "chip");
    private static final int CHIP_BYTES = (int) CStruct.size(KvmStructs.IRQCHIP, "chip"),
            PIT_BYTES = (int) KvmStructs.PIT_STATE2.byteSize();
    private static final int ELCR = (int) offset(KvmStructs.PIC_STATE, "elcr"),
            IOAPIC_ID = (int) offset(KvmStructs.IOAPIC_STATE, "id");

    private final KvmFile vm;

    KvmChips(KvmFile vm) {
        this.vm = vm;
    }

    byte[] save(Chip chip) throws ErrnoException {
        byte[] state = new byte[chip == Chip.PIT ? PIT_BYTES : CHIP_BYTES];
        if (chip == Chip.PIT) {
            long pit = Scratch.zeroed(PIT_BYTES);
            vm.ioctl("KVM_GET_PIT2", Kvm.GET_PIT2, pit);
            HostMemory.copyOut(pit, state, 0, state.length);
        } else {
            long irqchip = irqchip(chip);
            vm.ioctl("KVM_GET_IRQCHIP", Kvm.GET_IRQCHIP, irqchip);
            HostMemory.copyOut(irqchip + CHIP, state, 0, state.length);
        }
        return state;
    }

    /** @param state as {@link #save} gave it */
    void restore(Chip chip, byte[] state) throws ErrnoException {
        if (chip == Chip.PIT) {
            long pit = Scratch.zeroed(PIT_BYTES);
            HostMemory.copyIn(state, 0, pit, PIT_BYTES);
            vm.ioctl("KVM_SET_PIT2", Kvm.SET_PIT2, pit);
        } else {
            long irqchip = irqchip(chip);
            HostMemory.copyIn(state, 0, irqchip + CHIP, CHIP_BYTES);
            vm.ioctl("KVM_SET_IRQCHIP", Kvm.SET_IRQCHIP, irqchip);
        }
    }

    /** What firmware does: which lines of the 8259 pair are levels, and the I/O APIC's id. */
    void prepare(int levelTriggered, int ioApicId) throws ErrnoException {
        byte[] master = save(Chip.PIC_MASTER), slave = save(Chip.PIC_SLAVE), ioApic = save(Chip.IOAPIC);
        master[ELCR] = (byte) (levelTriggered & InterruptPins.LEVEL_CAPABLE);
        slave[ELCR] = (byte) ((levelTriggered & InterruptPins.LEVEL_CAPABLE) >>> 8);
        ioApic[IOAPIC_ID] = (byte) (ioApicId & 0xf);
        restore(Chip.PIC_MASTER, master);
        restore(Chip.PIC_SLAVE, slave);
        restore(Chip.IOAPIC, ioApic);
    }

    private static long irqchip(Chip chip) {
        long irqchip = Scratch.zeroed(KvmStructs.IRQCHIP.byteSize());
        HostMemory.putInt(irqchip + CHIP_ID, chip.ordinal());
        return irqchip;
    }
}
