package org.nestorvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.nestorvm.isolation.DeviceCache;
import org.nestorvm.isolation.IsolatedDevice;
import org.nestorvm.isolation.RestartPolicy;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;

/**
 * The cost of a device process, an entropy device: from the call that starts it to its first answer, when it is
 * confined and serves; to its first request done; and the memory it holds then, with another device process running.
 * Run as the program runs, from the module path and with the AOT cache that {@code nestor train} makes:
 * {@code bench/run device-start [rounds]}.
 */
public final class DeviceStart {
    private DeviceStart() {}

    public static void main(String[] arguments) throws Exception {
        int rounds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 20;
        boolean cache = DeviceCache.file() != null && Files.exists(DeviceCache.file());
        System.out.println("AOT cache: " + (cache ? Files.size(DeviceCache.file()) / 1024 + " KiB" : "none")
                + "; rounds " + rounds);
        double[] ready = new double[rounds], request = new double[rounds], cpu = new double[rounds];
        long[] rss = new long[rounds], pss = new long[rounds], own = new long[rounds];
        round(new Round()); // this program's own classes
        // Beside another one, as in a machine with two devices: what processes share is counted as shared.
        try (IsolatedDevice beside = IsolatedDevice.rng("beside", RestartPolicy.NEVER)) {
            for (int i = 0; i < rounds; i++) {
                Round round = round(new Round());
                ready[i] = round.readyMs;
                request[i] = round.requestMs;
                cpu[i] = round.cpuMs;
                rss[i] = round.rssKiB;
                pss[i] = round.pssKiB;
                own[i] = round.ownKiB;
            }
        }
        System.out.printf(
                Locale.ROOT,
                "confined and answering  %6.1f ms median, %6.1f least%n",
                median(ready),
                Arrays.stream(ready).min().orElse(0));
        System.out.printf(
                Locale.ROOT,
                "first request done      %6.1f ms median, %6.1f least%n",
                median(request),
                Arrays.stream(request).min().orElse(0));
        System.out.printf(Locale.ROOT, "processor time          %6.1f ms median (ticks of 10 ms)%n", median(cpu));
        System.out.printf(
                Locale.ROOT,
                "resident                %6.1f MiB, proportional %.1f MiB, private %.1f MiB (medians)%n",
                median(rss),
                median(pss),
                median(own));
    }

    private static final class Round {
        double readyMs, requestMs, cpuMs;
        long rssKiB, pssKiB, ownKiB;
    }

    private static Round round(Round round) throws IOException, InterruptedException {
        try (DriverMemory memory = new DriverMemory()) {
            long startNs = System.nanoTime();
            try (IsolatedDevice rng = IsolatedDevice.rng("rng0", RestartPolicy.NEVER)) {
                round.readyMs = (System.nanoTime() - startNs) / 1e6;
                try (TestDriver driver = TestDriver.start(rng, memory, rng.features(), 8)) {
                    driver.request(0, new byte[0], 64);
                    round.requestMs = (System.nanoTime() - startNs) / 1e6;
                    Path process = Path.of("/proc/" + rng.process().pid());
                    round.rssKiB = kib(process, "Rss:");
                    round.pssKiB = kib(process, "Pss:");
                    round.ownKiB = kib(process, "Private_Clean:") + kib(process, "Private_Dirty:");
                    String[] stat = Files.readString(process.resolve("stat"))
                            .split("\\) ")[1]
                            .split(" ");
                    round.cpuMs = 10 * (Integer.parseInt(stat[11]) + Integer.parseInt(stat[12]));
                }
            }
        }
        return round;
    }

    private static long kib(Path process, String field) throws IOException {
        return Files.readAllLines(process.resolve("smaps_rollup")).stream()
                .filter(line -> line.startsWith(field))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .sum();
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    private static double median(long[] kib) {
        return median(Arrays.stream(kib).mapToDouble(value -> value / 1024.0).toArray());
    }
}
