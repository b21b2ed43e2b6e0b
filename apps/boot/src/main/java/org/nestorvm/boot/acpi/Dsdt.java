package org.nestorvm.boot.acpi;

import java.util.ArrayList;
import java.util.List;
import org.nestorvm.boot.Bytes;

/**
 * The differentiated description: what no bus can enumerate. PCI root, its interrupts, the chips at fixed ports, the
 * processors, power-off.
 */
final class Dsdt {
    private static final int PCI_DEVICES = 32, PINS = 4;
    private static final int CONFIG_ADDRESS = 0xcf8;
    /** {@code _STA}: present, enabled and working, but nothing that a user should see (6.3.7). */
    private static final int WORKS_UNSEEN = 0x0b;

    static byte[] body(AcpiPlatform platform) {
        Bytes out = new Bytes();
        byte[] sleep = Aml.integer(platform.s5SleepType());
        out.raw(Aml.name("\\_S5", Aml.packageOf(sleep, sleep, Aml.integer(0), Aml.integer(0))));
        out.raw(Aml.scope("\\_SB", pciRoot(platform), motherboard(platform), isa(platform), hpet(platform)));
        out.raw(Aml.scope("\\_SB", processors(platform)));
        return out.toArray();
    }

    private static byte[] pciRoot(AcpiPlatform platform) {
        List<byte[]> windows = new ArrayList<>();
        windows.add(Aml.busNumbers(platform.ecam() == 0 ? 0xff : platform.ecamBuses() - 1));
        windows.add(Aml.io(CONFIG_ADDRESS, 8));
        windows.add(Aml.ioWindow(0, CONFIG_ADDRESS - 1));
        windows.add(Aml.ioWindow(CONFIG_ADDRESS + 8, 0xffff));
        if (platform.pciMemorySize() != 0)
            windows.add(Aml.memoryWindow32(platform.pciMemory(), platform.pciMemorySize()));
        if (platform.pciMemory64Size() != 0)
            windows.add(Aml.memoryWindow64(platform.pciMemory64(), platform.pciMemory64Size()));
        boolean express = platform.ecam() != 0;
        byte[] id = Aml.name("_HID", Aml.eisaId(express ? "PNP0A08" : "PNP0A03"));
        byte[] compatible = express ? Aml.name("_CID", Aml.eisaId("PNP0A03")) : new byte[0];
        return Aml.device(
                "PCI0",
                id,
                compatible,
                Aml.name("_UID", Aml.integer(0)),
                Aml.name("_ADR", Aml.integer(0)),
                Aml.resources(windows.toArray(byte[][]::new)),
                Aml.name("_PRT", interruptRouting(platform.pciIrqs())));
    }

    /**
     * {@code Package {address, pin, 0, system interrupt}} for each pin of each device: no link devices, the wires are
     * fixed (6.2.13).
     */
    private static byte[] interruptRouting(int[] irqs) {
        List<byte[]> lines = new ArrayList<>();
        for (int device = 0; device < PCI_DEVICES; device++) {
            for (int pin = 0; pin < PINS; pin++) {
                lines.add(Aml.packageOf(
                        Aml.integer((long) device << 16 | 0xffff),
                        Aml.integer(pin),
                        Aml.integer(0),
                        Aml.integer(irqs[(device + pin) % PINS])));
            }
        }
        return Aml.packageOf(lines.toArray(byte[][]::new));
    }

    /** Ports and memory that belong to the board, so that nothing is put over them. */
    private static byte[] motherboard(AcpiPlatform platform) {
        List<byte[]> taken = new ArrayList<>();
        taken.add(Aml.io(platform.pmPort(), 16));
        if (platform.ecam() != 0) taken.add(Aml.memory32Fixed(platform.ecam(), (long) platform.ecamBuses() << 20));
        return Aml.device("MBRD", Aml.name("_HID", Aml.eisaId("PNP0C02")), Aml.resources(taken.toArray(byte[][]::new)));
    }

    private static byte[] isa(AcpiPlatform platform) {
        Bytes out = new Bytes();
        out.raw(chip("PIC", "PNP0000", Aml.io(0x20, 2), Aml.io(0xa0, 2), Aml.irq(2)));
        out.raw(chip("TIMR", "PNP0100", Aml.io(0x40, 4), Aml.irq(0)));
        out.raw(chip("RTC", "PNP0B00", Aml.io(0x70, 2), Aml.irq(8)));
        if (platform.i8042()) out.raw(chip("KBD", "PNP0303", Aml.io(0x60, 1), Aml.io(0x64, 1), Aml.irq(1)));
        for (int i = 0; i < platform.serialPorts().length; i++) {
            out.raw(Aml.device(
                    "COM" + (i + 1),
                    Aml.name("_HID", Aml.eisaId("PNP0501")),
                    Aml.name("_UID", Aml.integer(i + 1)),
                    Aml.resources(Aml.io(platform.serialPorts()[i], 8), Aml.irq(platform.serialIrqs()[i]))));
        }
        if (platform.panicPort() != 0) {
            out.raw(Aml.device(
                    "PEVT",
                    Aml.name("_HID", Aml.string("QEMU0001")),
                    Aml.name("_STA", Aml.integer(WORKS_UNSEEN)),
                    Aml.resources(Aml.io(platform.panicPort(), 1))));
        }
        return out.toArray();
    }

    private static byte[] chip(String name, String id, byte[]... resources) {
        return Aml.device(name, Aml.name("_HID", Aml.eisaId(id)), Aml.resources(resources));
    }

    private static byte[] hpet(AcpiPlatform platform) {
        if (platform.hpet() == 0) return new byte[0];
        return chip("HPET", "PNP0103", Aml.memory32Fixed(platform.hpet(), 0x400));
    }

    /** Their {@code _UID} is the processor UID of the MADT. */
    private static byte[] processors(AcpiPlatform platform) {
        Bytes out = new Bytes();
        for (int cpu = 0; cpu < platform.cpus(); cpu++) {
            out.raw(Aml.device(
                    String.format("C%03X", cpu),
                    Aml.name("_HID", Aml.string("ACPI0007")),
                    Aml.name("_UID", Aml.integer(cpu))));
        }
        return out.toArray();
    }

    private Dsdt() {}
}
