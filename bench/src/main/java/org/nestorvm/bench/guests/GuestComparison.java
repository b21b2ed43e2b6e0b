package org.nestorvm.bench.guests;

import java.io.IOException;
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
 * Whole programs on the software processor and on QEMU's, by turns, so that both meet the same noise: {@code GuestComparison [ROUNDS [NAME...]]}. Prints a table for
 * RESULTS.md: the first run in this JVM, the median of all, QEMU's median less the time in which it does nothing, the ratio, and millions of instructions a second.
 */
public final class GuestComparison {
    private static final String QEMU = "qemu-system-x86_64";

    private GuestComparison() {
    }

    public static void main(String[] args) throws Exception {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 3;
        List<String> only = Arrays.asList(args).subList(Math.min(1, args.length), args.length);
        Map<String, GuestImage> programs = GuestPrograms.all(Double.parseDouble(System.getProperty("scale", "1")));
        Engine soft = ServiceLoader.load(Engine.class).stream().map(ServiceLoader.Provider::get).filter(e -> e.name().equals("soft")).findAny().orElseThrow();
        Path dir = Files.createTempDirectory("guests");
        try {
            double idle = median(qemuTimes(programs.get("nothing"), dir, 5));
            System.out.println("| program | instructions | soft, first run | soft | MIPS | QEMU TCG | soft/TCG |\n|---|---|---|---|---|---|---|");
            for (Map.Entry<String, GuestImage> e : programs.entrySet()) {
                if (!e.getKey().equals("nothing") && (only.isEmpty() || only.contains(e.getKey()))) System.out.println(row(e.getKey(), e.getValue(), soft, dir, rounds, idle));
            }
        } finally {
            Files.deleteIfExists(dir.resolve("guest.elf"));
            Files.delete(dir);
        }
    }

    private static String row(String name, GuestImage image, Engine soft, Path dir, int rounds, double idle) throws IOException, InterruptedException {
        double[] ours = new double[rounds], theirs = new double[rounds];
        GuestRun.Result result = null;
        for (int i = 0; i < rounds; i++) {
            result = GuestRun.run(soft, EntryFormat.EPT, image);
            ours[i] = result.nanoseconds() / 1e9;
            Timed qemu = qemu(image, dir);
            theirs[i] = qemu.seconds() - idle;
            if (!qemu.output().equals(result.output())) throw new IOException(name + ": soft says " + result.output() + ", QEMU " + qemu.output());
        }
        double first = ours[0], soft1 = median(ours), tcg = median(theirs);
        double mips = result.instructions() / soft1 / 1e6;
        return String.format("| %s | %,d | %.2f s | %.2f s | %.0f | %.2f s | %.2f |", name, result.instructions(), first, soft1, mips, tcg, soft1 / tcg);
    }

    private record Timed(String output, double seconds) {
    }

    private static double[] qemuTimes(GuestImage image, Path dir, int rounds) throws IOException, InterruptedException {
        double[] times = new double[rounds];
        for (int i = 0; i < rounds; i++) times[i] = qemu(image, dir).seconds();
        return times;
    }

    private static Timed qemu(GuestImage image, Path dir) throws IOException, InterruptedException {
        Path elf = dir.resolve("guest.elf");
        Files.write(elf, image.elf());
        List<String> command = new ArrayList<>(List.of(QEMU, "-accel", "tcg,thread=single", "-cpu", "max", "-m", "64", "-kernel", elf.toString(), "-nodefaults", "-display", "none"));
        command.addAll(List.of("-no-reboot", "-debugcon", "stdio", "-device", "isa-debug-exit,iobase=0xf4"));
        long start = System.nanoTime();
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        p.getOutputStream().close();
        String output = new String(p.getInputStream().readAllBytes());
        if (!p.waitFor(5, TimeUnit.MINUTES)) p.destroyForcibly();
        double seconds = (System.nanoTime() - start) / 1e9;
        if (p.exitValue() != 1) throw new IOException("QEMU ended with " + p.exitValue() + ": " + output);
        // firmware may have written to the debug console before
        return new Timed(output.strip().replaceAll("(?s).*\\s", ""), seconds);
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
