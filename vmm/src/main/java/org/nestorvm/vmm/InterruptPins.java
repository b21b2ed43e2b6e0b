package org.nestorvm.vmm;

/** The input pins of the 8259 pair and the I/O APIC of an engine that has them ({@link EngineOptions.Interrupts#ALL}). Any thread may set them; the level a pin has already is no change. */
public interface InterruptPins {
    /** @param irq 0..15, not 2, which is the cascade */
    void setPic(int irq, boolean asserted);

    /** @param pin 0..23 */
    void setIoApic(int pin, boolean asserted);
}
