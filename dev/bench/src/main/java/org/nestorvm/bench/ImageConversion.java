package org.nestorvm.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * {@code nestor image convert} beside {@code qemu-img convert}, whole commands, by turns in one run: raw to qcow2,
 * back, and compressed by zlib and zstd. A disk of 2 GiB, in memory if there is /dev/shm: holes, text that compresses
 * to a third, and noise. Results are compared by qemu-img. Arguments: rounds (5), MiB (2048).
 */
public final class ImageConversion {
    private static final int MIB = 1 << 20;
    private final Path directory;
    private final int rounds, sizeMib;

    private ImageConversion(Path directory, int rounds, int sizeMib) {
        this.directory = directory;
        this.rounds = rounds;
        this.sizeMib = sizeMib;
    }

    public static void main(String[] arguments) throws Exception {
        Path memory = Path.of("/dev/shm");
        Path directory = Files.isWritable(memory)
                ? Files.createTempDirectory(memory, "nestor-bench")
                : Files.createTempDirectory("nestor-bench");
        try {
            new ImageConversion(
                            directory,
                            arguments.length > 0 ? Integer.parseInt(arguments[0]) : 5,
                            arguments.length > 1 ? Integer.parseInt(arguments[1]) : 2048)
                    .run();
        } finally {
            try (var files = Files.list(directory)) {
                for (Path file : files.toList()) Files.delete(file);
            }
            Files.delete(directory);
        }
    }

    private void run() throws Exception {
        Path raw = directory.resolve("disk.raw");
        write(raw);
        System.out.println(
                "| conversion | nestor, median s | processor s | qemu-img, median s | processor s | ratio of "
                        + "medians |");
        System.out.println("|---|---|---|---|---|---|");
        compare("raw to qcow2", raw, "qcow2", List.of());
        Path qcow2 = directory.resolve("kept.qcow2");
        Files.move(directory.resolve("theirs.qcow2"), qcow2);
        compare("qcow2 to raw", qcow2, "raw", List.of());
        compare("raw to qcow2, -c (zlib)", raw, "qcow2", List.of("-c"));
        Path packed = directory.resolve("packed.qcow2");
        Files.move(directory.resolve("theirs.qcow2"), packed);
        compare("packed by zlib to raw", packed, "raw", List.of());
        compare("raw to qcow2, -c, zstd", raw, "qcow2", List.of("-c", "-o", "compression_type=zstd"));
    }

    private void write(Path raw) throws IOException {
        Random random = new Random(1);
        byte[] chunk = new byte[4 * MIB];
        try (FileChannel channel = FileChannel.open(raw, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            for (long at = 0; at < (long) sizeMib * MIB; at += chunk.length) {
                int kind = random.nextInt(10);
                if (kind < 4) continue;
                if (kind < 8) text(chunk, random);
                else random.nextBytes(chunk);
                channel.write(ByteBuffer.wrap(chunk), at);
            }
            channel.write(ByteBuffer.wrap(new byte[1]), (long) sizeMib * MIB - 1);
        }
    }

    private static void text(byte[] chunk, Random random) {
        byte[] words =
                "the guest's memory is mapped where the kernel chooses and a nested fault finds the page behind it "
                        .repeat(3)
                        .getBytes(StandardCharsets.US_ASCII);
        for (int at = 0; at < chunk.length; ) {
            int length = Math.min(chunk.length - at, 4 + random.nextInt(12));
            System.arraycopy(words, random.nextInt(words.length - 16), chunk, at, length);
            at += length;
        }
    }

    private void compare(String what, Path from, String format, List<String> options) throws Exception {
        Path ours = directory.resolve("ours." + format), theirs = directory.resolve("theirs." + format);
        double[][] times = new double[4][rounds];
        for (int round = -1; round < rounds; round++) { // the first warms the host's caches
            double[]
                    our =
                            time(command(
                                    List.of("./nestor", "image", "convert", "-q", "-O", format), options, from, ours)),
                    their = time(command(List.of("qemu-img", "convert", "-O", format), options, from, theirs));
            if (round < 0) continue;
            times[0][round] = our[0];
            times[1][round] = our[1];
            times[2][round] = their[0];
            times[3][round] = their[1];
        }
        time(List.of("qemu-img", "compare", ours.toString(), theirs.toString()));
        for (double[] series : times) Arrays.sort(series);
        int middle = rounds / 2;
        System.out.printf(
                Locale.ROOT,
                "| %s | %.2f | %.2f | %.2f | %.2f | **%.2f** |%n",
                what,
                times[0][middle],
                times[1][middle],
                times[2][middle],
                times[3][middle],
                times[0][middle] / times[2][middle]);
        Files.delete(ours);
    }

    private static List<String> command(List<String> start, List<String> options, Path from, Path to) {
        List<String> command = new ArrayList<>(start);
        command.addAll(options);
        command.addAll(List.of(from.toString(), to.toString()));
        return command;
    }

    /** Seconds of wall time and of processor time of the command and all it starts, by bash's own clock. */
    private static double[] time(List<String> command) throws Exception {
        List<String> timed =
                new ArrayList<>(List.of("bash", "-c", "TIMEFORMAT='%R %U %S'; time \"$@\" >/dev/null", "bash"));
        timed.addAll(command);
        Process process = new ProcessBuilder(timed).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        if (process.waitFor() != 0) throw new IOException(command + ": " + said);
        String[] numbers = said.substring(said.lastIndexOf('\n') + 1).split(" ");
        return new double[] {
            Double.parseDouble(numbers[0]), Double.parseDouble(numbers[1]) + Double.parseDouble(numbers[2])
        };
    }
}
