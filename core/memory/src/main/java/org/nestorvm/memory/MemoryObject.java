package org.nestorvm.memory;

import static org.nestorvm.memory.sys.Descriptors.F_SEAL_GROW;
import static org.nestorvm.memory.sys.Descriptors.F_SEAL_SEAL;
import static org.nestorvm.memory.sys.Descriptors.F_SEAL_SHRINK;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.nestorvm.memory.sys.Descriptors;
import org.nestorvm.memory.sys.Errno;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.FaultPoints;
import org.nestorvm.memory.sys.FileStatus;
import org.nestorvm.memory.sys.MemoryCalls;
import org.nestorvm.memory.sys.Primitive;

/**
 * Anonymous memory of a fixed size that several processes can map: a sealed memory file, memfd_create(2), with a count
 * of references.
 *
 * <p>The seals make the size final, so that no holder of the descriptor can shorten the file under a mapping (an access
 * beyond the end is SIGBUS); holes can still be punched, which is how memory is given back. A page exists from its
 * first touch. Every slot and every mapping holds a reference; the last to be dropped closes the descriptor, and the
 * kernel frees the pages when no process has the file open or mapped.
 */
public final class MemoryObject {
    private static final int SIZE_SEALS = F_SEAL_GROW | F_SEAL_SHRINK;
    private static final int NAME_BYTES = MemoryCalls.MFD_NAME_MAX;
    private static final AtomicInteger LIVE = new AtomicInteger();
    private static final AtomicLong LIVE_BYTES = new AtomicLong();
    private static final VarHandle REFERENCES;

    static {
        try {
            REFERENCES = MethodHandles.lookup().findVarHandle(MemoryObject.class, "references", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final String name;
    private final long sizeBytes;
    private final Pages pages;
    private final int descriptor;
    private final boolean sizeIsFinal;
    private volatile int references = 1;

    private MemoryObject(String name, long sizeBytes, Pages pages, int descriptor, boolean sizeIsFinal) {
        this.name = name;
        this.sizeIsFinal = sizeIsFinal;
        this.sizeBytes = sizeBytes;
        this.pages = pages;
        this.descriptor = descriptor;
        LIVE.incrementAndGet();
        LIVE_BYTES.addAndGet(sizeBytes);
    }

    /**
     * Creates an object of ordinary pages with one reference, held by the caller; see {@link #create(String, long,
     * Pages)}.
     */
    public static MemoryObject create(String name, long sizeBytes) throws IOException {
        return create(name, sizeBytes, Pages.SMALL);
    }

    /**
     * Creates an object with one reference, held by the caller. No page is allocated until touched. After a failure
     * nothing is left.
     *
     * @param name shows in /proc as {@code memfd:NAME}; 1 to 249 bytes of UTF-8, without NUL
     * @param sizeBytes at least one page, a multiple of the page size
     * @throws IllegalArgumentException when name or size break these rules
     * @throws ErrnoException when the host has no memory or no descriptor left, or no huge pages of that size
     */
    public static MemoryObject create(String name, long sizeBytes, Pages pages) throws IOException {
        checkName(name);
        checkSize(name, sizeBytes, pages.bytes());
        FaultPoints.allocation("memory object");
        int flags = MemoryCalls.MFD_CLOEXEC | MemoryCalls.MFD_ALLOW_SEALING | pages.memfdFlags();
        if (Primitive.NOEXEC_SEAL.present()) flags |= MemoryCalls.MFD_NOEXEC_SEAL;
        int descriptor = MemoryCalls.memfdCreate(name, flags);
        try {
            String label = describe(name, sizeBytes);
            Descriptors.ftruncate(label, descriptor, sizeBytes);
            Descriptors.fcntl(label, descriptor, Descriptors.F_ADD_SEALS, SIZE_SEALS | F_SEAL_SEAL);
            return new MemoryObject(name, sizeBytes, pages, descriptor, true);
        } catch (Throwable t) {
            Descriptors.close(descriptor);
            throw t;
        }
    }

    /**
     * Makes an object of a descriptor that came from another process. The descriptor belongs to the object from now on;
     * it is closed when the object is refused.
     *
     * @param name for messages; the name in /proc is the creator's
     * @param sizeBytes the size that the sender announced
     * @throws UntrustedMemoryException when it is no memory file, not of that size, not open for reading and writing,
     *     or not sealed against shrinking: then its sender could make any access to it a SIGBUS
     */
    public static MemoryObject adopt(String name, int descriptor, long sizeBytes) throws IOException {
        try {
            checkName(name);
            String label = describe(name, sizeBytes);
            FaultPoints.allocation("memory object");
            FileStatus status = FileStatus.of(label, descriptor);
            if (!status.isMemoryFile()) throw new UntrustedMemoryException(label, "it is not a memory file");
            if (status.sizeBytes() != sizeBytes)
                throw new UntrustedMemoryException(label, "its size is " + status.sizeBytes() + " bytes");
            Pages pages = pages(label, status);
            checkSize(name, sizeBytes, pages.bytes());
            int seals = seals(label, descriptor);
            if ((seals & F_SEAL_SHRINK) == 0)
                throw new UntrustedMemoryException(label, "it is not sealed against shrinking");
            checkAccess(label, descriptor, seals);
            return new MemoryObject(name, sizeBytes, pages, descriptor, true);
        } catch (Throwable t) {
            Descriptors.close(descriptor);
            throw t;
        }
    }

    /**
     * Makes an object of a memory file of another program that may not seal its files: all of it, whatever its size. A
     * file that its creator left open for seals is sealed here. Where that is not possible either
     * ({@link #sizeIsFinal}), the sender can make accesses of this process fail by shortening the file: that is for
     * processes that work for this sender alone. The descriptor belongs to the object from now on; it is closed when
     * the object is refused.
     *
     * @param name for messages
     * @throws UntrustedMemoryException when it is no memory file of whole pages, not open for reading and writing, or
     *     sealed against writing
     */
    public static MemoryObject adoptForeign(String name, int descriptor) throws IOException {
        try {
            checkName(name);
            FaultPoints.allocation("memory object");
            int seals = seals(name, descriptor);
            boolean sealed = (seals & F_SEAL_SHRINK) != 0
                    || trySeal(name, descriptor); // first: from here on the size is what it is
            FileStatus status = FileStatus.of(name, descriptor);
            String label = describe(name, status.sizeBytes());
            if (!status.isMemoryFile()) throw new UntrustedMemoryException(label, "it is not a memory file");
            Pages pages = pages(label, status);
            if (status.sizeBytes() <= 0 || status.sizeBytes() % pages.bytes() != 0)
                throw new UntrustedMemoryException(label, "its size is not a multiple of " + pages.bytes() + " bytes");
            checkAccess(label, descriptor, seals);
            return new MemoryObject(name, status.sizeBytes(), pages, descriptor, sealed);
        } catch (Throwable t) {
            Descriptors.close(descriptor);
            throw t;
        }
    }

    private static boolean trySeal(String label, int descriptor) throws ErrnoException {
        try {
            Descriptors.fcntl(label, descriptor, Descriptors.F_ADD_SEALS, F_SEAL_SHRINK);
            return true;
        } catch (ErrnoException e) {
            if (e.errno() == Errno.EINVAL || e.errno() == Errno.EPERM)
                return false; // no memfd, or one that takes no seals
            throw e;
        }
    }

    private static Pages pages(String label, FileStatus status) throws UntrustedMemoryException {
        Pages pages = Pages.ofFile(status);
        if (pages == null) throw new UntrustedMemoryException(label, "its pages are " + status.blockBytes() + " bytes");
        return pages;
    }

    /** Open for reading and writing, in every sense; not inherited from now on. */
    private static void checkAccess(String label, int descriptor, int seals) throws IOException {
        int writeSeals = Descriptors.F_SEAL_WRITE | Descriptors.F_SEAL_FUTURE_WRITE;
        if ((seals & writeSeals) != 0) throw new UntrustedMemoryException(label, "it is sealed against writing");
        int flags = Descriptors.fcntl(label, descriptor, Descriptors.F_GETFL, 0);
        if ((flags & Descriptors.O_ACCMODE) != Descriptors.O_RDWR)
            throw new UntrustedMemoryException(label, "it is not open for reading and writing");
        Descriptors.fcntl(label, descriptor, Descriptors.F_SETFD, Descriptors.FD_CLOEXEC);
    }

    /** 0 for a file that can have none. */
    private static int seals(String label, int descriptor) throws ErrnoException {
        try {
            return Descriptors.fcntl(label, descriptor, Descriptors.F_GET_SEALS, 0);
        } catch (ErrnoException e) {
            if (e.errno() == Errno.EINVAL) return 0;
            throw e;
        }
    }

    private static void checkName(String name) {
        int bytes = name.getBytes(StandardCharsets.UTF_8).length;
        String rule = "the name of a memory object has 1 to " + NAME_BYTES + " bytes and no NUL: \""
                + name.replace("\0", "\\0") + '"';
        if (bytes == 0 || bytes > NAME_BYTES) throw new IllegalArgumentException(rule + " has " + bytes);
        if (name.indexOf('\0') >= 0) throw new IllegalArgumentException(rule);
    }

    private static void checkSize(String name, long sizeBytes, long pageBytes) {
        if (sizeBytes <= 0 || sizeBytes % pageBytes != 0) {
            String rule =
                    "the size of memory object \"" + name + "\" must be a positive multiple of " + pageBytes + " bytes";
            throw new IllegalArgumentException(rule + ": size=" + sizeBytes);
        }
    }

    /** Takes one more reference. @throws IllegalStateException when the last one was dropped already */
    public MemoryObject reference() {
        while (true) {
            int now = references;
            if (now == 0)
                throw new IllegalStateException("a reference to " + this + " is taken after the last one was dropped");
            if (now == Integer.MAX_VALUE) throw new IllegalStateException("too many references to " + this);
            if (REFERENCES.compareAndSet(this, now, now + 1)) return this;
        }
    }

    /**
     * Drops one reference; the last one closes the descriptor. @throws IllegalStateException when there is none to drop
     */
    public void release() {
        while (true) {
            int now = references;
            if (now == 0) throw new IllegalStateException("a reference to " + this + " is dropped that nobody holds");
            if (!REFERENCES.compareAndSet(this, now, now - 1)) continue;
            if (now == 1) free();
            return;
        }
    }

    private void free() {
        Descriptors.close(descriptor);
        LIVE.decrementAndGet();
        LIVE_BYTES.addAndGet(-sizeBytes);
    }

    /** References held now; for tests and reports, since it may change at once. */
    public int referenceCount() {
        return references;
    }

    public String name() {
        return name;
    }

    public long sizeBytes() {
        return sizeBytes;
    }

    /** False for memory of another program that could not be sealed: see {@link #adoptForeign}. */
    public boolean sizeIsFinal() {
        return sizeIsFinal;
    }

    /** The kind of pages the object consists of. */
    public Pages pages() {
        return pages;
    }

    /** The descriptor, valid while the caller holds a reference. */
    public int descriptor() {
        return descriptor;
    }

    /**
     * Bytes that hold pages now (st_blocks of the memory file), in whichever process they were touched. The caller
     * holds a reference.
     */
    public long residentBytes() throws IOException {
        return FileStatus.of(this, descriptor).allocatedBytes();
    }

    /**
     * Gives pages back to the host: the range reads zero afterwards, in every process (FALLOC_FL_PUNCH_HOLE). The
     * caller holds a reference.
     *
     * @throws IllegalArgumentException when the range is empty, not page aligned, or not inside the object
     */
    public void discard(long offset, long sizeBytes) throws IOException {
        checkRange(offset, sizeBytes);
        if ((offset | sizeBytes) % pages.bytes() != 0 || sizeBytes == 0) {
            String rule = "a range of whole pages of " + pages.bytes() + " bytes is needed";
            throw new IllegalArgumentException(rule + ": offset=" + offset + " size=" + sizeBytes);
        }
        Descriptors.fallocate(
                this,
                descriptor,
                Descriptors.FALLOC_FL_PUNCH_HOLE | Descriptors.FALLOC_FL_KEEP_SIZE,
                offset,
                sizeBytes);
    }

    /**
     * @throws IllegalArgumentException unless all of the range lies inside the object; empty ranges up to the end do
     */
    void checkRange(long offset, long sizeBytes) {
        if (offset < 0 || sizeBytes < 0 || offset > this.sizeBytes - sizeBytes) {
            throw new IllegalArgumentException(
                    "the range is not inside " + this + ": offset=" + offset + " size=" + sizeBytes);
        }
    }

    /** Objects of this process that have not been freed. For leak checks. */
    public static int liveCount() {
        return LIVE.get();
    }

    /** Sum of the sizes of these objects. */
    public static long liveBytes() {
        return LIVE_BYTES.get();
    }

    @Override
    public String toString() {
        return describe(name, sizeBytes);
    }

    private static String describe(String name, long sizeBytes) {
        return "guest memory \"" + name + "\" (" + inLargestUnit(sizeBytes) + ")";
    }

    private static String inLargestUnit(long bytes) {
        if (bytes % (1 << 20) == 0) return (bytes >> 20) + " MiB";
        return bytes % (1 << 10) == 0 ? (bytes >> 10) + " KiB" : bytes + " bytes";
    }
}
