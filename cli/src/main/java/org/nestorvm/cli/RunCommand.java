package org.nestorvm.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;
import java.util.concurrent.Callable;
import org.nestorvm.boot.BootException;
import org.nestorvm.boot.guest.DefaultGuest;
import org.nestorvm.machine.Counters;
import org.nestorvm.machine.Loader;
import org.nestorvm.machine.Machine;
import org.nestorvm.machine.MachineConfig;
import org.nestorvm.machine.Outcome;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.Vcpu;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code nestor run}: one guest, from its first instruction to its end. Standard output has what the guest prints and nothing else. */
@Command(name = "run", description = "Runs a guest until it ends. On a terminal Ctrl-A x leaves, Ctrl-A h tells more.", mixinStandardHelpOptions = true, sortOptions = false,
    exitCodeListHeading = "%nStatus:%n", exitCodeList = {"0:the guest has powered off or reset, or Ctrl-A x was typed", "1:an error, told in one line", "2:wrong options",
        "other:what the guest wrote to the debug exit port, VALUE << 1 | 1"})
final class RunCommand implements Callable<Integer> {
    private static final int STDERR = 2;
    private static final String APPEND = "console=ttyS0", APPEND_DEFAULT_GUEST = "console=ttyS0 quiet";
    /** What the guest's clock shows at the start of a run that must repeat itself: 2025-01-01, midnight UTC. */
    private static final Instant INSTRUCTION_TIME_ZERO = Instant.ofEpochSecond(1_735_689_600L);

    @Mixin private RunOptions options;
    @Mixin private DeviceOptions devices;

    private final PrintStream err = System.err;

    @Override
    public Integer call() throws IOException, InterruptedException {
        List<String> unrepeatable = options.clock == RunOptions.ClockSource.INSTRUCTIONS ? devices.unrepeatable() : List.of();
        if (!unrepeatable.isEmpty()) throw new IOException("with --clock instructions a run repeats itself exactly, which " + String.join(", ", unrepeatable) + " cannot do; leave out one or the other");
        EngineChoice.Result choice = EngineChoice.choose(options.engine, options.clock, options.irqchip);
        Loader loader = loader();
        try (ConsoleLink console = ConsoleLink.open(options.console, new FileOutputStream(FileDescriptor.out))) {
            for (;;) {
                Outcome outcome = runOnce(config(choice.engine(), loader, console), choice, console);
                if (outcome.kind() != Outcome.Kind.RESET || options.onReset == RunOptions.OnReset.EXIT) return status(outcome);
            }
        }
    }

    private Outcome runOnce(MachineConfig config, EngineChoice.Result choice, ConsoleLink console) throws IOException, InterruptedException {
        long startNs = System.nanoTime();
        try (Machine machine = Machine.create(config)) {
            tell(machine.description() + "; engine " + choice.engine().name() + choice.reason() + (console.onTerminal() ? "; Ctrl-A x leaves, Ctrl-A h helps" : ""));
            console.connect(machine);
            Outcome outcome = machine.run();
            console.disconnect();
            report(machine, outcome, System.nanoTime() - startNs);
            return outcome;
        }
    }

    private Loader loader() throws BootException {
        if (options.kernel != null) return Loader.kernel(options.kernel, options.initrd, options.append == null ? APPEND : options.append);
        if (options.initrd != null) throw new BootException("--initrd " + options.initrd + " without a kernel; pass --kernel FILE too");
        Path cache = DefaultGuest.cacheFolder(System.getenv(), System.getProperty("user.home"));
        ProgressBar progress = new ProgressBar(err, RawTerminal.isTerminal(STDERR), "nestor: fetching the default guest");
        try {
            DefaultGuest.GuestFiles guest = new DefaultGuest(cache, System.getenv().getOrDefault("PATH", "")).get(progress);
            return Loader.kernel(guest.kernel(), guest.initrd().toString(), options.append == null ? APPEND_DEFAULT_GUEST : options.append);
        } finally {
            progress.end();
        }
    }

    private MachineConfig config(Engine engine, Loader loader, ConsoleLink console) {
        MachineConfig config = MachineConfig.of("run", engine, loader).withMemory(options.memoryBytes).withCpus(options.cpus).withConsole(console.output())
            .withFormat(options.nestedPaging == RunOptions.NestedPaging.EPT ? EntryFormat.EPT : EntryFormat.NPT).withDebugExit(options.debugExit).withSealed(options.onReset == RunOptions.OnReset.EXIT)
            .withIrqchip(options.irqchip).withDevices(devices.sources());
        return options.clock == RunOptions.ClockSource.INSTRUCTIONS ? config.withInstructionTime(INSTRUCTION_TIME_ZERO) : config;
    }

    private void report(Machine machine, Outcome outcome, long elapsedNs) {
        Counters counters = machine.counters();
        String line = "nestor: " + outcome.detail();
        if (outcome.kind() == Outcome.Kind.FAILED) err.println(line);
        else if (!options.quiet) err.printf(Locale.ROOT, "%s after %.2f s%s%n", line, elapsedNs / 1e9, counters.instructions() < 0 ? "" : ", " + counters.instructions() + " instructions");
        if (options.trace) trace(machine, counters);
    }

    private void trace(Machine machine, Counters counters) {
        StringJoiner exits = new StringJoiner(", ");
        counters.exits().forEach((kind, count) -> {
            if (count != 0) exits.add(kind.name().toLowerCase(Locale.ROOT).replace('_', ' ') + " " + count);
        });
        err.println("nestor: nested faults " + counters.nestedFaults() + ", nested pages " + counters.nestedPages() + ", port reads " + counters.portReads() + ", port writes " + counters.portWrites()
            + ", MMIO reads " + counters.mmioReads() + ", MMIO writes " + counters.mmioWrites() + "; exits: " + exits);
        for (Vcpu vcpu : machine.vm().vcpus()) {
            String own = vcpu.engine().counters();
            if (!own.isEmpty()) err.println("nestor: virtual CPU " + vcpu.index() + ": " + own);
        }
    }

    private static int status(Outcome outcome) {
        return switch (outcome.kind()) {
            case POWERED_OFF, RESET, HALTED_FOREVER, STOPPED -> 0;
            case DEBUG_EXIT -> outcome.status();
            case FAILED -> Nestor.FAILED;
        };
    }

    private void tell(String line) {
        if (!options.quiet) err.println("nestor: " + line);
    }
}
