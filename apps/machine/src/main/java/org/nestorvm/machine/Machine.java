package org.nestorvm.machine;

import java.io.IOException;
import java.util.List;
import org.nestorvm.boot.BiosData;
import org.nestorvm.devices.MsiSink;
import org.nestorvm.virtio.console.ConsoleDevice;
import org.nestorvm.virtio.pci.VirtioPci;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.EngineOptions;
import org.nestorvm.vmm.EngineVm;
import org.nestorvm.vmm.GuestMemory;
import org.nestorvm.vmm.HostClock;
import org.nestorvm.vmm.InstructionClock;
import org.nestorvm.vmm.InterruptPins;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.MemorySlot;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmClock;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/**
 * A PC: memory, processors, {@link Board}, and a program in memory. It is made, run once and closed; to start a guest
 * anew, make another from the same {@link MachineConfig}. All methods may be called from any thread.
 */
public final class Machine implements AutoCloseable {
    private static final long NS_PER_SECOND = 1_000_000_000;

    private final MachineConfig config;
    private final String description;
    private final VmClock clock;
    private final VirtualMachine vm;
    private final ConsoleOutput console, debugConsole;
    private final Board board;
    private final Processors processors;
    private final VirtioBus virtio;
    private final ConsoleDevice virtioConsole; // null: none
    private volatile ConsoleDevice typedTo; // null: the serial port
    private volatile EngineVm engine; // null before the first instruction and after the last

    /**
     * Reads the program, makes the machine and puts the program into its memory.
     *
     * @throws IOException when the program cannot be used or the host or the engine cannot provide the machine; nothing
     *     is left behind
     */
    public static Machine create(MachineConfig config) throws IOException {
        MemoryMap map = MemoryMap.pc(config.memoryBytes());
        Loader.Program program = config.loader().plan(map.ranges(), Layout.ACPI_TABLES);
        VmConfig vmConfig = VmConfig.of(config.name(), map)
                .withVcpus(config.cpus())
                .withFormat(config.format())
                .withSealed(config.sealed());
        VirtualMachine vm = Vmm.processDefault().create(vmConfig);
        try {
            return new Machine(config, vm, program);
        } catch (IOException | RuntimeException | Error e) {
            vm.close();
            throw e;
        }
    }

    private Machine(MachineConfig config, VirtualMachine vm, Loader.Program program) throws IOException {
        this.config = config;
        this.vm = vm;
        description = program.description();
        clock = config.time() == MachineConfig.Time.HOST
                ? new HostClock()
                : new InstructionClock(config.wallClock().getEpochSecond() * NS_PER_SECOND
                        + config.wallClock().getNano());
        console = new ConsoleOutput("console-" + config.name(), config.console());
        debugConsole = config.debugConsole() == null
                ? null
                : new ConsoleOutput("debug-console-" + config.name(), config.debugConsole());
        try {
            Inside inside = new Inside();
            board = new Board(
                    inside,
                    vm.config().memory(),
                    config.cpus(),
                    config.board(),
                    console,
                    debugConsole == null ? value -> {} : debugConsole);
            vm.attach(
                    config.engine(),
                    new EngineOptions(
                            engineHasChips() ? EngineOptions.Interrupts.ALL : EngineOptions.Interrupts.LOCAL_APIC,
                            board.interrupts.controller(),
                            clock));
            if (engineHasChips()) vm.engine().prepareChips(Board.levelTriggered(), Board.ioApicId(config.cpus()));
            processors = new Processors(config.name(), vm.vcpus(), board.bus(), this::hangUp);
            place(program);
            engine = vm.engine();
            virtio = VirtioBus.create(config, vm, board, inside.localApics());
            virtioConsole = virtio.functions().stream()
                    .map(VirtioPci::device)
                    .filter(ConsoleDevice.class::isInstance)
                    .map(ConsoleDevice.class::cast)
                    .filter(ConsoleDevice::hasConsole)
                    .findFirst()
                    .orElse(null);
            typedTo = virtioConsole;
        } catch (IOException | RuntimeException | Error e) {
            releaseHost();
            throw e;
        }
    }

    private boolean engineHasChips() {
        return config.irqchip() == MachineConfig.Irqchip.KERNEL;
    }

    private void place(Loader.Program program) {
        byte[] acpi = Board.acpiTables(config.cpus());
        vm.memory().write(Layout.ACPI_TABLES, acpi, 0, acpi.length);
        byte[] data = BiosData.area(Layout.COM1, clock.wallClockAtZeroNs() + clock.nowNs()),
                extended = BiosData.extended();
        vm.memory().write(BiosData.AREA, data, 0, data.length);
        vm.memory().write(BiosData.EXTENDED, extended, 0, extended.length);
        vm.vcpu(0).writeState(program.place(vm.memory()));
        for (int i = 1; i < config.cpus(); i++) {
            CpuState waiting = new CpuState();
            waiting.waitForSipi = true;
            vm.vcpu(i).writeState(waiting);
        }
    }

    /** What the chips see of the machine. */
    private final class Inside implements Board.Surroundings {
        @Override
        public VmClock clock() {
            return clock;
        }

        @Override
        public GuestMemory memory() {
            return vm.memory();
        }

        @Override
        public MsiSink localApics() {
            return (address, data) -> {
                EngineVm to = engine;
                if (to != null) to.signalMsi(address, data);
            };
        }

        @Override
        public InterruptPins enginePins() {
            return engineHasChips() ? new Pins() : null;
        }

        @Override
        public void interruptChanged() {
            EngineVm to = engine;
            if (to != null) to.externalInterruptChanged();
        }

        @Override
        public void unmapPage(long gpa) {
            vm.unmapPage(gpa);
        }

        @Override
        public void end(Outcome outcome) {
            processors.end(outcome);
        }
    }

    /** Of the engine, while there is one; the chips are wired before it is made. */
    private final class Pins implements InterruptPins {
        @Override
        public void setPic(int irq, boolean asserted) {
            EngineVm to = engine;
            if (to != null) to.pins().setPic(irq, asserted);
        }

        @Override
        public void setIoApic(int pin, boolean asserted) {
            EngineVm to = engine;
            if (to != null) to.pins().setIoApic(pin, asserted);
        }
    }

    /**
     * Makes all of the guest's memory resident, so that no shortage of the host's comes later. @throws IOException when
     * there is not enough
     */
    public void reserveMemory() throws IOException {
        for (MemorySlot slot : vm.slots()) slot.mapping().makeResident(0, slot.sizeBytes());
    }

    /**
     * Starts and waits: the whole life of a guest. @throws InterruptedException when the caller is interrupted; the
     * machine goes on
     */
    public Outcome run() throws InterruptedException {
        start();
        return await();
    }

    /** @throws IllegalStateException the second time */
    public void start() {
        processors.start();
    }

    /**
     * Waits for the end. By then the virtual CPUs have left the guest and the consoles have what it printed, as far as
     * their streams took it.
     */
    public Outcome await() throws InterruptedException {
        Outcome outcome = processors.await();
        closeConsoles();
        return outcome;
    }

    /**
     * Ends the guest, whatever it does, with {@link Outcome.Kind#STOPPED}. Returns at once; {@link #await} then takes
     * bounded time.
     */
    public void stop() {
        stop(Outcome.Kind.STOPPED, "stopped on request");
    }

    /** The same with another outcome. @param detail one line: why */
    public void stop(Outcome.Kind kind, String detail) {
        processors.end(Outcome.of(kind, detail));
        console.release();
        if (debugConsole != null) debugConsole.release();
    }

    /**
     * Asks the guest to shut down by itself, as the power button of a PC does.
     *
     * @return whether the guest has enabled the button's interrupt; one that has not does nothing
     */
    public boolean pressPowerButton() {
        boolean heard = board.acpiPm.pressPowerButton();
        wakeUp();
        return heard;
    }

    /**
     * Types on the guest's console: the virtio one, if there is one, else the serial port. Waits while the guest has
     * not read enough of what came before.
     *
     * @return false when the guest has ended, and so there is nobody who would take all of it
     */
    public boolean type(byte[] bytes, int offset, int length) throws InterruptedException {
        for (int done = 0; ; ) {
            done += offer(bytes, offset + done, length - done);
            if (done == length) return true;
            ConsoleDevice to = typedTo;
            if (!(to == null ? board.com1.awaitRoom() : to.awaitRoom())) return false;
        }
    }

    private void hangUp() {
        board.com1.hangUp();
        ConsoleDevice to = typedTo;
        if (to != null) to.hangUp();
    }

    /** From now on {@link #type} and {@link #offer} type on the serial port, though there is a virtio console. */
    public void typeOnSerialPort() {
        typedTo = null;
    }

    /** Types as much as there is room for, and says how much; nothing when the guest has ended. */
    public int offer(byte[] bytes, int offset, int length) {
        ConsoleDevice to = typedTo;
        int accepted = to != null ? to.offer(bytes, offset, length) : board.com1.offer(bytes, offset, length);
        wakeUp();
        return accepted;
    }

    /** The terminal at the virtio console, if there is one, has another size. */
    public void resizeConsole(int cols, int rows) {
        if (virtioConsole != null) virtioConsole.setSize(cols, rows);
    }

    /** Where time is counted in instructions a halted processor does not see by itself that a deadline has come. */
    private void wakeUp() {
        if (config.time() == MachineConfig.Time.INSTRUCTIONS) vm.vcpu(0).kick();
    }

    /** Null while the guest runs, or has not started. */
    public Outcome outcome() {
        return processors.outcome();
    }

    public Counters counters() {
        return processors.counters(
                vm.nestedPageTable().residentCount(), vm.nestedFaultHandler().faultCount());
    }

    /** One line: what the program is and how it is entered. */
    public String description() {
        return description;
    }

    public MachineConfig config() {
        return config;
    }

    public VirtualMachine vm() {
        return vm;
    }

    public Board board() {
        return board;
    }

    public VmClock clock() {
        return clock;
    }

    /** In the order of the configuration, on PCI devices 1, 2 and so on. */
    public List<VirtioPci> devices() {
        return virtio.functions();
    }

    /** Stops the guest if it runs, and gives everything back. */
    @Override
    public void close() {
        stop();
        boolean interrupted = false;
        try {
            processors.awaitThreads();
        } catch (InterruptedException e) {
            interrupted = true; // the virtual machine waits for them too
        }
        virtio.close();
        engine = null;
        releaseHost();
        vm.close();
        if (interrupted) Thread.currentThread().interrupt();
    }

    private void releaseHost() {
        if (clock instanceof HostClock host) host.close();
        closeConsoles();
    }

    private void closeConsoles() {
        console.close();
        if (debugConsole != null) debugConsole.close();
    }
}
