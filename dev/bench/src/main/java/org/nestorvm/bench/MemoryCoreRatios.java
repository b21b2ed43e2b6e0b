package org.nestorvm.bench;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.Arrays;

/**
 * The two targets that are ratios, with their two sides in turn, so that what else the machine does falls on both:
 * first touch through the nested fault path against a plain mapping, and close of a machine against a plain memory
 * file. Tells medians of wall time and of this thread's CPU time, in ms.
 */
public final class MemoryCoreRatios {
    private interface Part {
        void run() throws IOException;
    }

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private MemoryCoreRatios() {}

    public static void main(String[] args) throws IOException {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 15;
        firstTouch(rounds);
        close(Math.max(3, rounds / 3));
    }

    private static void firstTouch(int rounds) throws IOException {
        MemoryCoreFirstTouch bench = new MemoryCoreFirstTouch();
        Times nested = new Times(rounds), plain = new Times(rounds);
        for (int round = -2; round < rounds; round++) {
            bench.create();
            plain.measure(round, bench::plainMapping);
            bench.close();
            bench.create();
            nested.measure(round, bench::nestedFaultPath);
            bench.close();
        }
        nested.compare("first touch of 1 GiB, nested fault path", plain, "plain mapping");
    }

    private static void close(int rounds) throws IOException {
        MemoryCoreClose bench = new MemoryCoreClose();
        Times machine = new Times(rounds), plain = new Times(rounds);
        for (int round = -1; round < rounds; round++) {
            bench.fillPlain();
            plain.measure(round, bench::plainFile);
            bench.fillMachine();
            machine.measure(round, bench::machine);
        }
        machine.compare("close of a machine with 4 GiB resident", plain, "plain munmap and close");
    }

    private static final class Times {
        private final double[] wall, cpu;

        Times(int rounds) {
            wall = new double[rounds];
            cpu = new double[rounds];
        }

        /** Rounds below 0 warm up. */
        void measure(int round, Part part) throws IOException {
            long cpuStart = THREADS.getCurrentThreadCpuTime(), start = System.nanoTime();
            part.run();
            long end = System.nanoTime(), cpuEnd = THREADS.getCurrentThreadCpuTime();
            if (round < 0) return;
            wall[round] = (end - start) / 1e6;
            cpu[round] = (cpuEnd - cpuStart) / 1e6;
        }

        void compare(String what, Times with, String other) {
            System.out.printf(
                    "%s: wall %.0f ms, CPU %.0f ms; %s: wall %.0f ms, CPU %.0f ms; ratio wall %.2f, CPU %.2f "
                            + "(medians of %d)%n",
                    what,
                    median(wall),
                    median(cpu),
                    other,
                    median(with.wall),
                    median(with.cpu),
                    median(wall) / median(with.wall),
                    median(cpu) / median(with.cpu),
                    wall.length);
        }

        private static double median(double[] values) {
            double[] sorted = values.clone();
            Arrays.sort(sorted);
            return sorted[sorted.length / 2];
        }
    }
}
