package org.nestorvm.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
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
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.Vcpu;
import org.nestorvm.vmm.VmRefusedException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * {@code nestor run}: one guest, from its first instruction to its end. Standard output has what the guest prints and
 * nothing else.
 */
@Command(
        name = "run",
        description = "Runs a guest until it ends. On a terminal Ctrl-A x leaves, Ctrl-A h tells more.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        exitCodeListHeading = "%nStatus:%n",
        exitCodeList = {
            "0:the guest has powered off or reset, or Ctrl-A x was typed",
            "1:an error, told in one line",
            "2:wrong options",
            "122:the guest has panicked",
            "124:the guest was ended by --timeout",
            "125:the guest has ended before the command that it was to run",
            "other:that of the command; or what the guest wrote to the debug exit port, VALUE << 1 | 1"
        })
final class RunCommand implements Callable<Integer> {
    private static final int STDIN = 0, STDERR = 2;
    /** Statuses: timeout(1)'s own for the time, and for a panic an even one beside it, which no debug exit gives. */
    private static final int PANICKED = 122, TIMED_OUT = 124;

    private static final String APPEND = "console=ttyS0", APPEND_DEFAULT_GUEST = "console=ttyS0 quiet";
    /** What the guest's clock shows at the start of a run that must repeat itself: 2025-01-01, midnight UTC. */
    private static final Instant INSTRUCTION_TIME_ZERO = Instant.ofEpochSecond(1_735_689_600L);

    @Mixin
    private RunOptions options;

    @Mixin
    private DeviceOptions devices;

    @Mixin
    private CommandOptions command;

    @Spec
    private CommandSpec spec;

    private final PrintStream err = System.err;
    private final StandardStream standardOutput = new StandardStream(StandardStream.STDOUT);

    @Override
    public Integer call() throws IOException, InterruptedException {
        options.check();
        if (command.command.isEmpty()) refuseWhatNeedsACommand();
        List<String> unrepeatable = options.clock == RunOptions.ClockSource.INSTRUCTIONS ? unrepeatable() : List.of();
        if (!unrepeatable.isEmpty())
            throw new VmRefusedException("with --clock instructions a run repeats itself exactly, which "
                    + String.join(", ", unrepeatable) + " cannot do; leave out one or the other");
        EngineChoice.Result choice = EngineChoice.choose(options.engine, options.clock, options.irqchip);
        if (options.memoryReserve) new MemoryRoom(Path.of("/")).require(options.memoryBytes);
        try (EndSignals signals = new EndSignals(Duration.ofSeconds(options.shutdownSeconds))) {
            return command.command.isEmpty() ? run(choice, signals) : runCommand(choice, signals);
        }
    }

    private void refuseWhatNeedsACommand() {
        boolean empty = spec.commandLine().getParseResult().originalArgs().contains("--");
        String option = empty ? "--" : command.given();
        if (option == null) return;
        throw new ParameterException(
                spec.commandLine(),
                (empty ? "no command follows --" : option + " is for a command, and none is given")
                        + "; write it at the end: nestor run" + (empty ? "" : " " + option) + " -- COMMAND");
    }

    private int run(EngineChoice.Result choice, EndSignals signals) throws IOException, InterruptedException {
        Loader loader = loader();
        signals.creating();
        try (ConsoleLink console = ConsoleLink.open(options.console, standardOutput, inputEnds());
                TimeLimit limit = new TimeLimit(options.timeout)) {
            PanicWatch panic = options.panic == RunOptions.PanicSign.CONSOLE ? new PanicWatch(console.output()) : null;
            for (; ; ) {
                MachineConfig config = config(choice.engine(), loader, panic == null ? console.output() : panic);
                Outcome outcome = runOnce(config, choice, console, signals, limit, panic);
                if (signals.status() != 0 && outcome.kind() != Outcome.Kind.FAILED) return signals.status();
                if (outcome.kind() != Outcome.Kind.RESET || options.onReset == RunOptions.OnReset.EXIT)
                    return statusWithOutput(status(outcome));
            }
        }
    }

    /** What the guest printed is not all where it should be. A reader that has ended did not want the rest. */
    private int statusWithOutput(int status) {
        boolean lost = standardOutput.failure() != null && !standardOutput.isReaderGone();
        return lost && status == 0 ? Nestor.FAILED : status;
    }

    private int runCommand(EngineChoice.Result choice, EndSignals signals) throws IOException, InterruptedException {
        if (!spec.commandLine().getParseResult().originalArgs().contains("--")) {
            throw new ParameterException(
                    spec.commandLine(),
                    "'" + command.command.getFirst()
                            + "' is no option; a command for the guest comes after --: nestor run -- "
                            + String.join(" ", command.command));
        }
        Path folder = Path.of("").toAbsolutePath();
        CommandRun run = new CommandRun(command, options, devices, err);
        MachineConfig config = run.config(
                config(choice.engine(), run.loader(defaultGuest(), folder), OutputStream.nullOutputStream()), folder);
        try (TimeLimit limit = new TimeLimit(options.timeout)) {
            return run.call(config, choice.engine().name() + choice.reason(), limit, signals);
        }
    }

    private List<String> unrepeatable() {
        List<String> names = devices.unrepeatable();
        if (!command.command.isEmpty()) names.add("a command");
        return names;
    }

    private Outcome runOnce(
            MachineConfig config,
            EngineChoice.Result choice,
            ConsoleLink console,
            EndSignals signals,
            TimeLimit limit,
            PanicWatch panic)
            throws IOException, InterruptedException {
        try (Machine machine = Machine.create(config)) {
            tell(machine.description() + "; engine " + choice.engine().name() + choice.reason()
                    + (console.onTerminal() ? "; Ctrl-A x leaves, Ctrl-A h helps" : ""));
            if (typesOnSerialPort(commandLine())) machine.typeOnSerialPort();
            if (panic != null)
                panic.connect(() -> machine.stop(Outcome.Kind.PANICKED, "guest panicked, as it printed"));
            if (options.memoryReserve) machine.reserveMemory();
            console.connect(machine);
            signals.connect(endOf(machine));
            if (console.onTerminal() && devices.consoleFollowsTerminal()) followTerminal(machine);
            limit.connect(() -> machine.stop(Outcome.Kind.TIMED_OUT, "guest ended by --timeout"));
            long startNs = System.nanoTime();
            Outcome outcome = afterPanic(machine.run(), panic);
            long elapsedNs = System.nanoTime() - startNs;
            limit.disconnect();
            console.disconnect();
            TerminalSize.ignoreChanges();
            report(machine, outcome, elapsedNs);
            return outcome;
        }
    }

    /** A guest ends by its power button. */
    private EndSignals.Guest endOf(Machine machine) {
        return new EndSignals.Guest() {
            @Override
            public boolean ask(String signal) {
                boolean heard = machine.pressPowerButton();
                if (heard)
                    tell("SIG" + signal + ": the power button is pressed; the guest has " + options.shutdownSeconds
                            + " s, a second signal ends it at once");
                return heard;
            }

            @Override
            public void stop() {
                machine.stop();
            }
        };
    }

    /** A reset that follows a panic is its end. */
    private static Outcome afterPanic(Outcome outcome, PanicWatch panic) {
        boolean isItsEnd = panic != null && panic.seen() && outcome.kind() == Outcome.Kind.RESET;
        return isItsEnd ? new Outcome(Outcome.Kind.PANICKED, 0, "guest panicked, as it printed, and reset") : outcome;
    }

    /** Of several consoles Linux takes the last for /dev/console, where the shell is. */
    static boolean typesOnSerialPort(String commandLine) {
        String last = "";
        for (String word : commandLine.split("\\s+")) if (word.startsWith("console=")) last = word;
        return last.startsWith("console=ttyS");
    }

    private String commandLine() {
        if (options.append != null) return options.append;
        return options.kernel != null ? APPEND : APPEND_DEFAULT_GUEST + aboutInput();
    }

    /** At a virtio console; a serial port has no size. */
    private static void followTerminal(Machine machine) {
        TerminalSize now = TerminalSize.of(STDIN);
        machine.resizeConsole(now.cols(), now.rows());
        TerminalSize.onChange(STDIN, size -> machine.resizeConsole(size.cols(), size.rows()));
    }

    private Loader loader() throws BootException {
        if (options.kernel != null) return Loader.kernel(options.kernel, options.initrd, commandLine());
        DefaultGuest.GuestFiles guest = defaultGuest();
        return Loader.kernel(guest.kernel(), HostText.text(guest.initrd()), commandLine());
    }

    /** The default guest's shell reads our standard input, which is no terminal. */
    private boolean inputEnds() {
        return options.kernel == null
                && options.append == null
                && options.console instanceof ConsoleChoice.Stdio
                && !RawTerminal.isTerminal(STDIN);
    }

    /** For the first program of the default guest, which the kernel gives what it does not know itself. */
    private String aboutInput() {
        if (inputEnds()) return " NESTOR_INPUT=ends";
        TerminalSize size =
                options.console instanceof ConsoleChoice.Stdio ? TerminalSize.of(STDIN) : TerminalSize.UNKNOWN;
        return size.isKnown() ? " LINES=" + size.rows() + " COLUMNS=" + size.cols() : "";
    }

    private DefaultGuest.GuestFiles defaultGuest() throws BootException {
        Path cache = DefaultGuest.usableCacheFolder(
                System.getenv(), System.getProperty("user.home"), Path.of(System.getProperty("java.io.tmpdir")));
        ProgressBar progress =
                new ProgressBar(err, RawTerminal.isTerminal(STDERR), "nestor: fetching the default guest");
        try {
            return new DefaultGuest(cache, System.getenv().getOrDefault("PATH", ""))
                    .get(options.quiet ? (done, what) -> {} : progress);
        } finally {
            progress.end();
        }
    }

    private MachineConfig config(Engine engine, Loader loader, OutputStream console) {
        MachineConfig config = MachineConfig.of("run", engine, loader)
                .withMemory(options.memoryBytes)
                .withCpus(options.cpus)
                .withConsole(console)
                .withFormat(options.nestedPaging == RunOptions.NestedPaging.EPT ? EntryFormat.EPT : EntryFormat.NPT)
                .withDebugExit(options.debugExit)
                .withSealed(options.onReset == RunOptions.OnReset.EXIT)
                .withIrqchip(options.irqchip)
                .withDevices(devices.sources())
                .withTestDevice(devices.boardDevices.contains(DeviceOptions.BoardDevice.TEST))
                .withPanicEnds(options.panic != RunOptions.PanicSign.IGNORE);
        return options.clock == RunOptions.ClockSource.INSTRUCTIONS
                ? config.withInstructionTime(INSTRUCTION_TIME_ZERO)
                : config;
    }

    private void report(Machine machine, Outcome outcome, long elapsedNs) {
        Counters counters = machine.counters();
        String line = "nestor: " + outcome.detail();
        if (outcome.kind() == Outcome.Kind.FAILED) err.println(line);
        else if (!options.quiet)
            err.printf(
                    Locale.ROOT,
                    "%s after %.2f s%s%n",
                    line,
                    elapsedNs / 1e9,
                    counters.instructions() < 0 ? "" : ", " + counters.instructions() + " instructions");
        if (options.trace) trace(machine, counters);
    }

    private void trace(Machine machine, Counters counters) {
        StringJoiner exits = new StringJoiner(", ");
        counters.exits().forEach((kind, count) -> {
            if (count != 0) exits.add(kind.name().toLowerCase(Locale.ROOT).replace('_', ' ') + " " + count);
        });
        err.println("nestor: nested faults " + counters.nestedFaults() + ", nested pages " + counters.nestedPages()
                + ", port reads " + counters.portReads() + ", port writes " + counters.portWrites() + ", MMIO reads "
                + counters.mmioReads() + ", MMIO writes " + counters.mmioWrites() + "; exits: " + exits);
        for (Vcpu vcpu : machine.vm().vcpus()) {
            String own = vcpu.engine().counters();
            if (!own.isEmpty()) err.println("nestor: virtual CPU " + vcpu.index() + ": " + own);
        }
    }

    static int status(Outcome outcome) {
        return switch (outcome.kind()) {
            case POWERED_OFF, RESET, HALTED_FOREVER, STOPPED -> 0;
            case DEBUG_EXIT -> outcome.status();
            case PANICKED -> PANICKED;
            case TIMED_OUT -> TIMED_OUT;
            case FAILED -> Nestor.FAILED;
        };
    }

    private void tell(String line) {
        if (!options.quiet) err.println("nestor: " + line);
    }
}
