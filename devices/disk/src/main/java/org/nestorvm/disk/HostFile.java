package org.nestorvm.disk;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.IoVector;

/**
 * A file or a block device of the host, by descriptor. Transfers go straight between the caller's memory and the
 * kernel: preadv(2) and pwritev(2), again after a signal and from where a short one ended, at most IOV_MAX pieces at a
 * time.
 */
final class HostFile implements BlockFile {
    private static final ThreadLocal<IoVector> REST = ThreadLocal.withInitial(() -> new IoVector(16));
    /** Written where zeroes cannot be had for less. */
    static final long ZEROES_BYTES = 2 << 20;

    static final long ZEROES = Arena.global().allocate(ZEROES_BYTES, 4096).address();

    /** Files that this process has locked, some of them more than once. */
    private static final List<String> LOCKED_HERE = new CopyOnWriteArrayList<>();

    private final String name;
    private final int descriptor;
    private final boolean device, inMemory;
    private volatile boolean cannotPunch, cannotZero, cannotTry, syncFailed;
    private volatile boolean closed;
    private boolean unsynchronised;
    /** In {@link #LOCKED_HERE}; null without a lock. */
    private String lockedAs;

    /** Takes the descriptor over, also when this fails. */
    HostFile(String name, int descriptor) throws IOException {
        this.name = name;
        this.descriptor = descriptor;
        try {
            FileStatus status = FileStatus.of(name, descriptor);
            int type = status.mode() & FileStatus.S_IFMT;
            if (type != FileStatus.S_IFREG && type != FileStatus.S_IFBLK)
                throw new IOException(name + ": neither a file nor a block device");
            device = type == FileStatus.S_IFBLK;
            inMemory = !device && status.fileSystem() == FileStatus.TMPFS_MAGIC; // has no RWF_NOWAIT, and needs none
        } catch (IOException e) {
            Descriptors.close(descriptor);
            throw e;
        }
    }

    static HostFile open(String path, boolean readOnly) throws IOException {
        try {
            return new HostFile(path, Descriptors.open(path, readOnly ? Descriptors.O_RDONLY : Descriptors.O_RDWR));
        } catch (ErrnoException e) {
            String rule = switch (e.errno()) {
                case Errno.ENOENT -> "no such file (ENOENT); check the path, or make it with `nestor image create`";
                case Errno.EACCES, Errno.EPERM ->
                    "this user may not " + (readOnly ? "read" : "write") + " it (" + Errno.name(e.errno())
                            + "); change its rights" + (readOnly ? "" : ", or open it read-only");
                case Errno.EROFS -> "its file system is mounted read-only (EROFS); open it read-only";
                case Errno.EISDIR -> "a folder (EISDIR); an image is a file or a block device";
                default -> throw e;
            };
            throw new IOException(path + ": " + rule, e);
        }
    }

    /** Takes the locks of {@link ImageLock}. */
    void lock(boolean writer) throws IOException {
        String identity = identity();
        boolean free = ImageLock.take(name, descriptor, writer);
        if (!free && LOCKED_HERE.contains(identity)) {
            throw new IOException(
                    name + ": this command already uses the image; name it once, or open it read-only each time");
        }
        if (!free) throw ImageLock.refused(name, writer);
        LOCKED_HERE.add(identity);
        lockedAs = identity;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long length() throws IOException {
        return check("lseek", Descriptors.tryLseek(descriptor, 0, Descriptors.SEEK_END));
    }

    @Override
    public String identity() throws IOException {
        FileStatus status = FileStatus.of(name, descriptor);
        return status.device() + ":" + status.inode();
    }

    @Override
    public void read(long offset, IoVector into) throws IOException {
        long total = into.totalBytes(), done = 0;
        while (done < total) {
            long got = tryRead(offset + done, into, done);
            if (got == 0) {
                into.fill(done, total - done, (byte) 0);
                return;
            }
            if (got != -Errno.EINTR) done += check("preadv", got);
        }
    }

    @Override
    public boolean tryRead(long offset, IoVector into) {
        if (cannotTry || into.count() > IoVector.KERNEL_LIMIT) return false;
        long got = Descriptors.tryPreadv2(
                descriptor, into.address(), into.count(), offset, inMemory ? 0 : Descriptors.RWF_NOWAIT);
        if (got == -Errno.EOPNOTSUPP || got == -Errno.ENOSYS || got == -Errno.EPERM) cannotTry = true;
        return got == into.totalBytes();
    }

    private long tryRead(long offset, IoVector into, long done) {
        IoVector pieces = done == 0 ? into : REST.get().clear().add(into, done, into.totalBytes() - done);
        return Descriptors.tryPreadv(
                descriptor, pieces.address(), Math.min(pieces.count(), IoVector.KERNEL_LIMIT), offset);
    }

    @Override
    public void write(long offset, IoVector from) throws IOException {
        long total = from.totalBytes(), done = 0;
        while (done < total) {
            IoVector pieces = done == 0 ? from : REST.get().clear().add(from, done, total - done);
            long put = Descriptors.tryPwritev(
                    descriptor, pieces.address(), Math.min(pieces.count(), IoVector.KERNEL_LIMIT), offset + done);
            if (put == 0) put = -Errno.ENOSPC; // the end of a device
            if (put != -Errno.EINTR) done += check("pwritev", put);
        }
    }

    @Override
    public void read(long offset, long toHostAddress, long sizeBytes) throws IOException {
        for (long done = 0; done < sizeBytes; ) {
            long got = Descriptors.tryPread(descriptor, toHostAddress + done, sizeBytes - done, offset + done);
            if (got == 0) {
                HostMemory.fill(toHostAddress + done, sizeBytes - done, (byte) 0);
                return;
            }
            if (got != -Errno.EINTR) done += check("pread", got);
        }
    }

    @Override
    public void write(long offset, long fromHostAddress, long sizeBytes) throws IOException {
        for (long done = 0; done < sizeBytes; ) {
            long put = Descriptors.tryPwrite(descriptor, fromHostAddress + done, sizeBytes - done, offset + done);
            if (put == 0) put = -Errno.ENOSPC;
            if (put != -Errno.EINTR) done += check("pwrite", put);
        }
    }

    /** For a file that is worth nothing until it is complete. */
    void neverSync() {
        unsynchronised = true;
    }

    @Override
    public void sync() throws IOException {
        if (unsynchronised) return;
        if (syncFailed)
            throw new IOException(name
                    + ": synchronising failed before, so what the file holds is not known; open it anew and check it");
        try {
            Descriptors.fdatasync(name, descriptor);
        } catch (IOException e) {
            syncFailed = true; // the kernel reports lost pages once, and the next call would succeed
            throw e;
        }
    }

    @Override
    public void setLength(long sizeBytes) throws IOException {
        if (!device) Descriptors.ftruncate(name, descriptor, sizeBytes);
        else if (sizeBytes > length())
            throw new IOException(name + ": the device has " + length() + " bytes, " + sizeBytes + " are needed");
    }

    @Override
    public boolean punch(long offset, long sizeBytes) throws IOException {
        if (cannotPunch) return false;
        int result = fallocate(Descriptors.FALLOC_FL_PUNCH_HOLE | Descriptors.FALLOC_FL_KEEP_SIZE, offset, sizeBytes);
        if (missing(result)) {
            cannotPunch = true;
            return false;
        }
        check("fallocate(PUNCH_HOLE)", result);
        return true;
    }

    @Override
    public boolean zeroRange(long offset, long sizeBytes) throws IOException {
        if (cannotZero) return false;
        int result = fallocate(Descriptors.FALLOC_FL_ZERO_RANGE, offset, sizeBytes);
        if (missing(result)) {
            cannotZero = true;
            return false;
        }
        check("fallocate(ZERO_RANGE)", result);
        return true;
    }

    @Override
    public void allocate(long offset, long sizeBytes) throws IOException {
        if (!device) check("fallocate", fallocate(0, offset, sizeBytes));
    }

    private int fallocate(int mode, long offset, long sizeBytes) {
        int result;
        do {
            result = Descriptors.tryFallocate(descriptor, mode, offset, sizeBytes);
        } while (result == -Errno.EINTR);
        return result;
    }

    private static boolean missing(int result) {
        return result == -Errno.EOPNOTSUPP
                || result == -Errno.ENOSYS
                || result == -Errno.EINVAL
                || result == -Errno.ENODEV;
    }

    @Override
    public long nextData(long offset) throws IOException {
        long at = Descriptors.tryLseek(descriptor, offset, Descriptors.SEEK_DATA);
        if (at == -Errno.ENXIO) return Math.max(offset, length());
        return at == -Errno.EINVAL ? offset : check("lseek(SEEK_DATA)", at);
    }

    @Override
    public long nextHole(long offset) throws IOException {
        long at = Descriptors.tryLseek(descriptor, offset, Descriptors.SEEK_HOLE);
        if (at == -Errno.ENXIO || at == -Errno.EINVAL) return Math.max(offset, length());
        return check("lseek(SEEK_HOLE)", at);
    }

    @Override
    public void close() {
        if (closed) return;
        closed = true;
        if (lockedAs != null) LOCKED_HERE.remove(lockedAs);
        Descriptors.close(descriptor);
    }

    private long check(String call, long result) throws ErrnoException {
        if (result < 0) throw new ErrnoException(call, name, (int) -result);
        return result;
    }

    /** Zeroes over a range, written out. */
    static void writeZeroes(BlockFile file, long offset, long sizeBytes) throws IOException {
        Objects.checkFromIndexSize(0, sizeBytes, Long.MAX_VALUE);
        for (long done = 0; done < sizeBytes; ) {
            long piece = Math.min(sizeBytes - done, ZEROES_BYTES);
            file.write(offset + done, ZEROES, piece);
            done += piece;
        }
    }
}
