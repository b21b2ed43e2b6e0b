package org.nestorvm.bench.guests;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.concurrent.TimeUnit;
import org.nestorvm.paging.EntryFormat;
import org.nestorvm.vmm.Engine;

/**
 * Whole programs on the software processor and on QEMU's, by turns, so that both meet the same noise:
 * {@code GuestComparison [ROUNDS [NAME...]]}. Prints a table for RESULTS.md: the first run in this JVM, the median of
 * all, QEMU's median less what it needs to do nothing, the ratio, and millions of instructions a second. Times are
 * processor time of the whole process, compilers included, which a busy machine changes less than the clock on the
 * wall.
 */
public final class GuestComparison {
    private static final String QEMU = "qemu-system-x86_64";

    private static final OperatingSystemMXBean PROCESS =
            ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);

    private GuestComparison() {}

    public static void main(String[] args) throws Exception {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 3;
        List<String> only = Arrays.asList(args).subList(Math.min(1, args.length), args.length);
        Map<String, GuestImage> programs = GuestPrograms.all(Double.parseDouble(System.getProperty("scale", "1")));
        Engine soft = ServiceLoader.load(Engine.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(e -> e.name().equals("soft"))
                .findAny()
                .orElseThrow();
        Path dir = Files.createTempDirectory("guests");
        try {
            double idle = median(qemuTimes(programs.get("nothing"), dir, 5));
            System.out.println("| program | instructions | soft, first run | soft | MIPS | QEMU TCG | soft/TCG "
                    + "|\n|---|---|---|---|---|---|---|");
            for (Map.Entry<String, GuestImage> e : programs.entrySet()) {
                if (!e.getKey().equals("nothing") && (only.isEmpty() || only.contains(e.getKey())))
                    System.out.println(row(e.getKey(), e.getValue(), soft, dir, rounds, idle));
            }
        } finally {
            Files.deleteIfExists(dir.resolve("guest.elf"));
            Files.delete(dir);
        }
    }

    private static String row(String name, GuestImage image, Engine soft, Path dir, int rounds, double idle)
            throws IOException, InterruptedException {
        double[] ours = new double[rounds], theirs = new double[rounds];
        GuestRun.Result result = null;
        for (int i = 0; i < rounds; i++) {
            long before = PROCESS.getProcessCpuTime();
            result = GuestRun.run(soft, EntryFormat.EPT, image);
            ours[i] = (PROCESS.getProcessCpuTime() - before) / 1e9;
            Timed qemu = qemu(image, dir);
            theirs[i] = qemu.seconds() - idle;
            if (!qemu.output().equals(result.output()))
                throw new IOException(name + ": soft says " + result.output() + ", QEMU " + qemu.output());
        }
        double first = ours[0], soft1 = median(ours), tcg = median(theirs);
        double mips = result.instructions() / soft1 / 1e6;
        return String.format(
                "| %s | %,d | %.2f s | %.2f s | %.0f | %.2f s | %.2f |",
                name, result.instructions(), first, soft1, mips, tcg, soft1 / tcg);
    }

    private record Timed(String output, double seconds) {}

    private static double[] qemuTimes(GuestImage image, Path dir, int rounds) throws IOException, InterruptedException {
        double[] times = new double[rounds];
        for (int i = 0; i < rounds; i++) times[i] = qemu(image, dir).seconds();
        return times;
    }

    private static Timed qemu(GuestImage image, Path dir) throws IOException, InterruptedException {
        Path elf = dir.resolve("guest.elf");
        Files.write(elf, image.elf());
        List<String> command = new ArrayList<>(List.of(
                QEMU,
                "-accel",
                "tcg,thread=single",
                "-cpu",
                "max",
                "-m",
                "64",
                "-kernel",
                elf.toString(),
                "-nodefaults",
                "-display",
                "none"));
        command.addAll(List.of("-no-reboot", "-debugcon", "stdio", "-device", "isa-debug-exit,iobase=0xf4"));
        // the shell tells what its children have used: user and system time in the second line of "times"
        Process p = new ProcessBuilder("sh", "-c", String.join(" ", command) + "; echo; times")
                .redirectErrorStream(true)
                .start();
        p.getOutputStream().close();
        String[] lines = new String(p.getInputStream().readAllBytes()).strip().split("\\s*\n");
        if (!p.waitFor(5, TimeUnit.MINUTES)) p.destroyForcibly();
        String[] used = lines[lines.length - 1].split(" ");
        // firmware may have written to the debug console before
        String output = lines[lines.length - 3].replaceAll(".*\\s", "");
        return new Timed(output, seconds(used[0]) + seconds(used[1]));
    }

    /** {@code 1m2.34s}. */
    private static double seconds(String time) {
        String[] parts = time.split("[ms]");
        return 60 * Double.parseDouble(parts[0]) + Double.parseDouble(parts[1]);
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
