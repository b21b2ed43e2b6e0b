package org.nestorvm.bench.guests;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.nestorvm.boot.guest.DefaultGuest;
import org.nestorvm.boot.guest.Initramfs;
import org.nestorvm.machine.Engines;
import org.nestorvm.machine.Machine;
import org.nestorvm.machine.MachineConfig;
import org.nestorvm.machine.Outcome;
import org.nestorvm.vmm.Engine;

/**
 * What programs do under a real kernel, on the software processor and on QEMU's TCG: {@code LinuxComparison [ROUNDS
 * [SCALE [NAME...]]]}. The default guest of Debian runs a static program, {@code guest-work.c}, which takes its times
 * itself, by the guest's clock. The two monitors run by turns with the same kernel and initramfs, so that both meet the
 * same noise, and every guest of ours has a JVM of its own with the options of the nestor script. Prints medians as a
 * table for RESULTS.md.
 */
public final class LinuxComparison {
    private static final String GUEST = "guest", QEMU = "qemu-system-x86_64";
    private static final String COMMAND_LINE = "console=ttyS0 quiet loglevel=1 mitigations=off";
    static final String NEEDED = "a gcc that makes static programs (Debian packages gcc and libc6-dev)";
    private static final String SOURCE = "dev/bench/src/main/c/guest-work.c";

    /** What a program said: the time that it took, and its result, which is the same everywhere. */
    private record Said(long nanoseconds, String result) {}

    private final Path kernel, initrd;

    private LinuxComparison(Path directory, Path program, String arguments) throws Exception {
        Path cache = DefaultGuest.cacheFolder(System.getenv(), System.getProperty("user.home"));
        DefaultGuest.GuestFiles guest = new DefaultGuest(cache, System.getenv("PATH")).get((done, what) -> {});
        kernel = guest.kernel();
        initrd = directory.resolve("initrd");
        Files.write(initrd, Files.readAllBytes(guest.initrd()));
        Initramfs changes = new Initramfs()
                .file("etc/inittab", 0644, "ttyS0::once:/measure\n")
                .file("measure", 0755, "#!/bin/sh\n/guest-work " + arguments + "\npoweroff -f\n")
                .file("guest-work", 0755, Files.readAllBytes(program));
        Files.write(initrd, changes.toArray(), StandardOpenOption.APPEND);
    }

    public static void main(String[] args) throws Exception {
        if (args.length > 0 && args[0].equals(GUEST)) {
            guest(Path.of(args[1]), args[2]);
            return;
        }
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 3;
        String scale = args.length > 1 ? args[1] : "1";
        List<String> names = Arrays.asList(args).subList(Math.min(2, args.length), args.length);
        Path directory = Files.createTempDirectory("linux");
        try {
            Path program = compile(directory, Path.of(SOURCE));
            if (program == null) System.out.println("skipped, needs " + NEEDED);
            else new LinuxComparison(directory, program, scale + " " + String.join(" ", names)).compare(rounds);
        } finally {
            try (var files = Files.list(directory)) {
                for (Path file : files.toList()) Files.delete(file);
            }
            Files.delete(directory);
        }
    }

    /** The host's compiler makes it. Null where there is none. */
    static Path compile(Path directory, Path source) throws InterruptedException {
        Path program = directory.resolve("guest-work");
        try {
            GuestProcess.output(List.of("gcc", "-O2", "-static", "-o", program.toString(), source.toString()));
            return program;
        } catch (IOException e) {
            return null;
        }
    }

    private void compare(int rounds) throws Exception {
        boolean peer = present();
        List<Map<String, Said>> ours = new ArrayList<>(), theirs = new ArrayList<>();
        for (int i = 0; i < rounds; i++) {
            ours.add(
                    said(GuestProcess.inItsOwnJvm(LinuxComparison.class, GUEST, kernel.toString(), initrd.toString())));
            if (peer) theirs.add(said(qemu()));
        }
        if (!peer) System.out.println("without a peer: there is no " + QEMU);
        System.out.println("| program | soft | QEMU TCG | soft/TCG |\n|---|---|---|---|");
        for (String name : ours.getFirst().keySet()) row(name, ours, theirs);
    }

    private static void row(String name, List<Map<String, Said>> ours, List<Map<String, Said>> theirs)
            throws IOException {
        double soft = median(name, ours);
        if (theirs.isEmpty()) {
            System.out.printf("| %s | %.2f s | | |%n", name, soft);
            return;
        }
        String result = ours.getFirst().get(name).result,
                other = theirs.getFirst().get(name).result;
        if (!result.equals(other)) throw new IOException(name + ": soft says " + result + ", QEMU " + other);
        double tcg = median(name, theirs);
        System.out.printf("| %s | %.2f s | %.2f s | %.2f |%n", name, soft, tcg, soft / tcg);
    }

    private static double median(String name, List<Map<String, Said>> rounds) {
        return rounds.stream()
                        .mapToLong(each -> each.get(name).nanoseconds)
                        .sorted()
                        .skip(rounds.size() / 2)
                        .findFirst()
                        .orElseThrow()
                / 1e9;
    }

    private static Map<String, Said> said(String console) throws IOException {
        Map<String, Said> said = new LinkedHashMap<>();
        GuestProcess.said(console).forEach((name, text) -> {
            String[] words = text.split(" ");
            said.put(name, new Said(Long.parseLong(words[0]), words[1]));
        });
        return said;
    }

    private static boolean present() throws InterruptedException {
        try {
            GuestProcess.output(List.of(QEMU, "--version"));
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private String qemu() throws Exception {
        return GuestProcess.output(List.of(
                QEMU,
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "max",
                "-m",
                "512M",
                "-nodefaults",
                "-display",
                "none",
                "-serial",
                "stdio",
                "-no-reboot",
                "-kernel",
                kernel.toString(),
                "-initrd",
                initrd.toString(),
                "-append",
                COMMAND_LINE));
    }

    private static void guest(Path kernel, String initrd) throws Exception {
        Engine soft = Engines.all().stream()
                .filter(e -> e.name().equals("soft"))
                .findAny()
                .orElseThrow();
        MachineConfig config = MachineConfig.kernel("linux", soft, kernel, initrd, COMMAND_LINE)
                .withConsole(System.out);
        try (Machine machine = Machine.create(config)) {
            Outcome outcome = machine.run();
            if (outcome.kind() != Outcome.Kind.POWERED_OFF) throw new IOException(outcome.detail());
        }
    }
}
