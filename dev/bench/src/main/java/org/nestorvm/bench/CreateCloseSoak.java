package org.nestorvm.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.nestorvm.memory.MemoryObject;
import org.nestorvm.vmm.MemoryMap;
import org.nestorvm.vmm.VirtualMachine;
import org.nestorvm.vmm.VmConfig;
import org.nestorvm.vmm.Vmm;

/**
 * Creates and closes a 512 MiB machine with 5 ranges, 100,000 times unless told otherwise, and shows every tenth of the
 * way what the process holds of the host. Ends with an error when descriptors, mappings or objects have grown since the
 * first tenth, or memory by more than 32 MiB.
 */
public final class CreateCloseSoak {
    private record Held(long rssKb, long descriptors, long mappings, int objects) {
        static Held now() throws IOException {
            System.gc();
            long rss = 0;
            for (String line : Files.readAllLines(Path.of("/proc/self/status")))
                if (line.startsWith("VmRSS:")) rss = Long.parseLong(line.replaceAll("\\D", ""));
            try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"));
                    Stream<String> mappings = Files.lines(Path.of("/proc/self/maps"))) {
                return new Held(
                        rss,
                        descriptors.count(),
                        mappings.filter(line -> line.contains("/memfd:")).count(),
                        MemoryObject.liveCount());
            }
        }

        boolean flatSince(Held first) {
            return descriptors <= first.descriptors
                    && mappings <= first.mappings
                    && objects <= first.objects
                    && rssKb < first.rssKb + (32 << 10);
        }
    }

    private CreateCloseSoak() {}

    public static void main(String[] args) throws IOException {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 100_000;
        Vmm vmm = new Vmm();
        VmConfig config = VmConfig.of("soak", MemoryMap.pc(512L << 20, 4L << 20));
        Held first = null;
        long start = System.nanoTime();
        for (int round = 1; round <= rounds; round++) {
            try (VirtualMachine vm = vmm.create(config)) {
                vm.memory().putLong(round % 64 * 8, round);
            }
            if (round % Math.max(1, rounds / 10) != 0) continue;
            Held held = Held.now();
            System.out.println(round + " rounds: " + held);
            if (first == null) first = held;
            if (!held.flatSince(first))
                throw new IllegalStateException("not flat: at first " + first + ", now " + held);
        }
        System.out.printf("%d rounds, %.1f us each, flat%n", rounds, (System.nanoTime() - start) / 1e3 / rounds);
    }
}
