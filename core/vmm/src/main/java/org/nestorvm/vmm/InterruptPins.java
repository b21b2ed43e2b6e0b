package org.nestorvm.vmm;

/**
 * The input pins of the 8259 pair and the I/O APIC of an engine that has them ({@link EngineOptions.Interrupts#ALL}).
 * Any thread may set them; the level a pin has already is no change.
 */
public interface InterruptPins {
    /** Bit n: line n of the 8259s can be a level (ports 4D0h and 4D1h). 0, 1, 2, 8 and 13 are always edges. */
    int LEVEL_CAPABLE = 0xdef8;

    /** @param irq 0..15, not 2, which is the cascade */
    void setPic(int irq, boolean asserted);

    /** @param pin 0..23 */
    void setIoApic(int pin, boolean asserted);
}
