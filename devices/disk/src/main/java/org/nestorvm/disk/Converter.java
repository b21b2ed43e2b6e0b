package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.DoubleConsumer;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.HostText;
import org.nestorvm.memory.sys.IoVector;

/**
 * Copies what a guest sees of one image into a new one of any format. Holes are not read, zeroes are not written, and
 * several threads read, compress and write at once.
 *
 * <p>The new image grows under another name beside its place and is renamed when it is complete, so that at its own
 * name there is the old file, or none, or all of the new one. As with cp(1) nothing is synchronised: the file is as
 * durable as any that was just written.
 */
public final class Converter {
    private static final int CHUNK_BYTES = 2 << 20, RAW_GRAIN = 4096;
    private static final int MOST_THREADS = 8;

    private final DiskImage from, to;
    private final boolean compress, zstd;
    private final int grain;
    private final DoubleConsumer progress;
    private long next, dataEnd, done;

    private Converter(DiskImage from, DiskImage to, boolean compress, ImageOptions options, DoubleConsumer progress) {
        this.from = from;
        this.to = to;
        this.compress = compress;
        this.progress = progress;
        zstd = options.compressionType().equals("zstd");
        grain = to instanceof Qcow2Image ? options.clusterBytes() : RAW_GRAIN;
    }

    /**
     * @param compress pack each cluster, for a qcow2 image that will rarely be written
     * @param progress is told of the part that is done, 0 to 1
     */
    public static void convert(
            Path source,
            OpenOptions sourceOptions,
            Path target,
            String format,
            ImageOptions options,
            boolean compress,
            DoubleConsumer progress)
            throws IOException {
        if (compress && !format.equals(Disks.QCOW2))
            throw new ImageRequestException("only qcow2 images are compressed; say -O qcow2");
        if (compress && options.refcountBits() < 16)
            throw new ImageRequestException("packed clusters need refcount_bits=16 or more");
        if (options.backingFile() != null)
            throw new ImageRequestException(
                    "convert writes whole images; create one with a backing file by `nestor image create -b`");
        try (DiskImage from = Disks.open(source, sourceOptions.withReadOnly(true))) {
            if (Files.exists(target) && !Files.isRegularFile(target)) toDevice(from, target, format, options, progress);
            else toFile(from, target, format, options, compress, progress);
        }
    }

    private static void toDevice(
            DiskImage from, Path target, String format, ImageOptions options, DoubleConsumer progress)
            throws IOException {
        if (!format.equals(Disks.RAW))
            throw new IOException(target + ": only raw images are written to devices; say -O raw");
        try (DiskImage to = Disks.open(target, OpenOptions.WRITE.withFormat(Disks.RAW))) {
            if (to.sizeBytes() < from.sizeBytes())
                throw new IOException(
                        target + ": the device has " + to.sizeBytes() + " bytes, the disk " + from.sizeBytes());
            to.writeZeroes(0, from.sizeBytes(), true);
            new Converter(from, to, false, options, progress).run();
            to.flush();
        }
    }

    private static void toFile(
            DiskImage from, Path target, String format, ImageOptions options, boolean compress, DoubleConsumer progress)
            throws IOException {
        Path partial = target.resolveSibling(HostText.path(HostText.text(target.getFileName()) + ".partial"));
        try (HostFile old = Files.exists(target) ? HostFile.open(HostText.text(target), false) : null) {
            if (old != null) old.lock(true);
            Images.create(partial, format, from.sizeBytes(), options);
            Thread removal = new Thread(() -> delete(partial)); // when a signal ends the program
            Runtime.getRuntime().addShutdownHook(removal);
            try {
                write(from, partial, format, options, compress, progress);
                Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            } finally {
                removed(removal);
                Files.deleteIfExists(partial);
            }
        }
    }

    private static void removed(Thread removal) {
        try {
            Runtime.getRuntime().removeShutdownHook(removal);
        } catch (IllegalStateException e) {
            // it runs already
        }
    }

    private static void delete(Path partial) {
        try {
            Files.deleteIfExists(partial);
        } catch (IOException e) {
            System.getLogger(Converter.class.getName()).log(System.Logger.Level.WARNING, "{0} is left over", partial);
        }
    }

    private static void write(
            DiskImage from,
            Path partial,
            String format,
            ImageOptions options,
            boolean compress,
            DoubleConsumer progress)
            throws IOException {
        HostFile file = HostFile.open(HostText.text(partial), false);
        try {
            file.lock(true);
            file.neverSync();
            try (DiskImage to =
                    format.equals(Disks.RAW) ? new RawImage(file, false, false) : Qcow2Image.open(file, false, null)) {
                new Converter(from, to, compress, options, progress).run();
            }
        } finally {
            file.close();
        }
    }

    private void run() throws IOException {
        int threads = Math.clamp(Runtime.getRuntime().availableProcessors(), 1, MOST_THREADS);
        List<Future<?>> workers = new ArrayList<>();
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            for (int i = 0; i < threads; i++) {
                workers.add(pool.submit(() -> {
                    work();
                    return null;
                }));
            }
            for (Future<?> worker : workers) finished(worker);
        }
        progress.accept(1);
    }

    private void finished(Future<?> worker) throws IOException {
        try {
            worker.get();
        } catch (InterruptedException e) {
            stop();
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException e) {
            stop();
            if (e.getCause() instanceof IOException failure) throw failure;
            throw new IllegalStateException(e.getCause());
        }
    }

    private synchronized void stop() {
        next = from.sizeBytes();
        dataEnd = next;
    }

    private void work() throws IOException {
        try (Arena arena = Arena.ofConfined();
                Compressor compressor = compress ? new Compressor(grain, zstd) : null) {
            long buffer = arena.allocate(Math.max(CHUNK_BYTES, grain), 4096).address();
            IoVector vector = new IoVector(1);
            for (long[] chunk = take(); chunk != null; chunk = take()) {
                copy(chunk[0], (int) chunk[1], buffer, vector, compressor);
                report(chunk[1]);
            }
        } catch (IOException | RuntimeException | Error e) {
            stop();
            throw e;
        }
    }

    // Offset and size of the next piece that may hold data; it begins and ends with a grain.
    private synchronized long[] take() throws IOException {
        long size = from.sizeBytes();
        if (next >= size) return null;
        if (next >= dataEnd) {
            long data = from.nextData(next);
            if (data >= size) {
                next = size;
                return null;
            }
            done += Math.max(0, data / grain * grain - next);
            next = Math.max(next, data / grain * grain);
            long hole = Math.max(data + 1, from.nextHole(data)); // a piece is never empty, whatever an image answers
            dataEnd = Math.min(size, Math.ceilDiv(hole, grain) * grain);
        }
        long bytes = Math.min(dataEnd - next, Math.max(CHUNK_BYTES, grain));
        long[] chunk = {next, bytes};
        next += bytes;
        return chunk;
    }

    private void report(long bytes) {
        double part;
        synchronized (this) {
            done += bytes;
            part = (double) done / from.sizeBytes();
        }
        progress.accept(Math.min(part, 0.999));
    }

    private void copy(long offset, int size, long buffer, IoVector vector, Compressor compressor) throws IOException {
        from.read(offset, vector.clear().add(buffer, size));
        for (int at = 0; at < size; ) {
            boolean zero = isZero(buffer + at, Math.min(grain, size - at));
            int end = at + grain;
            while (compressor == null && end < size && isZero(buffer + end, Math.min(grain, size - end)) == zero)
                end += grain;
            end = Math.min(end, size);
            if (!zero && (compressor == null || !pack(offset + at, buffer + at, end - at, compressor)))
                to.write(offset + at, vector.clear().add(buffer + at, end - at));
            at = end;
        }
    }

    // @return false when the cluster does not become smaller
    private boolean pack(long offset, long address, int size, Compressor compressor) throws IOException {
        int packed = compressor.pack(address, size);
        if (packed >= grain) return false;
        ((Qcow2Image) to).writePacked(offset, compressor.address(), packed);
        return true;
    }

    private static boolean isZero(long address, int size) {
        return HostMemory.getLong(address) == 0
                && MemorySegment.mismatch(
                                HostMemory.ALL,
                                address,
                                address + size,
                                HostMemory.ALL,
                                HostFile.ZEROES,
                                HostFile.ZEROES + size)
                        < 0;
    }
}
