package org.nestorvm.vmm;

import java.io.IOException;

/** The engine's side of one virtual machine. All methods may be called from any thread. */
public interface EngineVm extends AutoCloseable {
    /** @param index 0 for the boot processor; also the APIC id */
    EngineVcpu createVcpu(int index) throws IOException;

    /**
     * Delivers an interrupt message as it would appear on the bus (SDM vol. 3A, 11.11): what I/O APICs and MSI devices
     * send.
     */
    void signalMsi(long address, int data);

    /**
     * The INTR pin of the 8259 pair changed; the engine asks {@link InterruptController#interruptPending} when it can
     * take one.
     */
    void externalInterruptChanged();

    /**
     * The pins of the chips that the engine has. @throws IllegalStateException unless it was made with
     * {@link EngineOptions.Interrupts#ALL}
     */
    default InterruptPins pins() {
        throw new IllegalStateException("the 8259s and the I/O APIC are the machine's own");
    }

    /**
     * What firmware does with the chips that the engine has, before the first instruction.
     *
     * @param levelTriggered bit n: 8259 line n is a level (ports 4D0h and 4D1h)
     * @param ioApicId the lowest four bits count
     * @throws IllegalStateException as {@link #pins}
     */
    default void prepareChips(int levelTriggered, int ioApicId) throws IOException {
        pins();
    }

    /** Rights were taken from nested page table entries: when this returns no virtual CPU uses an old translation. */
    void invalidate(long gpa, long sizeBytes);

    /**
     * A device of this process has written guest memory. For engines that keep something of its content, like decoded
     * code; called on the device's thread.
     */
    default void memoryWritten(long gpa, long sizeBytes) {}

    /**
     * Starts or ends the engine's own record of pages that virtual CPUs write. For engines whose guests do not go
     * through {@link VirtualMachine#nestedPageTable}; others have nothing to do.
     *
     * @param slot index in {@link VirtualMachine#slots}
     */
    default void logDirty(int slot, boolean on) throws IOException {}

    /**
     * Adds the pages written since the last call, bit n of word n/64 for page n, and protects them again before it
     * returns.
     */
    default void collectDirty(int slot, long[] into) throws IOException {}

    @Override
    void close();
}
