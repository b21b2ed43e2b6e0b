package org.nestorvm.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.nestorvm.boot.guest.DefaultGuest;
import org.nestorvm.boot.guest.GuestCommand;
import org.nestorvm.boot.guest.GuestCommand.Access;
import org.nestorvm.machine.DeviceSource;
import org.nestorvm.machine.Devices;
import org.nestorvm.machine.Loader;
import org.nestorvm.machine.Machine;
import org.nestorvm.machine.MachineConfig;
import org.nestorvm.machine.Outcome;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.virtio.console.ConsoleOptions;
import org.nestorvm.vmm.VmRefusedException;

/**
 * {@code nestor run -- COMMAND}: a guest for one command. The host's root is the command's, read-only with a layer in
 * the guest's memory for what is written; the present folder is the same folder at the same path. A stream that is a
 * terminal here is one there, when standard input is; others are pipes.
 */
final class CommandRun {
    /** When there is no status of a command to give. */
    static final int NO_STATUS = 125;

    private static final int STDIN = 0, STDOUT = 1, STDERR = 2, SIGNALLED = 128, SIGKILL = 9;
    /**
     * A guest that panics is reset, which ends it. The rest leaves out what takes long in a guest that lives for
     * seconds: tests of cryptography, certificates for modules, tracing.
     */
    private static final String KERNEL = "console=ttyS0 quiet panic=-1 cryptomgr.notests no_timer_check "
            + "initcall_blacklist=load_system_certificate_list,init_blk_tracer,init_kprobe_trace,"
            + "slab_sysfs_init,init_ima,init_evm";

    private static final List<Path> GUESTS_OWN =
            Stream.of("/proc", "/sys", "/dev").map(Path::of).toList();

    private final CommandOptions options;
    private final RunOptions run;
    private final DeviceOptions devices;
    private final PrintStream err;
    private final boolean terminal, terminalOutput, terminalErrors;
    private final KernelLog log;
    private final CommandStreams streams;
    private Machine machine;

    CommandRun(CommandOptions options, RunOptions run, DeviceOptions devices, PrintStream err) {
        this.options = options;
        this.run = run;
        this.devices = devices;
        this.err = err;
        boolean out = RawTerminal.isTerminal(STDOUT), errors = RawTerminal.isTerminal(STDERR);
        terminal = RawTerminal.isTerminal(STDIN) && (out || errors);
        terminalOutput = terminal && out;
        terminalErrors = terminal && errors;
        log = new KernelLog(options.verbose ? err : null);
        streams = new CommandStreams(this::stop, terminal, terminalOutput, terminalErrors);
    }

    /** @param guest what is fetched for every guest */
    Loader loader(DefaultGuest.GuestFiles guest, Path folder) throws IOException {
        if (run.initrd != null)
            throw new VmRefusedException("--initrd " + run.initrd
                    + ": a command needs the default guest's initramfs; leave one or the other out");
        if (run.console instanceof ConsoleChoice.UnixSocket(var path))
            throw new VmRefusedException("--console unix=" + path
                    + ": beside a command the guest's console only tells of failures; leave it out, or use --verbose");
        GuestCommand command = new GuestCommand(
                options.command.stream().map(HostText::bytes).toList(),
                HostBytes.environment(),
                HostText.bytes(HostText.text(folder)),
                !options.noHostRoot,
                access(folder),
                !devices.shares.isEmpty(),
                stream(terminal),
                stream(terminalOutput),
                stream(terminalErrors));
        Path kernel = run.kernel != null ? run.kernel : guest.kernel();
        return Loader.kernel(
                kernel,
                HostText.text(guest.initrd()),
                command.initramfs(),
                run.append == null ? KERNEL : KERNEL + " " + run.append);
    }

    private static GuestCommand.Stream stream(boolean isTerminal) {
        return isTerminal ? GuestCommand.Stream.TERMINAL : GuestCommand.Stream.PORT;
    }

    /** The root is never shared for writing. */
    private Access access(Path folder) {
        if (folder.getNameCount() == 0 || GUESTS_OWN.stream().anyMatch(folder::startsWith)) return Access.NOT_SHARED;
        return options.readOnly ? Access.READ_ONLY : Access.READ_WRITE;
    }

    MachineConfig config(MachineConfig base, Path folder) {
        TerminalSize size = TerminalSize.of(STDIN);
        List<DeviceSource> sources = new ArrayList<>();
        // The first console is hvc0, and the one that is typed to.
        if (terminal)
            sources.add(Devices.console(
                    "terminal",
                    new ConsoleOptions(size.cols(), size.rows(), List.of()),
                    new StandardStream(terminalOutput ? STDOUT : STDERR)));
        sources.add(Devices.channels("command", streams.channels()));
        if (!options.noHostRoot)
            sources.add(Devices.shareReadOnly(
                    "root", options.root == null ? Path.of("/") : options.root, GuestCommand.ROOT_TAG));
        Access access = access(folder);
        if (access == Access.READ_WRITE) sources.add(Devices.share("folder", folder, GuestCommand.FOLDER_TAG));
        if (access == Access.READ_ONLY) sources.add(Devices.shareReadOnly("folder", folder, GuestCommand.FOLDER_TAG));
        sources.addAll(devices.sources());
        return base.withConsole(log).withDevices(sources);
    }

    /** @return the command's status, or {@link #NO_STATUS} */
    int call(MachineConfig config, String engine, TimeLimit limit, EndSignals signals)
            throws IOException, InterruptedException {
        signals.creating();
        Outcome outcome;
        try (ConsoleLink typing = terminal
                        ? ConsoleLink.open(new ConsoleChoice.Stdio(), OutputStream.nullOutputStream(), false)
                        : null;
                Machine made = Machine.create(config)) {
            synchronized (this) {
                machine = made;
            }
            if (run.memoryReserve) made.reserveMemory();
            if (options.verbose) err.println("nestor: " + made.description() + "; engine " + engine);
            signals.connect(new Command(made));
            if (terminal) {
                TerminalSize.onChange(STDIN, size -> made.resizeConsole(size.cols(), size.rows()));
                typing.connect(made);
            }
            streams.start();
            limit.connect(() -> made.stop(Outcome.Kind.TIMED_OUT, "guest ended by --timeout"));
            long startNs = System.nanoTime();
            outcome = made.run();
            long elapsedNs = System.nanoTime() - startNs;
            limit.disconnect();
            if (terminal) typing.disconnect();
            TerminalSize.ignoreChanges();
            if (options.verbose)
                err.printf(
                        Locale.ROOT,
                        "nestor: %s after %.2f s%s%n",
                        outcome.detail(),
                        elapsedNs / 1e9,
                        made.counters().instructions() < 0
                                ? ""
                                : ", " + made.counters().instructions() + " instructions");
        }
        return status(outcome, signals.status());
    }

    private int status(Outcome outcome, int signalled) {
        Integer status = streams.status();
        if (status != null) return status;
        if (signalled != 0) return signalled;
        if (outcome.kind() == Outcome.Kind.STOPPED) return SIGNALLED + SIGKILL; // Ctrl-A x
        if (outcome.kind() == Outcome.Kind.TIMED_OUT) {
            err.println("nestor: the command was ended by --timeout");
            return RunCommand.status(outcome);
        }
        log.printTo(err);
        err.println("nestor: the guest has ended before the command" + (streams.hasBegun() ? "" : " has begun") + ": "
                + outcome.detail() + "; what it printed last is above, --verbose shows all of it");
        return outcome.kind() == Outcome.Kind.PANICKED ? RunCommand.status(outcome) : NO_STATUS;
    }

    /** A signal is the command's, if there is one already. */
    private final class Command implements EndSignals.Guest {
        private final Machine machine;

        Command(Machine machine) {
            this.machine = machine;
        }

        @Override
        public boolean ask(String signal) {
            return streams.signal(signal);
        }

        @Override
        public boolean interrupt() {
            return streams.signal("INT");
        }

        @Override
        public void stop() {
            machine.stop();
        }
    }

    private synchronized void stop() {
        machine.stop();
    }
}
