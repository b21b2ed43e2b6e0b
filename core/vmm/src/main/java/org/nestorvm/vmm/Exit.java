package org.nestorvm.vmm;

/**
 * Why a virtual CPU left the guest. Ports and memory-mapped registers are no exits: an engine hands them to the
 * {@link GuestBus} while it runs, so that the common case allocates nothing.
 */
public sealed interface Exit {
    /**
     * HLT with interrupts enabled, on a machine without a local APIC ({@link EngineOptions.Interrupts#NONE}); elsewhere
     * the engine waits by itself.
     */
    record Halt() implements Exit {}

    /** HLT with interrupts disabled and nothing left that could end it: the guest has stopped for good (P26). */
    record HaltForever() implements Exit {}

    /** Triple fault, or another cause of the processor's shutdown state. */
    record Shutdown() implements Exit {}

    /** {@link EngineVcpu#kick} was called, before or during the run. */
    record Interrupted() implements Exit {}

    /** A breakpoint or single step that the monitor, not the guest, asked for. */
    record Debug(long rip) implements Exit {}

    /** The engine could not enter the guest: its state is invalid. {@code reason} is the hardware's code. */
    record FailEntry(long reason) implements Exit {}

    /** The engine met something it cannot emulate. The virtual CPU cannot go on. */
    record InternalError(int code, String detail) implements Exit {}

    /** An exit reason that the engine does not know. */
    record Unknown(int reason) implements Exit {}
}
