package org.nestorvm.cli;

import java.nio.file.Path;
import java.time.Duration;
import org.nestorvm.machine.MachineConfig;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.VmRefusedException;
import picocli.CommandLine.Option;

/** What {@code nestor run} takes. */
final class RunOptions {
    enum EngineName {
        AUTO,
        KVM,
        SOFT;

        @Override
        public String toString() {
            return EnumWords.word(this);
        }
    }

    enum NestedPaging {
        EPT,
        NPT;

        @Override
        public String toString() {
            return EnumWords.word(this);
        }
    }

    enum ClockSource {
        HOST,
        INSTRUCTIONS;

        @Override
        public String toString() {
            return EnumWords.word(this);
        }
    }

    enum OnReset {
        EXIT,
        REBOOT;

        @Override
        public String toString() {
            return EnumWords.word(this);
        }
    }

    enum PanicSign {
        DEVICE,
        CONSOLE,
        IGNORE;

        @Override
        public String toString() {
            return EnumWords.word(this);
        }
    }

    @Option(
            names = "--engine",
            paramLabel = "auto|kvm|soft",
            defaultValue = "auto",
            description = "What runs the guest's processors: the host's KVM, the processor in Java, or the better of "
                    + "those that work (default: auto).")
    EngineName engine;

    @Option(
            names = "--irqchip",
            paramLabel = "split|kernel",
            defaultValue = "split",
            description = "Where the 8259s and the I/O APIC are: in this process, or with the local APICs in KVM (kvm "
                    + "engine only; default: split).")
    MachineConfig.Irqchip irqchip;

    @Option(
            names = {"-m", "--memory"},
            paramLabel = "SIZE",
            defaultValue = "512M",
            converter = SizeConverter.class,
            description = "The guest's memory, like 512M or 2G (default: 512M).")
    long memoryBytes;

    @Option(
            names = "--memory-reserve",
            description = "Takes all of the guest's memory at the start, or refuses to start.")
    boolean memoryReserve;

    @Option(
            names = "--cpus",
            paramLabel = "N",
            defaultValue = "1",
            description = "The guest's processors (default: 1).")
    int cpus;

    @Option(
            names = "--kernel",
            paramLabel = "FILE",
            description = "A Linux bzImage, an ELF kernel with a PVH note, or a multiboot 1 kernel. Without it: "
                    + "Debian's cloud kernel with a busybox shell, fetched once.")
    Path kernel;

    @Option(
            names = "--initrd",
            paramLabel = "FILE",
            description = "The initial RAM disk; for multiboot a list of modules, FILE[ ARGUMENTS][,FILE...].")
    String initrd;

    @Option(
            names = "--append",
            paramLabel = "TEXT",
            description = "The kernel's command line (default: console=ttyS0, for the fetched guest with quiet).")
    String append;

    @Option(
            names = "--nested-paging",
            paramLabel = "ept|npt",
            defaultValue = "ept",
            description = "Whose format the nested page table has: Intel's or AMD's (default: ept).")
    NestedPaging nestedPaging;

    @Option(
            names = "--console",
            paramLabel = "stdio|none|unix=PATH",
            defaultValue = "stdio",
            converter = ConsoleChoice.Converter.class,
            description = "Where the first serial port goes (default: stdio).")
    ConsoleChoice console;

    @Option(
            names = "--clock",
            paramLabel = "host|instructions",
            defaultValue = "host",
            description = "Where the guest's time comes from. With instructions a run repeats itself exactly (soft "
                    + "engine only; default: host).")
    ClockSource clock;

    @Option(
            names = "--on-reset",
            paramLabel = "exit|reboot",
            defaultValue = "exit",
            description = "What a reset or a triple fault of the guest does (default: exit).")
    OnReset onReset;

    @Option(
            names = "--panic",
            paramLabel = "device|console|ignore",
            defaultValue = "device",
            description = "What ends a guest that panics: its pvpanic driver; or also Linux's line \"Kernel panic - "
                    + "not syncing\" on the "
                    + "console; or nothing (default: device).")
    PanicSign panic;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            converter = SecondsConverter.class,
            description = "Ends the guest after this time.")
    Duration timeout;

    @Option(
            names = "--shutdown-timeout",
            paramLabel = "SECONDS",
            defaultValue = "10",
            description = "How long a guest that listens to its power button has after SIGTERM or SIGHUP; 0 ends it "
                    + "at once (default: 10).")
    int shutdownSeconds;

    @Option(
            names = "--debug-exit",
            description = "A write of VALUE to port 0xf4 ends the command with status VALUE << 1 | 1.")
    boolean debugExit;

    @Option(
            names = "--trace",
            description = "At the end the counters, on standard error: instructions, nested page faults, accesses to "
                    + "devices, exits.")
    boolean trace;

    @Option(
            names = {"-q", "--quiet"},
            description = "No lines of the monitor's own but errors.")
    boolean quiet;

    /** What no single option's value shows. @throws VmRefusedException with the options and the way out */
    void check() {
        if (cpus < 1 || cpus > VmConfig.MAX_VCPUS)
            throw new VmRefusedException(
                    "--cpus " + cpus + " is out of range; a guest has 1 to " + VmConfig.MAX_VCPUS + " processors");
        if (clock == ClockSource.INSTRUCTIONS && cpus > 1)
            throw new VmRefusedException(
                    "--clock instructions with --cpus " + cpus + ": only one processor repeats itself; pass --cpus 1");
        if (shutdownSeconds < 0)
            throw new VmRefusedException(
                    "--shutdown-timeout " + shutdownSeconds + " is out of range; it is a number of seconds from 0 on");
        if (kernel == null && initrd != null)
            throw new VmRefusedException("--initrd " + initrd + " without a kernel; pass --kernel FILE too");
    }
}
