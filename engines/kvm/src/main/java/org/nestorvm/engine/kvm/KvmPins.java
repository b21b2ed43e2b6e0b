package org.nestorvm.engine.kvm;

import static org.nestorvm.engine.kvm.CStruct.offset;

import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.vmm.InterruptPins;

/**
 * The pins of the chips in a machine of {@link KvmVm.Irqchip#KERNEL}. Each has a global interrupt number of its own in
 * {@link KvmRoutes}, so that which lines go where, and which devices share one, is said in one place for both kinds of
 * machine. Only a change of level is a system call.
 */
final class KvmPins implements InterruptPins {
    private static final long IRQ = offset(KvmStructs.IRQ_LEVEL, "irq"), LEVEL = offset(KvmStructs.IRQ_LEVEL, "level");

    private final KvmFile vm;
    private long asserted; // bit n: number n
    private boolean closed;

    KvmPins(KvmFile vm) {
        this.vm = vm;
    }

    @Override
    public void setPic(int irq, boolean level) {
        set(KvmRoutes.PIC_FIRST + irq, level);
    }

    @Override
    public void setIoApic(int pin, boolean level) {
        set(KvmRoutes.IOAPIC_FIRST + pin, level);
    }

    private synchronized void set(int gsi, boolean level) {
        long bit = 1L << gsi;
        if (closed || level == ((asserted & bit) != 0)) return;
        asserted ^= bit;
        long line = Scratch.zeroed(KvmStructs.IRQ_LEVEL.byteSize());
        HostMemory.putInt(line + IRQ, gsi);
        HostMemory.putInt(line + LEVEL, level ? 1 : 0);
        vm.tryIoctl(Kvm.IRQ_LINE, line); // cannot fail: the chips are there, and so is the route
    }

    /** A device's thread may still have an edge to deliver; the descriptor's number may be another file's by then. */
    synchronized void close() {
        closed = true;
    }
}
