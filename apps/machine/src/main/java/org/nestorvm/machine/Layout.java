package org.nestorvm.machine;

import org.nestorvm.boot.acpi.AcpiPlatform;
import org.nestorvm.boot.acpi.AcpiTables;
import org.nestorvm.devices.AcpiPm;
import org.nestorvm.devices.InterruptRouter;
import org.nestorvm.devices.IoApic;
import org.nestorvm.vmm.MemoryMap;

/**
 * Every fixed guest-physical address, port and interrupt line of the machine. The ranges of memory are
 * {@link MemoryMap#pc}'s, what loaders use is theirs.
 */
public final class Layout {
    /** In the reserved range below 1 MiB, where a search for the root pointer looks. */
    public static final long ACPI_TABLES = 0xe0000;

    public static final long ACPI_TABLES_END = ACPI_TABLES + AcpiTables.MAX_BYTES;

    public static final long PCI_MEMORY = MemoryMap.PCI_HOLE;
    public static final long IO_APIC = 0xfec00000L;
    public static final long HPET = 0xfed00000L;
    public static final long LOCAL_APIC = 0xfee00000L;
    public static final long PCI_MEMORY_BYTES = IO_APIC - PCI_MEMORY;
    /** Windows of 64 bits: above all memory that a machine can have. */
    public static final long PCI_MEMORY_64 = 1L << 40, PCI_MEMORY_64_BYTES = 1L << 40;

    public static final int PIC_MASTER = 0x20, PIC_SLAVE = 0xa0, ELCR = 0x4d0;
    public static final int PIT = 0x40, SYSTEM_CONTROL_B = 0x61;
    public static final int KEYBOARD_DATA = 0x60, KEYBOARD_COMMAND = 0x64;
    public static final int RTC = 0x70;
    public static final int SYSTEM_CONTROL_A = 0x92;
    public static final int DEBUG_CONSOLE = 0xe9, DEBUG_EXIT = 0xf4;
    public static final int COM1 = 0x3f8;
    public static final int FW_CFG = 0x510, FW_CFG_DMA = 0x514;
    public static final int PANIC = 0x505;
    public static final int ACPI_PM = 0x600;
    public static final int PCI_CONFIG = 0xcf8, RESET_CONTROL = 0xcf9;

    /** The test device, where a machine has one. Its memory is behind the local APICs. */
    public static final int TEST_REGISTER = 0xe0, TEST_UNMAP = 0xe4, TEST_REGISTER_BYTES = 0xe8, TEST_LINES = 0x2000;

    public static final long TEST_MEMORY = 0xff000000L;

    public static final int TIMER_IRQ = 0, KEYBOARD_IRQ = 1, COM1_IRQ = 4, RTC_IRQ = 8, ACPI_IRQ = 9;
    /** What the tables name, and the PM1a control block takes, for power-off. */
    public static final int SLEEP_TYPE_OFF = 5;

    public static final int RESET_VALUE = 0x06;

    /** The same for whoever writes the tables. */
    static AcpiPlatform acpiPlatform(int cpus) {
        int[] pciGsis = new int[InterruptRouter.PCI_PINS];
        for (int wire = 0; wire < pciGsis.length; wire++) pciGsis[wire] = InterruptRouter.PCI_GSI + wire;
        return new AcpiPlatform(
                cpus,
                LOCAL_APIC,
                IO_APIC,
                IoApic.PINS,
                ACPI_PM,
                AcpiPm.TIMER_BITS,
                ACPI_IRQ,
                SLEEP_TYPE_OFF,
                RESET_CONTROL,
                RESET_VALUE,
                HPET,
                0,
                0,
                pciGsis,
                PCI_MEMORY,
                PCI_MEMORY_BYTES,
                PCI_MEMORY_64,
                PCI_MEMORY_64_BYTES,
                new int[] {COM1},
                new int[] {COM1_IRQ},
                false,
                true,
                PANIC);
    }

    private Layout() {}
}
