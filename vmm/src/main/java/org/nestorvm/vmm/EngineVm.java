package org.nestorvm.vmm;

import java.io.IOException;

/** The engine's side of one virtual machine. All methods may be called from any thread. */
public interface EngineVm extends AutoCloseable {
    /** @param index 0 for the boot processor; also the APIC id */
    EngineVcpu createVcpu(int index) throws IOException;

    /** Delivers an interrupt message as it would appear on the bus (SDM vol. 3A, 11.11): what I/O APICs and MSI devices send. */
    void signalMsi(long address, int data);

    /** The INTR pin of the 8259 pair changed; the engine asks {@link InterruptController#interruptPending} when it can take one. */
    void externalInterruptChanged();

    /** Rights were taken from nested page table entries: when this returns no virtual CPU uses an old translation. */
    void invalidate(long gpa, long sizeBytes);

    @Override
    void close();
}
