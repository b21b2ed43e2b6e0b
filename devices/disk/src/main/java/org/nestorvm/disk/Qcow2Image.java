package org.nestorvm.disk;

import java.io.IOException;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.nestorvm.disk.ClusterMap.Run;
import org.nestorvm.memory.sys.IoVector;

/**
 * A qcow2 image, version 2 or 3, read and written by the specification "Qcow2 Image File Format".
 *
 * <p><b>Threads.</b> One lock guards the tables. A request holds it to find out where its bytes lie, and moves them
 * without it. A write to clusters that have no place of their own yet takes free ones, fills them (with what was there
 * around the request's bytes), and only then enters them in the tables; another request that wants to change one of
 * these clusters waits until that is done, one that reads sees the old bytes. Writing tables back holds the lock. So
 * {@link #tryRead} and {@link #tryWrite} never wait for it: not even to end, which who has the lock next does for them.
 *
 * <p><b>Discarded</b> whole clusters read zero and give their space back, but for version 2 with a backing file, where
 * they keep their bytes; the parts of clusters at the ends of the range keep their bytes.
 *
 * <p><b>Snapshots</b> are respected here: a write never changes what they hold. {@link Qcow2Snapshots} makes them while
 * nobody uses the image.
 *
 * <p><b>Left out</b>: persistent bitmaps are not kept up, so the bit that says they are is cleared; encryption,
 * external data files and extended L2 entries are refused.
 */
final class Qcow2Image implements DiskImage {
    /** Bytes that one allocation covers at most. */
    private static final int ALLOCATION_BYTES = 16 << 20;

    /** Opens the file that an image is based on. */
    @FunctionalInterface
    interface BackingOpener {
        /** @param format null when the image does not say */
        DiskImage openBacking(String overlay, String name, String format) throws IOException;
    }

    private final BlockFile file;
    private final Qcow2Header header;
    private final boolean readOnly;
    private final DiskImage backing;
    private final ClusterMap map;
    private long sizeBytes;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition allocated = lock.newCondition();
    private Qcow2Request[] allocating = new Qcow2Request[8];
    private int allocatingCount;
    private Qcow2Request free;
    /** Those that have ended while another had the lock. */
    private final AtomicReference<Qcow2Request> ended = new AtomicReference<>();

    private long packedEnd, packedRoom;
    private boolean closed;

    private Qcow2Image(BlockFile file, Qcow2Header header, boolean readOnly, DiskImage backing) throws IOException {
        this.file = file;
        this.header = header;
        this.readOnly = readOnly;
        this.backing = backing;
        sizeBytes = header.diskBytes();
        map = new ClusterMap(file, header, readOnly);
    }

    static DiskImage open(BlockFile file, boolean readOnly, BackingOpener opener) throws IOException {
        Qcow2Header header = Qcow2Header.read(file);
        Decompressor.prepare(header.compression == Qcow2Header.ZSTD);
        if (!readOnly) header = prepareToWrite(file, header);
        DiskImage backing = header.backingName == null
                ? null
                : opener.openBacking(file.name(), header.backingName, header.backingFormat);
        try {
            return new Qcow2Image(file, header, readOnly, backing);
        } catch (IOException | RuntimeException | Error e) {
            if (backing != null) backing.close();
            throw e;
        }
    }

    static Qcow2Header prepareToWrite(BlockFile file, Qcow2Header header) throws IOException {
        if ((header.incompatible & Qcow2Header.CORRUPT) != 0)
            throw Qcow2Header.bad(
                    file, "is marked as corrupt; `nestor image check -r all` may mend it, and it can be read as it is");
        if ((header.incompatible & Qcow2Header.DIRTY) != 0) {
            Qcow2Check.countAnew(file);
            header = Qcow2Header.read(file);
        }
        if (header.autoclear != 0) { // what these bits promise is not kept up here
            header.autoclear = 0;
            Tables.writeHeader(file, Qcow2Header.AUTOCLEAR_FEATURES, 8, 0, 0);
            file.sync();
        }
        return header;
    }

    Qcow2Header header() {
        return header;
    }

    DiskImage backing() {
        return backing;
    }

    @Override
    public String format() {
        return Disks.QCOW2;
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    private Qcow2Request begin() throws IOException {
        lock.lock();
        try {
            return take();
        } finally {
            lock.unlock();
        }
    }

    /** @return null when another has the lock */
    private Qcow2Request tryBegin() throws IOException {
        if (!lock.tryLock()) return null;
        try {
            return take();
        } finally {
            lock.unlock();
        }
    }

    private Qcow2Request take() throws IOException {
        if (closed) throw new IOException(file.name() + ": the disk is closed");
        collectEnded();
        Qcow2Request request = free;
        if (request == null) request = new Qcow2Request(header);
        else free = request.next;
        request.began = map.freed().begin();
        return request;
    }

    private void end(Qcow2Request request) {
        lock.lock();
        try {
            giveBack(request);
        } finally {
            lock.unlock();
        }
    }

    private void tryEnd(Qcow2Request request) {
        if (lock.tryLock()) {
            try {
                giveBack(request);
            } finally {
                lock.unlock();
            }
            return;
        }
        do request.next = ended.get();
        while (!ended.compareAndSet(request.next, request));
    }

    private void giveBack(Qcow2Request request) {
        map.freed().end(request.began);
        request.next = free;
        free = request;
    }

    private void collectEnded() {
        if (ended.get() == null) return;
        for (Qcow2Request request = ended.getAndSet(null); request != null; ) {
            Qcow2Request next = request.next;
            giveBack(request);
            request = next;
        }
    }

    @Override
    public void read(long offset, IoVector into) throws IOException {
        Bounds.check(this, offset, into.totalBytes());
        Qcow2Request request = begin();
        try {
            for (long done = 0, total = into.totalBytes(); done < total; done += request.run.bytes) {
                lookup(request.run, offset + done, total - done);
                readRun(request, offset + done, into, done);
            }
        } finally {
            end(request);
        }
    }

    @Override
    public boolean tryRead(long offset, IoVector into) throws IOException {
        Bounds.check(this, offset, into.totalBytes());
        Qcow2Request request = tryBegin();
        if (request == null) return false;
        try {
            for (long done = 0, total = into.totalBytes(); done < total; done += request.run.bytes) {
                if (!tryLookup(request.run, offset + done, total - done)
                        || !tryReadRun(request, offset + done, into, done)) return false;
            }
            return true;
        } finally {
            tryEnd(request);
        }
    }

    private boolean tryLookup(Run run, long offset, long bytes) throws IOException {
        if (!lock.tryLock()) return false;
        try {
            if (!map.isAtHand(offset)) return false;
            map.lookup(run, offset, bytes);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Unpacking is no waiting, but much work. */
    private boolean tryReadRun(Qcow2Request request, long offset, IoVector into, long at) throws IOException {
        Run run = request.run;
        if (run.kind == ClusterMap.Kind.DATA) return file.tryRead(run.hostOffset, request.part(into, at, run.bytes));
        if (run.kind == ClusterMap.Kind.COMPRESSED) return false;
        long covered = run.kind == ClusterMap.Kind.ZERO ? 0 : covered(offset, run.bytes);
        if (covered > 0 && !backing.tryRead(offset, request.part(into, at, covered))) return false;
        zero(into, at + covered, run.bytes - covered);
        return true;
    }

    private void lookup(Run run, long offset, long bytes) throws IOException {
        lock.lock();
        try {
            map.lookup(run, offset, bytes);
        } finally {
            lock.unlock();
        }
    }

    private void readRun(Qcow2Request request, long offset, IoVector into, long at) throws IOException {
        Run run = request.run;
        switch (run.kind) {
            case ZERO -> zero(into, at, run.bytes);
            case COMPRESSED -> into.copyIn(at, unpack(request) + (offset & header.clusterBytes() - 1), run.bytes);
            case DATA -> file.read(run.hostOffset, request.part(into, at, run.bytes));
            case UNALLOCATED -> readBacking(request, offset, into, at);
        }
    }

    private void readBacking(Qcow2Request request, long offset, IoVector into, long at) throws IOException {
        long covered = covered(offset, request.run.bytes);
        if (covered > 0) backing.read(offset, request.part(into, at, covered));
        zero(into, at + covered, request.run.bytes - covered);
    }

    /** How many of these bytes the backing file has. */
    private long covered(long offset, long bytes) {
        return backing == null ? 0 : Math.clamp(backing.sizeBytes() - offset, 0, bytes);
    }

    // Copying zeroes allocates nothing; filling makes a segment for each piece.
    private static void zero(IoVector into, long at, long bytes) {
        for (long done = 0; done < bytes; ) {
            long piece = Math.min(bytes - done, HostFile.ZEROES_BYTES);
            into.copyIn(at + done, HostFile.ZEROES, piece);
            done += piece;
        }
    }

    private long unpack(Qcow2Request request) throws IOException {
        Run run = request.run;
        return request.decompressor().unpack(file, run.entry, run.generation, run.hostOffset, run.packedBytes);
    }

    @Override
    public void write(long offset, IoVector from) throws IOException {
        Bounds.checkWrite(this, offset, from.totalBytes());
        Qcow2Request request = begin();
        try {
            for (long done = 0, total = from.totalBytes(); done < total; done += request.run.bytes) {
                if (place(request, offset + done, total - done))
                    file.write(request.run.hostOffset, request.part(from, done, request.run.bytes));
                else fill(request, offset + done, from, done);
            }
        } finally {
            end(request);
        }
    }

    @Override
    public boolean tryWrite(long offset, IoVector from) throws IOException {
        Bounds.checkWrite(this, offset, from.totalBytes());
        if (from.isEmpty()) return true;
        Qcow2Request request = tryBegin();
        if (request == null) return false;
        try {
            if (!tryPlace(request.run, offset, from.totalBytes())) return false;
            file.write(request.run.hostOffset, from);
            return true;
        } finally {
            tryEnd(request);
        }
    }

    /** Whether all the bytes go side by side where they are. */
    private boolean tryPlace(Run run, long offset, long bytes) throws IOException {
        if (!lock.tryLock()) return false;
        try {
            if (!map.isAtHand(offset) || isDisturbed(offset, bytes)) return false;
            map.lookupInPlace(run, offset, bytes);
            return run.bytes == bytes;
        } finally {
            lock.unlock();
        }
    }

    private boolean isDisturbed(long offset, long bytes) {
        long first = offset >>> header.clusterBits, last = offset + bytes - 1 >>> header.clusterBits;
        for (int i = 0; i < allocatingCount; i++) {
            if (allocating[i].cluster + allocating[i].clusters > first && allocating[i].cluster <= last) return true;
        }
        return false;
    }

    // @return true when the bytes go where they are; else clusters were taken for them
    private boolean place(Qcow2Request request, long offset, long bytes) throws IOException {
        lock.lock();
        try {
            bytes = Math.min(bytes, undisturbed(offset, bytes));
            map.lookupInPlace(request.run, offset, bytes);
            if (request.run.bytes > 0) return true;
            takeClusters(request, offset, bytes);
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** Waits until nobody fills the first cluster. @return bytes up to the first cluster that somebody fills */
    private long undisturbed(long offset, long bytes) {
        long first = offset >>> header.clusterBits, last = offset + bytes - 1 >>> header.clusterBits;
        for (int i = 0; i < allocatingCount; i++) {
            Qcow2Request other = allocating[i];
            if (other.cluster + other.clusters <= first || other.cluster > last) continue;
            if (other.cluster <= first) {
                allocated.awaitUninterruptibly();
                i = -1;
                last = offset + bytes - 1 >>> header.clusterBits;
            } else {
                last = other.cluster - 1;
            }
        }
        return Math.min(bytes, (last + 1 << header.clusterBits) - offset);
    }

    private void takeClusters(Qcow2Request request, long offset, long bytes) throws IOException {
        long within = offset & header.clusterBytes() - 1;
        request.cluster = offset >>> header.clusterBits;
        int wanted = (int) Math.min(
                Math.max(1, ALLOCATION_BYTES >> header.clusterBits),
                within + bytes + header.clusterBytes() - 1 >>> header.clusterBits);
        request.clusters = map.lookupForAllocation(request.run, request.cluster, wanted);
        request.fresh = request.run.hostOffset == 0;
        request.untouched = false;
        if (request.fresh) takeFresh(request);
        request.run.bytes = Math.min(bytes, ((long) request.clusters << header.clusterBits) - within);
        if (allocatingCount == allocating.length) allocating = Arrays.copyOf(allocating, 2 * allocatingCount);
        allocating[allocatingCount++] = request;
    }

    private void takeFresh(Qcow2Request request) throws IOException {
        long end = map.refcounts().end(), first = map.refcounts().allocate(request.clusters);
        request.run.hostOffset = first << header.clusterBits;
        request.clusters = map.refcounts().got();
        request.untouched = first >= end;
    }

    private void fill(Qcow2Request request, long offset, IoVector from, long at) throws IOException {
        long hostOffset = request.run.hostOffset, bytes = request.run.bytes;
        boolean written = false;
        try {
            writeWithSurroundings(request, offset, from, at, hostOffset, bytes);
            written = true;
        } finally {
            settle(request, hostOffset, written);
            request.run.bytes = bytes;
        }
    }

    private void writeWithSurroundings(
            Qcow2Request request, long offset, IoVector from, long at, long hostOffset, long bytes) throws IOException {
        long clusterBytes = header.clusterBytes(),
                within = offset & clusterBytes - 1,
                end = (long) request.clusters << header.clusterBits;
        IoVector all = request.surrounded.clear();
        // A kept cluster read zero, whatever is in it.
        boolean head = within > 0 && request.surround(this, request.before(), offset - within, within);
        long start = head ? 0 : within;
        boolean tail =
                within + bytes < end && request.surround(this, request.after(), offset + bytes, end - within - bytes);
        if (head) request.addBefore(all, within);
        all.add(from, at, bytes);
        if (tail) request.addAfter(all, end - within - bytes);
        file.write(hostOffset + start, all);
    }

    /**
     * Brings what is around a write into memory. @return false when it is zero and the file there reads zero already
     */
    boolean readSurroundings(Qcow2Request request, long offset, IoVector into) throws IOException {
        boolean zero = true;
        for (long done = 0, total = into.totalBytes(); done < total; done += request.run.bytes) {
            lookup(request.run, offset + done, total - done);
            boolean backed = request.run.kind == ClusterMap.Kind.UNALLOCATED
                    && (backing == null || offset + done >= backing.sizeBytes());
            zero &= request.run.kind == ClusterMap.Kind.ZERO || backed;
            readRun(request, offset + done, into, done);
        }
        return !(zero && request.untouched);
    }

    private void settle(Qcow2Request request, long hostOffset, boolean written) throws IOException {
        lock.lock();
        try {
            if (written) map.link(request.cluster, request.clusters, hostOffset);
            else if (request.fresh) {
                for (int i = 0; i < request.clusters; i++)
                    map.refcounts().decrement((hostOffset >>> header.clusterBits) + i);
            }
        } finally {
            int at = 0;
            while (allocating[at] != request) at++;
            allocating[at] = allocating[--allocatingCount];
            allocating[allocatingCount] = null;
            allocated.signalAll();
            lock.unlock();
        }
    }

    @Override
    public void flush() throws IOException {
        if (readOnly) return;
        lock.lock();
        try {
            if (closed) throw new IOException(file.name() + ": the disk is closed");
            collectEnded();
            if (map.dirty()) {
                map.writeBack();
                return;
            }
        } finally {
            lock.unlock();
        }
        file.sync();
    }

    @Override
    public void discard(long offset, long sizeBytes) throws IOException {
        Bounds.checkWrite(this, offset, sizeBytes);
        long first = Math.ceilDiv(offset, header.clusterBytes()), end = wholeEnd(offset + sizeBytes);
        if (first < end) zeroClusters(first, end, true, false);
    }

    // The last cluster of a disk is whole where the disk ends.
    private long wholeEnd(long end) {
        return (end == sizeBytes ? end + header.clusterBytes() - 1 : end) >>> header.clusterBits;
    }

    @Override
    public void writeZeroes(long offset, long sizeBytes, boolean mayUnmap) throws IOException {
        Bounds.checkWrite(this, offset, sizeBytes);
        if (sizeBytes == 0) return;
        long first = Math.ceilDiv(offset, header.clusterBytes()), end = wholeEnd(offset + sizeBytes);
        if (first >= end) {
            zeroPart(offset, sizeBytes);
            return;
        }
        long firstByte = first << header.clusterBits, endByte = Math.min(this.sizeBytes, end << header.clusterBits);
        zeroPart(offset, firstByte - offset);
        long done = zeroClusters(first, end, mayUnmap, false) << header.clusterBits;
        if (done < endByte) zeroPart(done, endByte - done);
        zeroPart(endByte, offset + sizeBytes - endByte);
    }

    /** @param backed though there is nothing below now @return the first cluster that could not be done so */
    private long zeroClusters(long first, long end, boolean unmap, boolean backed) throws IOException {
        Qcow2Request request = begin();
        try {
            while (first < end) {
                int done = zeroSome(first, end, unmap, backed);
                if (done == 0) break;
                first += done;
            }
            return first;
        } finally {
            end(request);
        }
    }

    private int zeroSome(long first, long end, boolean unmap, boolean backed) throws IOException {
        lock.lock();
        try {
            int count = (int) Math.min(
                    Math.min(end - first, 1 << 16),
                    undisturbed(first << header.clusterBits, end - first << header.clusterBits) >>> header.clusterBits);
            return map.zero(
                    first,
                    count,
                    backed || backing != null && first << header.clusterBits < backing.sizeBytes(),
                    unmap);
        } finally {
            lock.unlock();
        }
    }

    private void zeroPart(long offset, long sizeBytes) throws IOException {
        if (sizeBytes <= 0) return;
        Qcow2Request request = begin();
        try {
            for (long done = 0; done < sizeBytes; done += request.zeroBytes) {
                request.zeroBytes = Math.min(sizeBytes - done, HostFile.ZEROES_BYTES);
                zeroPiece(request, offset + done);
            }
        } finally {
            end(request);
        }
    }

    private void zeroPiece(Qcow2Request request, long offset) throws IOException {
        lookup(request.run, offset, request.zeroBytes);
        boolean zero = request.run.kind == ClusterMap.Kind.ZERO
                || request.run.kind == ClusterMap.Kind.UNALLOCATED
                        && (backing == null || offset >= backing.sizeBytes());
        if (zero) request.zeroBytes = request.run.bytes;
        else write(offset, request.zeroes.clear().add(HostFile.ZEROES, request.zeroBytes));
    }

    @Override
    public long nextData(long offset) throws IOException {
        return next(offset, true);
    }

    @Override
    public long nextHole(long offset) throws IOException {
        return next(offset, false);
    }

    private long next(long offset, boolean data) throws IOException {
        Bounds.check(this, offset, 0);
        Run run = new Run();
        while (offset < sizeBytes) {
            lookup(run, offset, sizeBytes - offset);
            long end = offset + run.bytes,
                    backed =
                            backing == null || run.kind != ClusterMap.Kind.UNALLOCATED
                                    ? offset
                                    : Math.clamp(backing.sizeBytes(), offset, end);
            if (backed > offset) {
                long found = data ? backing.nextData(offset) : backing.nextHole(offset);
                if (found < backed) return Math.max(found, offset);
                offset = backed;
                if (backed < end && !data) return backed;
            } else {
                boolean hole = run.kind == ClusterMap.Kind.ZERO || run.kind == ClusterMap.Kind.UNALLOCATED;
                if (hole != data) return offset;
            }
            offset = end;
        }
        return sizeBytes;
    }

    Extent extent(long offset, long bytes, int depth) throws IOException {
        Run run = new Run();
        lookup(run, offset, bytes);
        long place = run.entry & Refcounts.OFFSET_MASK, within = offset & header.clusterBytes() - 1;
        return switch (run.kind) {
            case DATA -> extent(offset, run.bytes, depth, true, false, true, run.hostOffset);
            case COMPRESSED -> new Extent(offset, run.bytes, depth, true, false, true, true, -1, file.name());
            // Only of the first cluster is it known whether and where it is kept.
            case ZERO ->
                extent(
                        offset,
                        Math.min(run.bytes, header.clusterBytes() - within),
                        depth,
                        true,
                        true,
                        false,
                        place == 0 ? -1 : place + within);
            case UNALLOCATED -> below(offset, run.bytes, depth);
        };
    }

    private Extent extent(long offset, long bytes, int depth, boolean present, boolean zero, boolean data, long place) {
        return new Extent(offset, bytes, depth, present, zero, data, false, place, file.name());
    }

    private Extent below(long offset, long bytes, int depth) throws IOException {
        long covered = covered(offset, bytes);
        return covered > 0
                ? Extent.at(backing, offset, covered, depth + 1)
                : extent(offset, bytes, depth, false, true, false, -1);
    }

    /** Bytes from here on that the backing file shows through, if it has them; negative: that are this file's own. */
    long unallocated(long offset, long bytes) throws IOException {
        Run run = new Run();
        lookup(run, offset, bytes);
        return run.kind == ClusterMap.Kind.UNALLOCATED ? run.bytes : -run.bytes;
    }

    /** Makes one cluster read zero, whatever will be below it. @return false where version 2 cannot say so */
    boolean hide(long offset) throws IOException {
        long cluster = offset >>> header.clusterBits;
        return zeroClusters(cluster, cluster + 1, true, true) > cluster;
    }

    /**
     * The image's data is durable when this begins. @param name null for no backing file; counts from the next opening
     * on
     */
    void setBacking(String name, String format) throws IOException {
        lock.lock();
        try {
            BackingName.write(file, name, format);
        } finally {
            lock.unlock();
        }
    }

    /** Stores a packed cluster behind the last one. For a disk that nobody else writes to. */
    void writePacked(long guestOffset, long fromHostAddress, int packedBytes) throws IOException {
        lock.lock();
        try {
            long offset = packedPlace(packedBytes);
            file.write(offset, fromHostAddress, packedBytes);
            map.linkPacked(guestOffset >>> header.clusterBits, offset, packedBytes);
            packedEnd = offset + packedBytes;
            packedRoom -= packedBytes;
        } finally {
            lock.unlock();
        }
    }

    // Packed clusters lie one behind the other, over the borders of clusters where the next one is free too.
    private long packedPlace(int packedBytes) throws IOException {
        Refcounts refcounts = map.refcounts();
        long clusterBytes = header.clusterBytes();
        if (packedRoom > 0 && packedRoom < packedBytes) {
            long next = refcounts.allocate(1);
            if (next << header.clusterBits != packedEnd + packedRoom) {
                packedEnd = next << header.clusterBits;
                packedRoom = 0;
            } else if (refcounts.get(packedEnd >>> header.clusterBits) < refcounts.max()) {
                refcounts.increment(packedEnd >>> header.clusterBits);
                packedRoom += clusterBytes;
                return packedEnd;
            }
            packedEnd = next << header.clusterBits;
            packedRoom = clusterBytes;
        } else if (packedRoom == 0 || refcounts.get(packedEnd >>> header.clusterBits) >= refcounts.max()) {
            packedEnd = refcounts.allocate(1) << header.clusterBits;
            packedRoom = clusterBytes;
        } else {
            refcounts.increment(packedEnd >>> header.clusterBits);
        }
        return packedEnd;
    }

    /**
     * Gives every cluster its place, {@code metadata}, {@code falloc} or {@code full}. For an image that nobody else
     * uses.
     */
    void preallocate(String how) throws IOException {
        long clusters = Math.ceilDiv(sizeBytes, header.clusterBytes());
        for (long cluster = 0; cluster < clusters; ) {
            lock.lock();
            try {
                int wanted = (int) Math.min(clusters - cluster, Math.max(1, ALLOCATION_BYTES >> header.clusterBits));
                long first = map.refcounts().allocate(wanted);
                int got = map.refcounts().got();
                if (how.equals("falloc") || how.equals("full"))
                    file.allocate(first << header.clusterBits, (long) got << header.clusterBits);
                if (how.equals("full"))
                    HostFile.writeZeroes(file, first << header.clusterBits, (long) got << header.clusterBits);
                map.link(cluster, got, first << header.clusterBits);
                cluster += got;
            } finally {
                lock.unlock();
            }
        }
    }

    /** For an image that nobody else uses; the new size counts from the next opening on. */
    void resize(long newSizeBytes) throws IOException {
        lock.lock();
        try {
            if (newSizeBytes != sizeBytes) refuseSnapshots(newSizeBytes);
            if (newSizeBytes < sizeBytes) shrink(newSizeBytes);
            else if (newSizeBytes > sizeBytes) grow(newSizeBytes);
        } finally {
            lock.unlock();
        }
    }

    private void refuseSnapshots(long newSizeBytes) throws IOException {
        if (header.snapshots == 0 || header.version >= 3 && newSizeBytes > sizeBytes) return;
        String rule = header.version < 3
                ? "qcow2 of version 2 with snapshots keeps its size"
                : "an image with snapshots does not become smaller";
        throw new IOException(file.name() + ": " + rule + ", and it has " + header.snapshots
                + "; delete them with `nestor image snapshot -d`");
    }

    private void shrink(long newSizeBytes) throws IOException {
        long kept = Math.ceilDiv(newSizeBytes, header.clusterBytes());
        long tail = Math.min(sizeBytes, kept << header.clusterBits) - newSizeBytes;
        if (tail > 0) writeZeroes(newSizeBytes, tail, false); // it would come back when the disk grows again
        map.unlinkFrom(kept);
        map.setSize(newSizeBytes);
    }

    private void grow(long newSizeBytes) throws IOException {
        long entries = Qcow2Header.l1EntriesFor(newSizeBytes, header.clusterBits);
        if (newSizeBytes > Qcow2Header.SIZE_LIMIT || entries > Qcow2Header.L1_LIMIT)
            throw Qcow2Header.bad(
                    file, "cannot have " + newSizeBytes + " bytes with clusters of " + header.clusterBytes());
        boolean shows = backing != null && backing.sizeBytes() > sizeBytes;
        long hidden = sizeBytes;
        if (entries > header.l1Entries) map.growL1((int) entries, newSizeBytes);
        else map.setSize(newSizeBytes);
        sizeBytes = newSizeBytes;
        if (shows)
            writeZeroes(hidden, newSizeBytes - hidden, true); // what the backing file has there was never the guest's
    }

    @Override
    public void close() throws IOException {
        lock.lock();
        try {
            if (closed) return;
            closed = true;
            collectEnded();
        } finally {
            lock.unlock();
        }
        try {
            if (!readOnly) finish();
        } finally {
            for (Qcow2Request request = free; request != null; request = request.next) request.close();
            map.close();
            file.close();
            if (backing != null) backing.close();
        }
    }

    private void finish() throws IOException {
        lock.lock();
        try {
            map.finish();
            long end = map.refcounts().end() << header.clusterBits;
            if (file.length() < end) file.setLength(end); // the last cluster may be written in part
        } finally {
            lock.unlock();
        }
    }
}
