package org.nestorvm.vmm;

/**
 * The machine's interrupt controllers as the processor sees them: the 8259 pair's INTR pin and the I/O APICs'
 * end-of-interrupt.
 */
public interface InterruptController {
    /** The level of the INTR pin. */
    boolean interruptPending();

    /**
     * The INTA cycle: the vector of the highest request, which is now in service; the spurious vector when there is
     * none.
     */
    int acknowledge();

    /**
     * A local APIC has ended a level-triggered interrupt: an I/O APIC clears remote IRR and delivers again if the line
     * is still asserted.
     */
    void endOfInterrupt(int vector);

    /** No controllers at all. */
    InterruptController NONE = new InterruptController() {
        @Override
        public boolean interruptPending() {
            return false;
        }

        @Override
        public int acknowledge() {
            return 0xff;
        }

        @Override
        public void endOfInterrupt(int vector) {}
    };
}
