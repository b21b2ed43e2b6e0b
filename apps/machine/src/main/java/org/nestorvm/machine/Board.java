package org.nestorvm.machine;

import java.util.function.IntConsumer;
import org.nestorvm.boot.acpi.AcpiTables;
import org.nestorvm.devices.AcpiPm;
import org.nestorvm.devices.DebugConsole;
import org.nestorvm.devices.DebugExit;
import org.nestorvm.devices.DeviceBus;
import org.nestorvm.devices.FwCfg;
import org.nestorvm.devices.Hpet;
import org.nestorvm.devices.InterruptRouter;
import org.nestorvm.devices.IoApic;
import org.nestorvm.devices.IrqLine;
import org.nestorvm.devices.Keyboard8042;
import org.nestorvm.devices.MmioBus;
import org.nestorvm.devices.MsiSink;
import org.nestorvm.devices.PciBus;
import org.nestorvm.devices.PicPair;
import org.nestorvm.devices.Pit8254;
import org.nestorvm.devices.PortBus;
import org.nestorvm.devices.PvPanic;
import org.nestorvm.devices.Rtc146818;
import org.nestorvm.devices.SystemControlA;
import org.nestorvm.devices.SystemControlB;
import org.nestorvm.devices.TestDevice;
import org.nestorvm.devices.Uart16550;
import org.nestorvm.vmm.GuestMemory;
import org.nestorvm.vmm.InterruptPins;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemoryRange;
import org.nestorvm.vmm.VmClock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Everything of a PC but processors and memory: the chips by name, and how they are wired. */
public final class Board {
    /** What the chips need of the machine around them. */
    interface Surroundings {
        VmClock clock();

        GuestMemory memory();

        MsiSink localApics();

        /** The pins of the engine's 8259s and I/O APIC; null for chips of the board's own. */
        InterruptPins enginePins();

        /** The INTR pin of the board's 8259s has changed. */
        void interruptChanged();

        /** Takes a page's translation from every processor; its content stays. */
        void unmapPage(long gpa);

        void end(Outcome outcome);
    }

    private static final Logger LOG = LoggerFactory.getLogger(Board.class);

    final PortBus ports = new PortBus();
    final MmioBus mmio = new MmioBus();
    final InterruptRouter interrupts;
    final PciBus pci;
    final Uart16550 com1;
    final AcpiPm acpiPm;
    final FwCfg fwCfg;

    /**
     * @param console takes what is sent on COM1
     * @param debugConsole takes what is written to port E9h
     */
    Board(
            Surroundings machine,
            MemoryMap map,
            int cpus,
            BoardOptions options,
            IntConsumer console,
            IntConsumer debugConsole) {
        VmClock clock = machine.clock();
        InterruptPins pins = machine.enginePins();
        interrupts = pins == null ? addInterruptChips(machine, cpus) : new InterruptRouter(pins);
        Hpet hpet = new Hpet(clock, interrupts, interrupts.isa(Layout.TIMER_IRQ), interrupts.isa(Layout.RTC_IRQ));
        Pit8254 pit = new Pit8254(clock, hpet.timerInput());
        Rtc146818 rtc = new Rtc146818(clock, hpet.clockInput(), lowRamEnd(map), highRamBytes(map));
        com1 = new Uart16550(clock, interrupts.isa(Layout.COM1_IRQ), console);
        acpiPm = new AcpiPm(clock, interrupts.isa(Layout.ACPI_IRQ), type -> sleep(machine, type));
        Keyboard8042 keyboard =
                new Keyboard8042(interrupts.isa(Layout.KEYBOARD_IRQ), () -> reset(machine, "keyboard controller"));
        pci = new PciBus(ports, mmio, () -> reset(machine, "reset control register"));
        fwCfg = new FwCfg(machine.memory());

        ports.add("8254", Layout.PIT, Pit8254.PORTS, 1, pit);
        ports.add("system control B", Layout.SYSTEM_CONTROL_B, 1, 1, new SystemControlB(clock, pit));
        ports.add("8042 data", Layout.KEYBOARD_DATA, 1, 1, keyboard.dataPort());
        ports.add("8042 command", Layout.KEYBOARD_COMMAND, 1, 1, keyboard.commandPort());
        ports.add("RTC", Layout.RTC, Rtc146818.PORTS, 1, rtc);
        ports.add(
                "system control A",
                Layout.SYSTEM_CONTROL_A,
                1,
                1,
                new SystemControlA(() -> reset(machine, "port 92h")));
        ports.add("COM1", Layout.COM1, Uart16550.PORTS, 1, com1);
        ports.add("fw_cfg", Layout.FW_CFG, 2, 2, fwCfg.ports());
        ports.add("fw_cfg DMA", Layout.FW_CFG_DMA, FwCfg.DMA_PORTS, 4, fwCfg.dmaPorts());
        ports.add("ACPI PM", Layout.ACPI_PM, AcpiPm.PORTS, 4, acpiPm);
        ports.add("PCI configuration", Layout.PCI_CONFIG, 8, 4, pci.configPorts());
        ports.add("pvpanic", Layout.PANIC, PvPanic.PORTS, 1, pvPanic(machine, options.panicEnds()));
        if (options.debugExit())
            ports.add(
                    "debug exit",
                    Layout.DEBUG_EXIT,
                    DebugExit.PORTS,
                    4,
                    new DebugExit(status -> machine.end(Outcome.debugExit(status))));
        mmio.add("HPET", Layout.HPET, Hpet.SIZE_BYTES, 8, hpet);
        if (options.testDevice()) addTestDevice(machine);
        else ports.add("debug console", Layout.DEBUG_CONSOLE, 1, 1, new DebugConsole(debugConsole));

        fillFwCfg(map, cpus);
    }

    /** It has the debug console's port. */
    private void addTestDevice(Surroundings machine) {
        TestDevice test = new TestDevice(interrupts, machine::unmapPage);
        ports.add("test register", Layout.TEST_REGISTER, TestDevice.REGISTER_PORTS, 4, test.register());
        ports.add("test register by bytes", Layout.TEST_REGISTER_BYTES, TestDevice.REGISTER_PORTS, 1, test.register());
        ports.add("test unmap", Layout.TEST_UNMAP, TestDevice.REGISTER_PORTS, 4, test.unmap());
        ports.add("test interrupt lines", Layout.TEST_LINES, TestDevice.LINES, 1, test.lines());
        mmio.add("test memory", Layout.TEST_MEMORY, TestDevice.MEMORY_BYTES, 8, test.memory());
    }

    private static PvPanic pvPanic(Surroundings machine, boolean panicEnds) {
        String told = "guest panicked, as it told its pvpanic device";
        Runnable end = () -> machine.end(Outcome.of(Outcome.Kind.PANICKED, told)), log = () -> LOG.warn(told);
        return new PvPanic(panicEnds ? end : log, () -> LOG.warn("guest panicked, and starts its crash kernel"));
    }

    private InterruptRouter addInterruptChips(Surroundings machine, int cpus) {
        PicPair pics = new PicPair(machine::interruptChanged);
        IoApic ioApic = new IoApic(machine.localApics());
        ports.add("8259 master", Layout.PIC_MASTER, 2, 1, pics.masterPorts());
        ports.add("8259 slave", Layout.PIC_SLAVE, 2, 1, pics.slavePorts());
        ports.add("ELCR", Layout.ELCR, 2, 1, pics.elcrPorts());
        mmio.add("I/O APIC", Layout.IO_APIC, IoApic.SIZE_BYTES, 4, ioApic);
        for (int irq = 0; irq < PicPair.IRQS; irq++)
            if ((levelTriggered() >>> irq & 1) != 0) pics.setLevelTriggered(irq);
        ioApic.setId(ioApicId(cpus));
        return new InterruptRouter(pics, ioApic);
    }

    /** Lines that are levels are levels on the 8259s too; firmware sets these bits. */
    static int levelTriggered() {
        int lines = 1 << Layout.ACPI_IRQ;
        for (int wire = 0; wire < InterruptRouter.PCI_PINS; wire++) lines |= 1 << InterruptRouter.pciIrq(wire);
        return lines;
    }

    /** The I/O APIC's id is the one that the tables give it: the first behind the processors'. */
    static int ioApicId(int cpus) {
        return cpus;
    }

    private void fillFwCfg(MemoryMap map, int cpus) {
        fwCfg.add(FwCfg.RAM_SIZE, 8, map.memoryBytes());
        fwCfg.add(FwCfg.CPU_COUNT, 2, cpus);
        fwCfg.add(FwCfg.MAX_CPUS, 2, cpus);
        fwCfg.addFile("etc/e820", E820.table(map));
        fwCfg.addFile("etc/acpi/tables", acpiTables(cpus));
        fwCfg.addFile("etc/pvpanic-port", new byte[] {(byte) Layout.PANIC, (byte) (Layout.PANIC >> 8)});
    }

    /** The tables, for {@link Layout#ACPI_TABLES}. */
    static byte[] acpiTables(int cpus) {
        return AcpiTables.build(Layout.acpiPlatform(cpus), Layout.ACPI_TABLES);
    }

    private static void sleep(Surroundings machine, int type) {
        if (type == Layout.SLEEP_TYPE_OFF) machine.end(Outcome.of(Outcome.Kind.POWERED_OFF, "guest powered off"));
    }

    private static void reset(Surroundings machine, String cause) {
        machine.end(Outcome.of(Outcome.Kind.RESET, "guest reset by the " + cause));
    }

    /** Where RAM below 4 GiB ends. */
    private static long lowRamEnd(MemoryMap map) {
        return map.ranges().stream()
                .filter(r -> isRam(r) && r.gpa() < MemoryMap.PCI_HOLE_END)
                .mapToLong(MemoryRange::end)
                .max()
                .orElse(0);
    }

    private static long highRamBytes(MemoryMap map) {
        return map.ranges().stream()
                .filter(r -> isRam(r) && r.gpa() >= MemoryMap.PCI_HOLE_END)
                .mapToLong(MemoryRange::sizeBytes)
                .sum();
    }

    private static boolean isRam(MemoryRange range) {
        return range.type() == MemoryRange.Type.RAM;
    }

    DeviceBus bus() {
        return new DeviceBus(ports, mmio);
    }

    /** For transports: where devices are put. */
    public PciBus pci() {
        return pci;
    }

    public PortBus ports() {
        return ports;
    }

    public MmioBus mmio() {
        return mmio;
    }

    /** One of PCI's four interrupt wires for one more device. */
    public IrqLine pciInterrupt(int wire) {
        return interrupts.pci(wire);
    }
}
