package org.nestorvm.vmm;

/**
 * @param interrupts which interrupt hardware the engine provides
 * @param controller the machine's 8259s and I/O APICs; {@link InterruptController#NONE} without them
 * @param clock the guest's time: TSC, local APIC timer, kvm-clock
 */
public record EngineOptions(Interrupts interrupts, InterruptController controller, VmClock clock) {
    public enum Interrupts {
        /** No local APIC. HLT exits, interrupts come through {@link EngineVcpu#inject}. For tests and tiny guests. */
        NONE,
        /**
         * The engine has one local APIC a virtual CPU; 8259s and I/O APICs are the machine's and reach it by MSI
         * messages.
         */
        LOCAL_APIC,
        /** The engine has everything: the 8259 pair, an I/O APIC, local APICs. Devices drive {@link EngineVm#pins}. */
        ALL
    }

    public static EngineOptions bare(VmClock clock) {
        return new EngineOptions(Interrupts.NONE, InterruptController.NONE, clock);
    }
}
