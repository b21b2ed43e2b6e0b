package org.nestorvm.boot.acpi;

/**
 * What the tables tell of a machine: the machine's own layout, passed in so that there is one place for each address.
 *
 * @param cpus processors; the APIC id of each is its index
 * @param ioApicPins inputs of the I/O APIC; interrupt n of the system is its pin n
 * @param pmPort the first of sixteen ports: PM1a event (4 bytes), PM1a control (2 bytes, at +4), PM timer (4 bytes, at
 *     +8)
 * @param pmTimerBits 24 or 32
 * @param sciIrq the ISA interrupt of the system control interrupt, level triggered, active high
 * @param s5SleepType SLP_TYP that with SLP_EN in PM1a control powers off
 * @param resetPort a one-byte register, and {@code resetValue} the byte that resets
 * @param hpet 0 for none
 * @param ecam the memory-mapped PCI configuration space of bus 0 to {@code ecamBuses - 1}; 0 for none
 * @param pciIrqs the system interrupts of INTA to INTD of device 0; those of device n are rotated by n
 * @param pciMemory the window for the BARs of PCI devices below 4 GiB, and its size; size 0 for none
 * @param pciMemory64 the same above 4 GiB
 * @param serialPorts first ports of the 16550 UARTs, with {@code serialIrqs} beside them
 * @param i8042 there is a keyboard controller; without it Linux does not probe for one
 * @param powerButton the fixed power button of PM1a is there
 * @param panicPort the port of QEMU's pvpanic; 0 for none
 */
public record AcpiPlatform(
        int cpus,
        long localApic,
        long ioApic,
        int ioApicPins,
        int pmPort,
        int pmTimerBits,
        int sciIrq,
        int s5SleepType,
        int resetPort,
        int resetValue,
        long hpet,
        long ecam,
        int ecamBuses,
        int[] pciIrqs,
        long pciMemory,
        long pciMemorySize,
        long pciMemory64,
        long pciMemory64Size,
        int[] serialPorts,
        int[] serialIrqs,
        boolean i8042,
        boolean powerButton,
        int panicPort) {
    /** A PC with one COM port and nothing on PCI but the host bridge, at the usual addresses. */
    public static AcpiPlatform pc(int cpus) {
        return new AcpiPlatform(
                cpus,
                0xfee00000L,
                0xfec00000L,
                24,
                0x600,
                32,
                9,
                5,
                0xcf9,
                0x06,
                0xfed00000L,
                0,
                0,
                new int[] {16, 17, 18, 19},
                0xc0000000L,
                0x3c000000L,
                0,
                0,
                new int[] {0x3f8},
                new int[] {4},
                false,
                true,
                0);
    }
}
