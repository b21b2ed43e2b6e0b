package org.nestorvm.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.nestorvm.machine.Engines;
import org.nestorvm.machine.MachineConfig;
import org.nestorvm.vmm.Engine;
import org.nestorvm.vmm.VmRefusedException;

/** Which engine a run gets. */
final class EngineChoice {
    private static final Path CPUINFO = Path.of("/proc/cpuinfo");
    static final String KVM = "kvm", SOFT = "soft";

    /**
     * @param reason why it is this one, for the line at the start: {@code (kvm: /dev/kvm is missing)}; empty when the
     *     user has said so
     */
    record Result(Engine engine, String reason) {}

    /**
     * {@code auto} is KVM where it works, else the processor in Java. Time by instructions needs the latter, which
     * counts them, chips in the kernel need the former.
     */
    static Result choose(RunOptions.EngineName wanted, RunOptions.ClockSource clock, MachineConfig.Irqchip irqchip)
            throws IOException {
        boolean counted = clock == RunOptions.ClockSource.INSTRUCTIONS,
                inKernel = irqchip == MachineConfig.Irqchip.KERNEL;
        if (counted && wanted == RunOptions.EngineName.KVM)
            throw new VmRefusedException(
                    "--clock instructions with --engine kvm: the host's processor does not stop at a given "
                            + "instruction; pass --engine soft");
        if (inKernel && counted)
            throw new VmRefusedException(
                    "--irqchip kernel with --clock instructions: these chips go by the host's time; leave out "
                            + "one or the other");
        if (inKernel && wanted == RunOptions.EngineName.SOFT)
            throw new VmRefusedException(
                    "--irqchip kernel with --engine soft: only KVM has 8259s and an I/O APIC of its own; pass "
                            + "--engine kvm, or --irqchip split");
        return switch (wanted) {
            case KVM -> new Result(usable(KVM), "");
            case SOFT -> new Result(Engines.named(SOFT), "");
            case AUTO ->
                counted ? new Result(Engines.named(SOFT), "") : inKernel ? new Result(usable(KVM), "") : automatic();
        };
    }

    /** That the host lacks something is no mistake in the options. */
    private static Engine usable(String name) throws IOException {
        try {
            return Engines.named(name);
        } catch (VmRefusedException e) {
            throw new IOException(e.getMessage() + "; pass --engine soft", e);
        }
    }

    private static Result automatic() {
        String why = "not part of this program";
        for (Engine engine : Engines.all()) {
            if (!engine.name().equals(KVM)) continue;
            why = engine.unavailableBecause();
            if (why == null && hasVirtualization(CPUINFO)) return new Result(engine, "");
            if (why == null)
                why = "works without the processor's help here, where a kernel boots slower; --engine kvm takes it";
        }
        return new Result(Engines.named(SOFT), " (kvm: " + why + ")");
    }

    /**
     * VT-x or AMD-V is there. KVM also exists without, as paravirtualization that emulates what a booting kernel does
     * most.
     */
    static boolean hasVirtualization(Path cpuinfo) {
        try (Stream<String> lines = Files.lines(cpuinfo)) {
            return lines.filter(line -> line.startsWith("flags"))
                    .findFirst()
                    .map(line -> Arrays.asList(line.split("\\s+")))
                    .filter(flags -> flags.contains("vmx") || flags.contains("svm"))
                    .isPresent();
        } catch (IOException | UncheckedIOException e) {
            return true; // cannot be read: trust KVM's own probe
        }
    }

    private EngineChoice() {}
}
