package org.nestorvm.bench;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import org.nestorvm.disk.DiskImage;
import org.nestorvm.disk.Disks;
import org.nestorvm.disk.ImageOptions;
import org.nestorvm.disk.Images;
import org.nestorvm.disk.OpenOptions;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;
import org.nestorvm.virtio.Features;
import org.nestorvm.virtio.blk.BlkDevice;
import org.nestorvm.virtio.testkit.Buffer;
import org.nestorvm.virtio.testkit.DriverMemory;
import org.nestorvm.virtio.testkit.TestDriver;

/**
 * A disk's requests with workers and without, by turns: {@code DiskRequests FOLDER [ROUNDS [SECONDS [TEXT]]]}, only
 * what has TEXT in its name. The files lie in FOLDER, which should be on a disk. The driver is the testkit's, on a
 * thread that waits for interrupts; one queue. Prints medians over the rounds as a table for RESULTS.md.
 */
public final class DiskRequests {
    private static final int IN = 0, OUT = 1, FLUSH = 4, BLOCK = 4096, QUEUE = 256, WORKERS = BlkDevice.DEFAULT_THREADS;
    private static final long DISK_BYTES = 256L << 20;
    private static final long FEATURES = Features.VERSION_1 | Features.EVENT_IDX | BlkDevice.F_FLUSH;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** What is measured. @param writers requests among those under way that write and flush by turns */
    private record Job(String name, String format, int depth, int writers, boolean cold) {}

    private static final List<Job> JOBS = List.of(
            new Job("reads from the host's cache, depth 1", "raw", 1, 0, false),
            new Job("reads from the host's cache, depth 16", "raw", 16, 0, false),
            new Job("reads from the host's cache, depth 16, qcow2", "qcow2", 16, 0, false),
            new Job("reads that the host's cache has not, depth 1", "raw", 1, 0, true),
            new Job("reads that the host's cache has not, depth 16", "raw", 16, 0, true),
            new Job("reads from the cache, depth 4, beside one that writes and flushes by turns", "raw", 4, 1, false),
            new Job(
                    "reads from the cache, depth 4, beside one that writes and flushes by turns, qcow2",
                    "qcow2",
                    4,
                    1,
                    false),
            new Job("writes and flushes by turns, depth 1", "raw", 0, 1, false));

    private final Path folder;
    private final double seconds;
    private final List<Job> jobs;

    private DiskRequests(Path folder, double seconds, String text) {
        this.folder = folder;
        this.seconds = seconds;
        jobs = JOBS.stream().filter(job -> job.name.contains(text)).toList();
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 0) throw new IOException("in which folder? one on a disk, not in memory");
        int rounds = args.length > 1 ? Integer.parseInt(args[1]) : 5;
        Path folder = Files.createTempDirectory(Path.of(args[0]), "disk-requests");
        DiskRequests bench = new DiskRequests(
                folder, args.length > 2 ? Double.parseDouble(args[2]) : 2, args.length > 3 ? args[3] : "");
        try {
            bench.compare(rounds);
        } finally {
            try (var files = Files.list(folder)) {
                for (Path file : files.toList()) Files.delete(file);
            }
            Files.delete(folder);
        }
    }

    private void compare(int rounds) throws Exception {
        for (String format : List.of("raw", "qcow2")) fill(format);
        Map<Job, List<Result>> without = new LinkedHashMap<>(), with = new LinkedHashMap<>();
        for (int round = -1; round < rounds; round++) { // the first one warms up
            for (Job job : jobs) {
                boolean first = (round & 1) == 0;
                Result a = measure(job, first ? 0 : WORKERS), b = measure(job, first ? WORKERS : 0);
                if (round < 0) continue;
                without.computeIfAbsent(job, _ -> new ArrayList<>()).add(first ? a : b);
                with.computeIfAbsent(job, _ -> new ArrayList<>()).add(first ? b : a);
            }
        }
        System.out.println(
                "| what | reads a second, without workers | with | ratio | 99 % of reads within, us | with | "
                        + "flushes a second | with | allocated a request, bytes | with "
                        + "|\n|---|---|---|---|---|---|---|---|---|---|");
        for (Job job : jobs) row(job.name, without.get(job), with.get(job));
    }

    private static void row(String name, List<Result> without, List<Result> with) {
        double before = median(without, Result::reads), after = median(with, Result::reads);
        System.out.printf(
                "| %s | %,.0f | %,.0f | %.2f | %,.0f | %,.0f | %,.0f | %,.0f | %.1f | %.1f |%n",
                name,
                before,
                after,
                after / before,
                median(without, Result::slowUs),
                median(with, Result::slowUs),
                median(without, Result::flushes),
                median(with, Result::flushes),
                median(without, Result::allocated),
                median(with, Result::allocated));
    }

    private static double median(List<Result> results, ToDoubleFunction<Result> figure) {
        double[] values = results.stream().mapToDouble(figure).sorted().toArray();
        return values[values.length / 2];
    }

    private void fill(String format) throws IOException {
        Path file = file(format);
        Images.create(file, format, DISK_BYTES, ImageOptions.DEFAULT);
        try (DiskImage image = Disks.open(file, OpenOptions.WRITE.withFormat(format));
                DriverMemory memory = new DriverMemory()) {
            int piece = 1 << 20;
            long gpa = memory.allocate(piece, BLOCK);
            IoVector vector = new IoVector(1).add(memory.host(gpa, piece), piece);
            byte[] bytes = new byte[piece];
            for (long at = 0; at < DISK_BYTES; at += piece) {
                new SplittableRandom(at).nextBytes(bytes);
                memory.write(gpa, bytes);
                image.write(at, vector);
            }
            image.flush();
        }
    }

    private Path file(String format) {
        return folder.resolve("disk." + format);
    }

    /** Drops the file from the host's cache, or reads all of it into there. */
    private void prepare(Path file, boolean cold) throws IOException, InterruptedException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
        if (cold) {
            if (new ProcessBuilder("dd", "if=" + file, "iflag=nocache", "count=0", "status=none")
                            .inheritIO()
                            .start()
                            .waitFor()
                    != 0) throw new IOException("dd has not dropped " + file + " from the host's cache");
            return;
        }
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
            while (channel.read(buffer.clear()) >= 0) continue;
        }
    }

    /** @param slowUs what 99 of 100 reads take at most @param allocated on the Java heap by the device's threads */
    private record Result(double reads, double slowUs, double flushes, double allocated) {}

    private Result measure(Job job, int workers) throws Exception {
        Path file = file(job.format);
        prepare(file, job.cold);
        BlkDevice device =
                new BlkDevice("measured", Disks.open(file, OpenOptions.WRITE.withFormat(job.format)), "", 1, workers);
        try (DriverMemory memory = new DriverMemory();
                TestDriver driver = TestDriver.start(device, memory, FEATURES, QUEUE)) {
            return new Load(driver, job).run((long) (seconds * 1e9));
        } finally {
            device.close();
        }
    }

    /** The guest: keeps so many requests under way. Each block of a file that is cold is read at most once. */
    private static final class Load {
        private final TestDriver driver;
        private final Job job;
        private final int[] slotOf = new int[QUEUE];
        private final List<List<Buffer>> chains = new ArrayList<>();
        private final long[] headers, startedNs;
        private final boolean[] flushing;
        private final SplittableRandom random = new SplittableRandom(1);
        private final int[] blocks = new int[(int) (DISK_BYTES / BLOCK)];
        private long[] tookNs = new long[1 << 20];
        private int nextBlock, reads, flushes;

        Load(TestDriver driver, Job job) {
            this.driver = driver;
            this.job = job;
            int slots = job.depth + job.writers;
            headers = new long[slots];
            startedNs = new long[slots];
            flushing = new boolean[slots];
            for (int i = 0; i < slots; i++) {
                long data = driver.memory().allocate(BLOCK, BLOCK),
                        status = driver.memory().allocate(1, 1);
                headers[i] = driver.memory().host(driver.memory().allocate(16, 16), 16);
                chains.add(List.of(
                        new Buffer(gpa(headers[i]), 16, false),
                        new Buffer(data, BLOCK, i < job.depth),
                        new Buffer(status, 1, true)));
            }
            for (int i = 0; i < blocks.length; i++) blocks[i] = i;
            for (int i = blocks.length - 1; i > 0; i--) {
                int other = random.nextInt(i + 1), block = blocks[i];
                blocks[i] = blocks[other];
                blocks[other] = block;
            }
        }

        private long gpa(long hostAddress) {
            return driver.memory().memory().gpa(hostAddress);
        }

        private void offer(int slot) {
            boolean writer = slot >= job.depth;
            if (writer) flushing[slot] = !flushing[slot];
            int type = !writer ? IN : flushing[slot] ? OUT : FLUSH;
            HostMemory.putInt(headers[slot], type);
            HostMemory.putLong(
                    headers[slot] + 8, type == FLUSH ? 0 : blocks[nextBlock++ % blocks.length] * (long) (BLOCK / 512));
            startedNs[slot] = System.nanoTime();
            List<Buffer> chain = chains.get(slot);
            slotOf[driver.queue(0).offer(type == FLUSH ? List.of(chain.getFirst(), chain.getLast()) : chain)] = slot;
        }

        Result run(long durationNs) throws InterruptedException {
            long allocated = allocated(), start = System.nanoTime(), end = start + durationNs;
            int under = 0, done = 0;
            for (int slot = 0; slot < chains.size(); slot++, under++) offer(slot);
            driver.kick(0);
            while (under > 0) {
                int slot = slotOf[driver.await(0).id()];
                long now = System.nanoTime();
                done++;
                count(slot, now);
                boolean all = job.cold && nextBlock >= blocks.length;
                if (now >= end || all) under--;
                else {
                    offer(slot);
                    driver.kick(0);
                }
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            Arrays.sort(tookNs, 0, reads);
            return new Result(
                    reads / seconds,
                    reads == 0 ? 0 : tookNs[(int) (reads * 0.99)] / 1e3,
                    flushes / seconds,
                    (double) (allocated() - allocated) / done);
        }

        private void count(int slot, long now) {
            if (slot >= job.depth) {
                if (!flushing[slot]) flushes++;
                return;
            }
            if (reads == tookNs.length) tookNs = Arrays.copyOf(tookNs, 2 * reads);
            tookNs[reads++] = now - startedNs[slot];
        }

        /** By the device's threads that live. */
        private static long allocated() {
            long sum = 0;
            for (Thread thread : Thread.getAllStackTraces().keySet())
                if (thread.getName().startsWith("measured")) sum += THREADS.getThreadAllocatedBytes(thread.threadId());
            return sum;
        }
    }
}
