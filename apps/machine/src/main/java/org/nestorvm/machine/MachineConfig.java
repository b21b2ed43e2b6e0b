package org.nestorvm.machine;

import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.nestorvm.devices.PciBus;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.CpuState;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.VmRefusedException;

/**
 * What a machine is made from. {@link #of} gives one with defaults, the {@code with} methods change a single part.
 *
 * @param name 1 to 63 characters, as {@link VmConfig#checkName} has it
 * @param engine what runs the virtual CPUs, see {@link Engines}
 * @param memoryBytes the guest's memory: a multiple of 4 KiB, at least 1 MiB
 * @param cpus virtual CPUs; exactly one with {@link Time#INSTRUCTIONS}
 * @param format the nested page table's entry format
 * @param time where the guest's time comes from
 * @param wallClock what the guest's clock shows at the start, with {@link Time#INSTRUCTIONS}; otherwise it shows the
 *     host's
 * @param loader the first program
 * @param console takes what the guest sends on its serial port; flushed when there is nothing more to write, never
 *     closed
 * @param debugConsole takes what the guest writes to port E9h; null to drop it
 * @param board what the board has besides the chips of a PC
 * @param sealed make the memory mappings immutable; for a process that runs one machine
 * @param irqchip who has the interrupt controllers
 * @param devices on the PCI bus, from device 1 on; at most {@link #MAX_DEVICES}
 */
public record MachineConfig(
        String name,
        Engine engine,
        long memoryBytes,
        int cpus,
        EntryFormat format,
        Time time,
        Instant wallClock,
        Loader loader,
        OutputStream console,
        OutputStream debugConsole,
        BoardOptions board,
        boolean sealed,
        Irqchip irqchip,
        List<DeviceSource> devices) {
    public static final long DEFAULT_MEMORY_BYTES = 512L << 20;
    public static final int MAX_DEVICES = PciBus.DEVICES - 1;

    public enum Time {
        /** The host's monotonic clock. */
        HOST,
        /** One nanosecond an instruction: the same guest with the same input does the same thing every time. */
        INSTRUCTIONS
    }

    /** Linux's word for the interrupt controllers together. */
    public enum Irqchip {
        /** The engine has the local APICs, the machine the 8259 pair and the I/O APIC. */
        SPLIT,
        /** The engine has all of them; KVM only. */
        KERNEL;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    public MachineConfig {
        VmConfig.checkName(name);
        Objects.requireNonNull(engine, "engine");
        Objects.requireNonNull(format, "format");
        Objects.requireNonNull(time, "time");
        Objects.requireNonNull(wallClock, "wallClock");
        Objects.requireNonNull(loader, "loader");
        Objects.requireNonNull(console, "console");
        Objects.requireNonNull(board, "board");
        Objects.requireNonNull(irqchip, "irqchip");
        devices = List.copyOf(devices);
        if (devices.size() > MAX_DEVICES)
            throw new VmRefusedException("machine \"" + name + "\" asks for " + devices.size()
                    + " devices: the PCI bus has room for " + MAX_DEVICES);
        if (time == Time.INSTRUCTIONS && cpus > 1)
            throw new VmRefusedException("machine \"" + name + "\" asks for " + cpus
                    + " virtual CPUs: time that is counted in instructions needs exactly one");
    }

    /** 512 MiB, one virtual CPU, EPT entries, the host's time, output dropped, no debug ports' effects. */
    public static MachineConfig of(String name, Engine engine, Loader loader) {
        return new MachineConfig(
                name,
                engine,
                DEFAULT_MEMORY_BYTES,
                1,
                EntryFormat.EPT,
                Time.HOST,
                Instant.EPOCH,
                loader,
                OutputStream.nullOutputStream(),
                null,
                BoardOptions.USUAL,
                false,
                Irqchip.SPLIT,
                List.of());
    }

    /** A kernel file. @param initrd null for none */
    public static MachineConfig kernel(String name, Engine engine, Path kernel, String initrd, String commandLine) {
        return of(name, engine, Loader.kernel(kernel, initrd, commandLine));
    }

    /** Code at an address, for small guests. */
    public static MachineConfig flat(String name, Engine engine, long gpa, byte[] code, CpuState start) {
        return of(name, engine, Loader.flat(gpa, code, start));
    }

    public MachineConfig withMemory(long bytes) {
        return new MachineConfig(
                name,
                engine,
                bytes,
                cpus,
                format,
                time,
                wallClock,
                loader,
                console,
                debugConsole,
                board,
                sealed,
                irqchip,
                devices);
    }

    public MachineConfig withCpus(int count) {
        return new MachineConfig(
                name,
                engine,
                memoryBytes,
                count,
                format,
                time,
                wallClock,
                loader,
                console,
                debugConsole,
                board,
                sealed,
                irqchip,
                devices);
    }

    public MachineConfig withFormat(EntryFormat newFormat) {
        return new MachineConfig(
                name,
                engine,
                memoryBytes,
                cpus,
                newFormat,
                time,
                wallClock,
                loader,
                console,
                debugConsole,
                board,
                sealed,
                irqchip,
                devices);
    }

    /** Time by instructions, from the given moment on. */
    public MachineConfig withInstructionTime(Instant start) {
        return new MachineConfig(
                name,
                engine,
                memoryBytes,
                cpus,
                format,
                Time.INSTRUCTIONS,
                start,
                loader,
                console,
                debugConsole,
                board,
                sealed,
                irqchip,
                devices);
    }

    public MachineConfig withConsole(OutputStream output) {
        return new MachineConfig(
                name,
                engine,
                memoryBytes,
                cpus,
                format,
                time,
                wallClock,
                loader,
                output,
                debugConsole,
                board,
                sealed,
                irqchip,
                devices);
    }

    public MachineConfig withDebugConsole(OutputStream output) {
        return new MachineConfig(
                name,
                engine,
                memoryBytes,
                cpus,
                format,
                time,
                wallClock,
                loader,
                console,
                output,
                board,
                sealed,
                irqchip,
                devices);
    }

    public MachineConfig withDebugExit(boolean present) {
        return withBoard(board.withDebugExit(present));
    }

    /** The device that test kernels expect of QEMU. */
    public MachineConfig withTestDevice(boolean present) {
        return withBoard(board.withTestDevice(present));
    }

    /** Whether a guest that tells its pvpanic device of a panic ends with {@link Outcome.Kind#PANICKED}. */
    public MachineConfig withPanicEnds(boolean ends) {
        return withBoard(board.withPanicEnds(ends));
    }

    private MachineConfig withBoard(BoardOptions options) {
        return new MachineConfig(
                name,
                engine,
                memoryBytes,
                cpus,
                format,
                time,
                wallClock,
                loader,
                console,
                debugConsole,
                options,
                sealed,
                irqchip,
                devices);
    }

    /** One device more. */
    public MachineConfig withDevice(DeviceSource device) {
        List<DeviceSource> more = new ArrayList<>(devices);
        more.add(device);
        return withDevices(more);
    }

    public MachineConfig withDevices(List<DeviceSource> all) {
        return new MachineConfig(
                name,
                engine,
                memoryBytes,
                cpus,
                format,
                time,
                wallClock,
                loader,
                console,
                debugConsole,
                board,
                sealed,
                irqchip,
                all);
    }

    public MachineConfig withSealed(boolean seal) {
        return new MachineConfig(
                name,
                engine,
                memoryBytes,
                cpus,
                format,
                time,
                wallClock,
                loader,
                console,
                debugConsole,
                board,
                seal,
                irqchip,
                devices);
    }

    public MachineConfig withIrqchip(Irqchip where) {
        return new MachineConfig(
                name,
                engine,
                memoryBytes,
                cpus,
                format,
                time,
                wallClock,
                loader,
                console,
                debugConsole,
                board,
                sealed,
                where,
                devices);
    }
}
